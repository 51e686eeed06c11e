"""Orders without a trace are shown with their reason, and end only by a person's word."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.adapters.vault import Vault
from kokex.cli.app import run
from kokex.domain.events import EventSource
from kokex.domain.holdings import Baseline
from kokex.domain.order import OrderStatus
from kokex.ports.reconciliation import Coverage
from kokex.services.settling import DECLARED, settle_order
from tests.builders import START, order, update
from tests.fakes.clock import ManualClock
from tests.integration.postgres.journalling import entry, new_plan


class Silent:
    """An adapter that must not be asked."""

    def exchange(self, account: Any, credentials: Any) -> Any:
        raise AssertionError("the exchange was asked")


async def test_an_accepted_order_is_journalled_as_canceled_by_a_person(store: PostgresStore) -> None:
    """Source `command`; what was filled stays."""
    plan = await new_plan(store)
    told = entry(update(), plan_id=plan.id, account_id=plan.account_id)
    await store.journal.append([told])
    settled = await settle_order(store, ManualClock(), Silent(), "KXtestP1D1S0", unasked=True)  # type: ignore[arg-type]
    assert (settled.status, settled.reason) == (OrderStatus.CANCELED, DECLARED)
    assert await store.orders.pending() == []
    event = (await store.journal.events_after(plan.id, 0))[-1]
    assert (event.event_type, event.source) == ("buy_order_canceled", EventSource.COMMAND)


def test_the_command_line_lists_settles_and_accepts(
    database_url: str, tmp_path: Path, own_place: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kokex order list`, `kokex order settle`, `kokex account accept`."""

    async def prepare() -> None:
        store = await PostgresStore.open(database_url, Vault.open(tmp_path))
        plan = await new_plan(store)
        await store.orders.add(order(plan_id=plan.id, account_id=plan.account_id, status=OrderStatus.UNKNOWN))
        await store.reconciliation.explain(
            plan.account_id, "KXtestP1D1S0", "nothing proves what became of it"
        )
        await store.reconciliation.save_coverage(
            Coverage(plan.account_id, "ETH-USDT-SWAP", START, START, START, None, Baseline(1, 0))  # type: ignore[arg-type]
        )
        await store.close()

    asyncio.run(prepare())

    def asked(*words: str) -> Any:
        capsys.readouterr()
        assert run([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    (shown,) = asked("order", "list", "eth")
    assert shown["client_order_id"] == "KXtestP1D1S0"
    assert shown["status"] == "unknown"
    assert shown["reason"] == "nothing proves what became of it"
    assert run(["order", "list"]) == 0
    assert "nothing proves what became of it" in capsys.readouterr().out

    assert asked("order", "settle", "KXtestP1D1S0", "--unasked")["status"] == "expired"
    assert asked("order", "list") == []
    assert run(["order", "settle", "KXtestP1D1S0", "--unasked"]) == 1
    assert "is pending" in capsys.readouterr().err

    assert asked("account", "accept", "account of eth") == {"account": "account of eth", "instruments": 1}
    assert asked("account", "accept", "account of eth")["instruments"] == 0

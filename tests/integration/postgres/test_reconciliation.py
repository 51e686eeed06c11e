"""Standings, coverage and sums of fills are kept exactly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from kokex.adapters.postgres import PostgresStore
from kokex.domain.events import classify
from kokex.domain.holdings import Baseline, SwapRecord
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from kokex.domain.standing import AccountStanding, Standing, Trouble
from kokex.ports.reconciliation import Coverage
from tests.builders import START, fill, update
from tests.integration.postgres.journalling import entry

COVERAGE = Coverage(
    1, "ETH-USDT-SWAP", START, START, START, "1600000000000000007", Baseline(Decimal(-10), Decimal("0.5"))
)


async def test_standings_replace_each_other(store: PostgresStore) -> None:
    """One row an account, with the trouble's beginning."""
    kept = store.reconciliation
    assert await kept.standing(1) is None
    bad = AccountStanding(
        1, Standing.REDUCE_ONLY, Trouble("coins are missing", START, disagreement=True), START
    )
    await kept.save_standing(bad)
    assert await kept.standing(1) == bad
    good = AccountStanding(1, Standing.TRADING, None, START + timedelta(minutes=5))
    await kept.save_standing(good)
    await kept.save_standing(replace(bad, account_id=2))
    assert await kept.standings() == [good, replace(bad, account_id=2)]


async def test_coverage_survives_and_baselines_can_be_forgotten(store: PostgresStore) -> None:
    """Accepting takes the baseline alone; how far was read stays."""
    kept = store.reconciliation
    assert await kept.coverage(1, "ETH-USDT-SWAP") is None
    await kept.save_coverage(COVERAGE)
    await kept.save_coverage(replace(COVERAGE, account_id=2))
    assert await kept.coverage(1, "ETH-USDT-SWAP") == COVERAGE
    assert await kept.forget_baselines(1) == 1
    assert await kept.forget_baselines(1) == 0
    assert await kept.coverage(1, "ETH-USDT-SWAP") == replace(COVERAGE, baseline=None)
    assert await kept.coverage(2, "ETH-USDT-SWAP") == replace(COVERAGE, account_id=2)


async def test_fills_are_summed_by_whose_they_are(store: PostgresStore) -> None:
    """Signed; an order made elsewhere that two plans were told of counts once."""
    part = {"status": OrderStatus.PARTIALLY_FILLED}
    ours = update(fill=fill(1), filled_quantity=Decimal("0.04"), **part)
    theirs = update(
        order_id="9100", client_order_id=None, side=Side.SELL, filled_quantity=Decimal("0.04"),
        fill=fill(2, order_id="9100", side=Side.SELL, client_order_id=None), **part,
    )  # fmt: skip
    await store.journal.append(
        [entry(ours), entry(theirs, external=True), entry(theirs, plan_id=2, external=True)]
    )
    expected = SwapRecord(Decimal("0.04"), Decimal("-0.04"))
    assert await store.reconciliation.swap_record(1, "ETH-USDT") == expected
    assert await store.reconciliation.swap_record(1, "BTC-USDT") == SwapRecord(Decimal(0), Decimal(0))
    assert await store.reconciliation.pending_elsewhere(1, "ETH-USDT") == ["9100"]
    assert await store.reconciliation.pending_elsewhere(1, "BTC-USDT") == []
    assert classify(theirs).event_key == "fill:2"


async def test_a_pending_order_says_what_is_the_matter(store: PostgresStore) -> None:
    """A closed one keeps its own reason."""
    await store.journal.append([entry(update())])
    await store.reconciliation.explain(1, "KXtestP1D1S0", "no trace")
    known = await store.orders.get(1, "KXtestP1D1S0")
    assert known is not None
    assert known.reason == "no trace"
    await store.journal.append([entry(update(status=OrderStatus.CANCELED, cancel_reason="by the user"))])
    await store.reconciliation.explain(1, "KXtestP1D1S0", "no trace")
    known = await store.orders.get(1, "KXtestP1D1S0")
    assert known is not None
    assert known.reason == "by the user"

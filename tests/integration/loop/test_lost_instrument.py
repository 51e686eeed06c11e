"""An instrument that the exchange lists no longer takes its own plan out of the market, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kokex.bootstrap import Engine
from kokex.domain.errors import ExchangeRejectedError
from kokex.domain.instrument import Side
from kokex.domain.plan import Plan
from kokex.domain.standing import Standing
from kokex.services.accounts import AccountSession
from tests.integration.loop.test_reconciling import LOT, Asked, reconciled
from tests.world import Platform, eventually, market, platform

OTHER = "BTC-USDT"


class Delisting:
    """An exchange method that refuses one instrument for as long as it is `gone`."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.gone = True

    async def __call__(self, inst_id: str, *arguments: Any, **named: Any) -> Any:
        if self.gone and inst_id == OTHER:
            raise ExchangeRejectedError(f"OKX lists no {inst_id}", code="51001")
        return await self._answer(inst_id, *arguments, **named)


@pytest.mark.parametrize("method", ["instrument", "order_history"])
async def test_only_the_plan_of_a_delisted_instrument_stands_still(
    method: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told why and what to do; the account's other plan trades on; back in the list, both do."""
    asked = Asked()
    config = market(instruments=("ETH-USDT", OTHER))
    async with platform(database_url, tmp_path, asked, config=config) as (world, _, made):
        await world.plan()
        other = await world.plan(inst_id=OTHER)
        session = await both_reconciled(made, world, other)
        delisting = Delisting(getattr(session.exchange, method))
        monkeypatch.setattr(session.exchange, method, delisting)
        made.activity.on_account_subscribed(session.account.connection_key)
        await eventually(
            lambda: session.reconciled and session.lost, "an account in line but for one instrument"
        )

        assert list(session.lost) == [OTHER]
        assert session.standing is Standing.TRADING
        state = made.services.pictures.state(session, other, made.services.ledgers.of(other.id))
        assert state.account is Standing.HALTED
        assert "51001" in state.trouble or "OKX lists no BTC-USDT" in state.trouble
        assert "kokex plan stop" in state.trouble
        assert not awake(made, other)
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert answer["status"] in ("accepted", "filled")
        rows = {
            row.inst_id: row.stopped
            for row in made.services.order_events.connections[session.account.connection_key].statuses()
        }
        assert rows == {"ETH-USDT": None, OTHER: state.trouble}

        delisting.gone = False
        made.activity.on_account_subscribed(session.account.connection_key)
        await eventually(lambda: session.reconciled and not session.lost, "an account in line")
        assert awake(made, other)


async def test_an_account_that_can_read_nothing_is_not_in_line(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no instrument is left, the account itself is not reconciled."""
    async with platform(database_url, tmp_path, config=market(instruments=("ETH-USDT", OTHER))) as (
        world,
        _,
        made,
    ):
        await world.plan(inst_id=OTHER)
        session = await reconciled(made, world)
        monkeypatch.setattr(session.exchange, "instrument", Delisting(session.exchange.instrument))
        made.activity.on_account_subscribed(session.account.connection_key)
        await eventually(lambda: session.trouble, "trouble")
        assert session.trouble is not None and OTHER in session.trouble.reason
        assert not session.reconciled


async def both_reconciled(made: Engine, world: Platform, other: Plan) -> AccountSession:
    session = await reconciled(made, world)
    await eventually(lambda: made.activity.works(other.id) and session.reconciled, "both plans at work")
    await eventually(
        lambda: made.services.reconciling.idle(session) and session.reconciled, "an account in line"
    )
    return session


def awake(made: Engine, plan: Plan) -> bool:
    return made.activity._works[plan.id].runner.awake

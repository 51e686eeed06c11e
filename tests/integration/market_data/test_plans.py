"""Market data as plans meet it: streams in the agent's hands, and no decision on stale candles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.decision import Turn
from kokex.domain.instrument import Side
from kokex.domain.market import StreamKind
from kokex.domain.order import OrderType
from kokex.domain.plan import AgentSettings, TriggerKind
from kokex.ports.toolbox import Toolbox
from kokex.services.market_data import MarketDataService
from tests.world import eventually, platform

ON_CANDLES = frozenset({TriggerKind.CANDLE})


class Buyer:
    """Looks at the price and buys, at every turn."""

    def __init__(self) -> None:
        self.prices: list[Any] = []
        self.answers: list[Any] = []

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.prices.append(await toolbox.get_current_price())
        self.answers.append(await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.01")))


async def test_wanted_streams_reach_the_agent(database_url: str, tmp_path: Path) -> None:
    """The plan's settings are kept with it; the top of the book and trades come with the price."""
    buyer = Buyer()
    async with platform(database_url, tmp_path, buyer) as (world, _, _):
        wanted = frozenset({StreamKind.TRADES, StreamKind.BOOK_TOP})
        plan = await world.plan(agent=AgentSettings(triggers=ON_CANDLES, streams=wanted))
        assert (await world.application.store.plans.get(plan.id)).agent.streams == wanted

        def seen() -> Any:
            world.step()
            return next((one for one in buyer.prices if "trades" in one and "bid_quantity" in one), None)

        price = await eventually(seen, "trades and book at the agent")
        assert Decimal(price["bid_quantity"]) > 0 and Decimal(price["ask_quantity"]) > 0
        assert {"price", "quantity", "side"} == set(price["trades"][-1])


async def test_stale_candles_deny(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate says so, in its own words; nothing reaches the exchange."""
    buyer = Buyer()
    monkeypatch.setattr(MarketDataService, "staleness", lambda *_: "the next candle is 99 s late")
    async with platform(database_url, tmp_path, buyer) as (world, _, _):
        plan = await world.plan(agent=AgentSettings(triggers=ON_CANDLES))

        def answered() -> Any:
            world.step()
            return buyer.answers

        await eventually(answered, "an answer")
        (denied, *_) = await world.orders(plan)
        assert denied.reason == "stale_candles: the next candle is 99 s late"
        assert world.pushed() == []

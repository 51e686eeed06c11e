"""The ladder: what still works when something is down. One test a rung, on a real database and the paper exchange."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster
from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.adapters.langchain.service import EXITS
from kokex.adapters.postgres import EmbeddedPostgres, PostgresStore
from kokex.adapters.system_clock import SystemClock
from kokex.domain import standing
from kokex.domain.candle import CandleSeries
from kokex.domain.decision import Turn
from kokex.domain.errors import ForecastError, KokexError
from kokex.domain.forecast import Forecast
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import AgentSettings, Plan
from kokex.domain.standing import Standing
from kokex.ports.store import TurnRecord
from kokex.ports.toolbox import Toolbox
from kokex.services import forecast_age
from kokex.services.accounts import AccountSession
from kokex.services.market_data import service as market_data
from kokex.services.reconciling import standings
from tests.builders import TRADES
from tests.fixtures_database import _SETTINGS
from tests.integration.langchain.scripted_llm import ScriptedLLM, calls, failure, final
from tests.world import LIMITS, Platform, eventually, paper_world, platform, running_engine

LOT, LESS = Decimal("0.5"), Decimal("0.1")
SOON = timedelta(milliseconds=1)
PATIENT = replace(LIMITS, max_orders_per_minute=100_000, price_collar=Decimal("0.9"))
MANY = AgentSettings(trading_tools=TRADES, max_tool_calls=100_000)
"""The gate is asked again and again."""


class Trader:
    """Keeps the toolbox of its newest turn, so that a test can act whenever it wants."""

    def __init__(self) -> None:
        self.toolbox: Toolbox | None = None
        self.turns = 0

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.turns += 1
        self.toolbox = toolbox

    async def order(
        self, side: Side, quantity: Decimal, below: int | None = None, kind: OrderType = OrderType.LIMIT
    ) -> Mapping[str, Any]:
        """At market, or `below` the best bid."""
        await eventually(lambda: self.toolbox is not None, "a turn")
        assert self.toolbox is not None
        if below is None:
            return await self.toolbox.place_order(side, OrderType.MARKET, quantity)
        price = Decimal(str((await self.toolbox.get_current_price())["bid"])) - below
        return await self.toolbox.place_order(side, kind, quantity, price)

    async def buys(self) -> str | None:
        """What the gate says of more risk: a code, or None. Nothing is left of an order that it lets through."""
        answer = await self.order(Side.BUY, LESS, 50, OrderType.IOC)
        code: str | None = answer.get("code")
        return code

    async def sells(self) -> str | None:
        """The same, of less."""
        code: str | None = (await self.order(Side.SELL, LESS)).get("code")
        return code


@dataclass
class Outlook:
    """What the baseline forecasts from now on: closes that end this share higher in every path; None: it fails."""

    drift: float | None = 0.2
    made: list[Forecast] = field(default_factory=list)

    def forecast(self, candles: CandleSeries, *, horizon: int, paths: int, seed: int) -> Forecast:
        if self.drift is None:
            raise ForecastError("the forecaster is down")
        last = float(candles.closes[-1])
        steps = np.linspace(0, self.drift, horizon + 1)[1:]
        noise = np.random.default_rng(seed).normal(1.0, 0.001, (paths, horizon, 1))
        values = np.ones((paths, horizon, 6)) * last * (1 + steps)[None, :, None] * noise
        interval = candles.interval
        made = Forecast(
            candles.inst_id, interval, "block_bootstrap", candles.close_time, last, values.astype(np.float32)
        )
        self.made.append(made)
        return made


@pytest.fixture
def outlook(monkeypatch: pytest.MonkeyPatch) -> Outlook:
    made = Outlook()
    monkeypatch.setattr(
        BlockBootstrapForecaster, "forecast", lambda _, *args, **words: made.forecast(*args, **words)
    )
    return made


@asynccontextmanager
async def holding(
    database_url: str, folder: Path
) -> AsyncIterator[tuple[Platform, Plan, Trader, AccountSession]]:
    """A plan at work that holds something."""
    trader = Trader()
    async with platform(database_url, folder, trader) as (world, _, made):
        plan = await world.plan(limits=PATIENT, agent=MANY)
        assert (await trader.order(Side.BUY, LOT)).get("code") is None

        async def holds() -> bool:
            return (await world.book(plan)).quantity > 0

        await eventually(holds, "a holding")
        session = made.services.sessions.by_id(plan.account_id)
        assert session is not None
        await quiet(world, plan)
        yield world, plan, trader, session


def told(expected: str | None, ask: Callable[[], Any], market: tuple[Platform, Plan] | None = None) -> Any:
    """A condition: the gate says `expected`; with a `market`, that plan's goes on meanwhile."""

    async def said() -> bool:
        if market is not None:
            world, plan = market
            await world.go_on(plan)
        return bool(await ask() == expected)

    return said


async def test_no_model_leaves_the_built_in_exits(
    database_url: str, tmp_path: Path, outlook: Outlook
) -> None:
    """The model bought and went away: what argues for more moves nothing, what argues for less is done."""
    buy = calls(("place_order", {"side": "buy", "order_type": "market", "quantity": "0.5"}))
    async with ScriptedLLM([buy, final("act", "Bought."), failure(500)]) as llm:
        settings = ModelSettings(llm.base_url, "scripted", max_retries=0)
        agent = LangChainAgentService(settings, SystemClock())
        async with (
            paper_world(database_url, tmp_path) as world,
            running_engine(world.application, thinker=agent),
        ):
            plan = await world.plan()
            turns = world.application.store.turns

            async def by_exits(woken_by: str) -> TurnRecord | None:
                await world.go_on(plan)
                found = await turns.recent(plan.id, limit=20)
                made = (one for one in found if one.decision and one.decision.model == EXITS)
                return next((one for one in made if woken_by in one.trigger_summary), None)

            await eventually(lambda: by_exits("forecast"), "a forecast without a model")
            bought = await world.orders(plan)
            assert [one.side for one in bought] == [Side.BUY]

            outlook.drift = -0.2

            async def sold() -> bool:
                await world.go_on(plan)
                return any(one.side is Side.SELL for one in await world.orders(plan))

            await eventually(sold, "the way out")
            assert sum(one.side is Side.BUY for one in await world.orders(plan)) == 1
        await agent.close()


async def test_stale_forecasts_let_nothing_be_added(
    database_url: str, tmp_path: Path, outlook: Outlook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The market goes on without the forecaster: buying is denied, selling is not, and a forecast ends it."""
    async with holding(database_url, tmp_path) as (world, plan, trader, _):
        monkeypatch.setattr(forecast_age, "LATE_SECONDS", 0.0)
        outlook.drift = None
        world.step(4)
        await eventually(told("stale_forecast", trader.buys), "a denial")
        assert await trader.sells() is None
        outlook.drift = 0.2
        await eventually(told(None, trader.buys, (world, plan)), "an order")


async def test_stale_candles_let_nothing_be_added(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices come, candles do not: reduce only, until they are there."""
    async with holding(database_url, tmp_path) as (world, plan, trader, _):
        monkeypatch.setattr(market_data, "LATE_SECONDS", 0.0)
        faults = world.server.faults
        faults.arm("candle_gap", channel="candle1H")
        for path in ("market/candles", "market/history-candles"):
            faults.arm("server_error", path=path)
        world.step(3)
        await eventually(told("stale_candles", trader.buys), "a denial")
        assert await trader.sells() is None
        faults.clear()
        monkeypatch.undo()
        await eventually(told(None, trader.buys, (world, plan)), "an order")


async def test_an_account_that_cannot_be_reconciled_is_halted_in_steps(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held at once, reduce only, halted; back by itself once the exchange answers."""
    monkeypatch.setattr(standings, "LOOK_SECONDS", 0.02)
    async with holding(database_url, tmp_path) as (world, plan, trader, session):
        faults = world.server.faults
        faults.arm("server_error", path="trade/orders-pending")
        for connection in list(world.server.hub.connections):
            connection.close(1006, "cut")
        await eventually(lambda: not session.reconciled, "the loss of the stream")
        assert (await trader.buys(), await trader.sells()) == ("not_reconciled", "not_reconciled")
        monkeypatch.setattr(standing, "REDUCE_ONLY_AFTER", SOON)
        await eventually(lambda: session.standing is Standing.REDUCE_ONLY, "reduce only")
        assert (await trader.buys(), await trader.sells()) == ("reduce_only", None)
        monkeypatch.setattr(standing, "HALTED_AFTER", SOON)
        await eventually(lambda: session.standing is Standing.HALTED, "the halt")
        assert (await trader.buys(), await trader.sells()) == ("account_halted", "account_halted")

        async def kept() -> bool:
            known = await world.application.store.reconciliation.standing(plan.account_id)
            return known is not None and known.standing is Standing.HALTED

        await eventually(kept, "the halt on record")
        faults.clear()
        await eventually(told(None, trader.buys), "an order")


def stop_at_exchange(world: Platform) -> Callable[[], bool]:
    """A stop-loss that rests at the exchange; whether it still does."""
    exchange = world.server.exchange
    owner = exchange.find_account(world.server.config.accounts[0].api_key)
    assert owner is not None
    fields = {
        "instId": "ETH-USDT", "tdMode": "cash", "side": "sell", "ordType": "conditional", "sz": "0.3",
        "slTriggerPx": "1", "slOrdPx": "-1",
    }  # fmt: skip
    item = exchange.run(lambda: exchange.algo_desk.place(owner, fields))
    assert item["sCode"] == "0", item
    world.server.publisher.flush(force=True)

    def rests() -> bool:
        algo = exchange.algo_orders.find(owner.uid, algo_id=item["algoId"], client_id="")
        return algo is not None and algo.state == "live"

    return rests


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A database server that nobody else uses, away from pytest's folders, which other sessions close."""
    with TemporaryDirectory(prefix="kokex-ladder-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "database", settings=_SETTINGS) as server:
            yield server


async def go_away(server: EmbeddedPostgres) -> None:
    """The database stops at once, as in a crash."""
    postmaster = Path(server._folder) / "cluster" / "postmaster.pid"
    os.kill(int(postmaster.read_text(encoding="ascii").splitlines()[0]), signal.SIGQUIT)
    await eventually(lambda: not postmaster.exists(), "the end of the database")


async def come_back(server: EmbeddedPostgres) -> None:
    """And recovers."""
    assert server._cluster is not None
    await asyncio.to_thread(server._cluster.start, 60.0)


async def test_without_a_database_nothing_begins_and_stops_stay(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """No turn, no order, no cancellation; the resting order and the stop are the exchange's; then all goes on."""
    async with holding(own_server.url, tmp_path) as (world, plan, trader, session):
        assert (await trader.order(Side.BUY, LESS, 1500)).get("status") == "accepted"
        stop_rests = stop_at_exchange(world)
        turns = await quiet(world, plan)

        await go_away(own_server)
        before, begun = world.pushed(), trader.turns
        assert not await reaches_exchange(trader)
        await eventually(lambda: not session.owned, "word of the loss")
        world.step(3)
        assert not await reaches_exchange(trader)
        assert (world.pushed(), trader.turns) == (before, begun)
        assert stop_rests()

        await come_back(own_server)

        async def goes_on() -> bool:
            await world.go_on(plan)
            ended = await world.application.store.turns.count(plan.id)
            return trader.turns > begun and ended > turns and await world.journalled(plan) == world.pushed()

        await eventually(goes_on, "turns, and an equal journal", seconds=60)
        assert stop_rests()
        (resting,) = await world.application.store.orders.pending(plan_id=plan.id)
        assert (resting.status, resting.quantity) == (OrderStatus.ACCEPTED, LESS)
        await eventually(told(None, trader.buys, (world, plan)), "an order")


async def reaches_exchange(trader: Trader) -> bool:
    """Whether an order gets out; what stops it is an error of ours or a denial."""
    try:
        return await trader.buys() is None
    except KokexError:
        return False


async def quiet(world: Platform, plan: Plan) -> int:
    """Return once every event was told; how many turns have ended."""
    store = world.application.store
    assert isinstance(store, PostgresStore)

    async def told_all() -> bool:
        running = await store.turns.running(plan.id)
        return running is None and await world.journalled(plan) == world.pushed()

    await eventually(told_all, "rest")
    return await store.turns.count(plan.id)

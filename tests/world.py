"""The whole platform for a test: a paper exchange, a database, an engine, and an agent that the test writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kokex.adapters.okx import endpoints_for
from kokex.bootstrap import Application, Engine, application, engine
from kokex.domain.account import Credentials, Environment, ExchangeAccount
from kokex.domain.candle import Interval
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order
from kokex.domain.plan import AgentSettings, ForecastSettings, NewPlan, Plan
from kokex.domain.position import PlanBook
from kokex.paper.config import AccountConfig, PaperConfig
from kokex.paper.server import PaperServer
from kokex.ports.agent import Agent
from kokex.ports.toolbox import Toolbox
from kokex.settings import Settings
from tests.builders import TRADES

LIMITS = RiskLimits(
    max_order_notional=Decimal(3000), max_position_notional=Decimal(20_000), max_open_orders=20
)
PATIENCE = 60.0
"""Seconds that a test waits for something that must happen."""

Act = Callable[[Turn, Toolbox], Awaitable[None]]


class WrittenAgent:
    """Does what the test says; `turns` are those that it was run for."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.turns: list[Turn] = []

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        self.turns.append(turn)
        await self._act(turn, toolbox)
        return Decision(Action.HOLD, "as written", model="test")


async def idle(turn: Turn, toolbox: Toolbox) -> None:
    """An agent that only listens."""


def paper_account(number: int = 1, **balances: str) -> AccountConfig:
    """An account of the paper exchange, by default with 100,000 USDT and nothing else."""
    return AccountConfig(
        api_key=f"key-{number}",
        secret_key=f"secret-{number}",
        passphrase=f"phrase-{number}",
        balances={name: Decimal(amount) for name, amount in (balances or {"USDT": "100000"}).items()},
    )


def market(**changes: Any) -> PaperConfig:
    """A paper market that stands still until the test steps it."""
    config = PaperConfig(
        instruments=("ETH-USDT",),
        interval="1H",
        speed=3600,
        paused=True,
        accounts=(paper_account(),),
        warmup_candles=500,
    )
    return replace(config, **changes)


@dataclass
class Platform:
    """Everything around the engine."""

    server: PaperServer
    application: Application
    accounts: list[ExchangeAccount]

    async def plan(self, *, account: int = 0, name: str = "", **changes: Any) -> Plan:
        """A plan, created and started."""
        new = NewPlan(
            name or f"plan {len(await self.application.store.plans.list()) + 1}",
            self.accounts[account].id,
            "ETH-USDT",
            Interval("1H"),
            limits=LIMITS,
            agent=AgentSettings(trading_tools=TRADES),
            forecast=ForecastSettings(context=200, horizon=4, paths=16),
        )
        made = await self.application.plans.create(replace(new, **changes))
        return await self.application.plans.start(made.id)

    def step(self, candles: int = 1) -> None:
        """Let the market go on, at once."""
        exchange = self.server.exchange
        exchange.advance(exchange.now_ms + candles * exchange.feed.interval_ms)
        self.server.publisher.flush(force=True)

    async def go_on(self, plan: Plan) -> None:
        """The next candle, if the engine has kept the one before: nobody runs away from a slow machine."""
        account = next(one for one in self.accounts if one.id == plan.account_id)
        candles = self.application.store.candles
        last = await candles.last_open_time(f"paper:{account.id}", plan.inst_id, plan.interval)
        now = datetime.fromtimestamp(self.server.exchange.now_ms / 1000, UTC)
        if last is not None and now - last < 2 * plan.interval.duration:
            self.step()

    def pushed(self, account: int = 0) -> list[tuple[str, str, str]]:
        """The exchange's own record: order id, state and trade id of every order event, in order."""
        key = self.server.config.accounts[account].api_key
        owner = self.server.exchange.find_account(key)
        assert owner is not None
        events = self.server.exchange.records.events[owner.uid]
        return [(event.order_id, event.state, event.trade_id) for event in events]

    async def journalled(self, plan: Plan) -> list[tuple[str, str, str]]:
        """The plan's journal in the same words."""
        states = {"accepted": "live"}
        return [
            (
                event.update.order_id,
                states.get(event.update.status.value, event.update.status.value),
                (event.update.fill.trade_id or "") if event.update.fill else "",
            )
            for event in await self.application.store.journal.events_after(plan.id, 0, limit=100_000)
        ]

    async def orders(self, plan: Plan) -> list[Order]:
        """The plan's orders, oldest first."""
        return list(reversed(await self.application.store.orders.recent(plan.id, limit=100_000)))

    async def book(self, plan: Plan) -> PlanBook:
        """The plan's book from the journal's fills."""
        owner = next(account for account in self.accounts if account.id == plan.account_id)
        instrument = await self.application.store.instruments.get(f"paper:{owner.id}", plan.inst_id)
        assert instrument is not None
        return PlanBook(instrument).apply_all(await self.application.store.journal.fills(plan.id))

    def books(self, account: int = 0) -> dict[str, Any]:
        """The exchange's own books of an account."""
        owner = self.server.exchange.find_account(self.server.config.accounts[account].api_key)
        assert owner is not None
        return self.server.exchange.books(owner)


async def eventually(
    condition: Callable[[], Any], what: str = "condition", *, seconds: float = PATIENCE
) -> Any:
    """The first true result of `condition` (plain or awaitable), asked whenever the loop has moved on."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                result = condition()
                if asyncio.iscoroutine(result):
                    result = await result
                if result:
                    return result
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} did not come true within {seconds:g} s") from None


@asynccontextmanager
async def running_engine(
    app: Application, act: Act = idle, thinker: Agent | None = None
) -> AsyncIterator[tuple[Engine, WrittenAgent]]:
    """An engine at work on `app`, stopped at the end. `thinker` decides in the written agent's place."""
    agent = WrittenAgent(act)
    made = await engine(app, thinker or agent)
    ready = asyncio.Event()
    task = asyncio.create_task(made.run(ready))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield made, agent
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


@asynccontextmanager
async def paper_world(
    database_url: str, folder: Path, config: PaperConfig | None = None
) -> AsyncIterator[Platform]:
    """All but the engine, with one KOKEX account for every paper account."""
    settings = Settings(home=folder, database_url=SecretStr(database_url))
    async with PaperServer(config or market()) as server, application(settings) as app:
        accounts = []
        for number, paper in enumerate(server.config.accounts, 1):
            endpoints = endpoints_for("global", Environment.PAPER, paper_url=server.rest_url)
            credentials = Credentials(paper.api_key, paper.secret_key, paper.passphrase)
            name = f"paper {number}"
            accounts.append(
                await app.store.accounts.add(name, "okx", Environment.PAPER, endpoints, credentials)
            )
        yield Platform(server, app, accounts)


@asynccontextmanager
async def platform(
    database_url: str, folder: Path, act: Act = idle, config: PaperConfig | None = None
) -> AsyncIterator[tuple[Platform, WrittenAgent, Engine]]:
    """All of it, the engine at work."""
    async with (
        paper_world(database_url, folder, config) as world,
        running_engine(world.application, act) as (made, agent),
    ):
        yield world, agent, made

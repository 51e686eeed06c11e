"""The engine as `kokex.bootstrap` wires it, with the built-in policy, which buys again at each fill.

Started by the benchmarks: `python -m benchmarks.order_process`. Everything is the real thing: streams, journal, turns, the policy with
all its tools, the gate, the order's record, the request. Two things are added: the agent notes when the events that woke its turn
were received, and the store's `finish` notes when the decision's record was committed.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from pydantic import SecretStr

from benchmarks.desk import add_account
from benchmarks.frames import INST_ID
from benchmarks.market_process import KEYS
from benchmarks.processes import Words, first_words, serve_commands
from kokex.adapters.langchain import LangChainAgentService
from kokex.adapters.logs import configure_logs
from kokex.bootstrap import Application, application, engine, quiet_collector
from kokex.domain.account import Credentials, ExchangeAccount
from kokex.domain.candle import Interval
from kokex.domain.decision import Decision, Turn
from kokex.domain.forecast import Forecast
from kokex.domain.limits import RiskLimits
from kokex.domain.plan import AgentSettings, ForecastSettings, NewPlan, Plan, TradingTool, TriggerKind
from kokex.ports.toolbox import Toolbox
from kokex.settings import Settings

HOUR = Interval("1H")
LIMITS = RiskLimits(
    max_order_notional=Decimal(100), max_position_notional=Decimal(5_000_000), max_orders_per_minute=100_000
)
"""Small orders towards a large holding: there is always a next one."""


class Moments:
    """Of each turn that order events woke, by its number: when the first of them was received, and when it was closed."""

    def __init__(self) -> None:
        self.received: dict[int, float] = {}
        self.closed: dict[int, float] = {}
        self._wanted = 0
        self._enough = asyncio.Event()

    async def until(self, words: Words) -> Words:
        """Wait until `turns` more turns are closed, then keep the moments in `save`."""
        self.received.clear()
        self.closed.clear()
        self._wanted = words["turns"]
        self._enough.clear()
        await self._enough.wait()
        done = [number for number in self.closed if number in self.received]
        np.savez(
            Path(words["save"]),
            turns=np.array(done),
            received=np.array([self.received[number] for number in done]),
            closed=np.array([self.closed[number] for number in done]),
        )
        return {"turns": len(done)}

    def note_closed(self, turn_id: int) -> None:
        """The decision is on record."""
        self.closed[turn_id] = time.time()
        if len(self.closed) >= self._wanted:
            self._enough.set()


class NotingPolicy:
    """The built-in policy, with the moments at which what woke it was received."""

    def __init__(self, agent: LangChainAgentService, moments: Moments) -> None:
        self._agent = agent
        self._moments = moments

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """See `Agent`."""
        wake = turn.plan.agent.order_triggers
        events = [one for trigger in turn.triggers for one in trigger.events if one.kind in wake]
        if events:
            self._moments.received[turn.id] = min(one.received_at.timestamp() for one in events)
        return await self._agent.run_turn(turn, toolbox)


class NotedTurns:
    """The store's turns, with the moments at which decisions were committed."""

    def __init__(self, turns: Any, moments: Moments) -> None:
        self._turns = turns
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turns, name)

    async def finish(self, turn_id: int, *arguments: Any, **named: Any) -> None:
        """Commit, then note."""
        await self._turns.finish(turn_id, *arguments, **named)
        self._moments.note_closed(turn_id)


async def make_plan(app: Application, words: Words) -> Plan:
    """A plan with a forecast that argues for buying as long as this lasts."""
    account = await add_account(app, "bench", words["rest_url"])
    new = NewPlan(
        "bench",
        account.id,
        INST_ID,
        HOUR,
        limits=LIMITS,
        agent=AgentSettings(
            triggers=frozenset({TriggerKind.ORDER_EVENT, TriggerKind.FORECAST}),
            trading_tools=frozenset(TradingTool),
        ),
        forecast=ForecastSettings(context=100, horizon=4, paths=16),
    )
    plan = await app.plans.create(new)
    await app.store.forecasts.add(plan.id, await _rising(app, account))
    return await app.plans.start(plan.id)


async def _rising(app: Application, account: ExchangeAccount) -> Forecast:
    """A fifth higher in every path. Its origin is the next close, so that no other takes its place for two hours."""
    exchange = app.adapter.exchange(account, Credentials(*KEYS))
    try:
        ticker = await exchange.ticker(INST_ID)
    finally:
        await exchange.close()
    last, origin = float(ticker.last), HOUR.floor(ticker.occurred_at) + timedelta(hours=1)
    noise = np.random.default_rng(1).normal(1.0, 0.01, (16, 4, 1))
    paths = (np.ones((16, 4, 6)) * last * 1.2 * noise).astype(np.float32)
    return Forecast(INST_ID, HOUR, "block_bootstrap", origin, last, paths)


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    settings = Settings(home=Path(words["home"]), database_url=SecretStr(words["database_url"]))
    async with application(settings) as app:
        await make_plan(app, words)
        moments = Moments()
        app.store.turns = NotedTurns(app.store.turns, moments)  # type: ignore[misc]
        built = await engine(app, NotingPolicy(LangChainAgentService(None, app.clock), moments))
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(built.run(ready))
            await ready.wait()
            quiet_collector()
            if built.activity.waiting:
                raise RuntimeError(f"accounts are not reconciled: {built.activity.waiting}")
            await serve_commands({}, {"until": moments.until})
            running.cancel()


if __name__ == "__main__":
    configure_logs("info", as_json=False)  # as `kokex up` does
    uvloop.run(serve(first_words()))

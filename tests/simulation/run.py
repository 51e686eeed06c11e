"""One run of a scenario: it begins, goes through its steps, heals, ends; and the records are compared."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kokex.adapters.okx import endpoints_for
from kokex.domain.account import Credentials, Environment, ExchangeAccount
from kokex.domain.candle import Interval
from kokex.domain.errors import StoreError
from kokex.domain.events import OrderEventKind
from kokex.domain.ids import order_origin
from kokex.domain.limits import RiskLimits
from kokex.domain.plan import AgentSettings, ForecastSettings, NewPlan, PlanStatus, TriggerKind
from kokex.paper.config import AccountConfig, PaperConfig
from kokex.paper.server import PaperServer
from tests.simulation.agent import Script
from tests.simulation.invariants import Case, differences
from tests.simulation.laboratory import Laboratory
from tests.simulation.pace import FastClock
from tests.simulation.scenario import SPOT, SWAP, PlanSpec, Scenario
from tests.simulation.stage import Stage

READY_S = 60.0
"""Simulated seconds in which the engine comes to trade for the first time; faults may be armed already."""
HEALING_S = 300.0
"""Simulated seconds in which all must be well again once the faults have ended."""
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.3, 4.0
_BETWEEN_S = 0.02
_LOSING = {"drop_frame", "truncate_frame", "reorder_frame"}
"""Faults that lose or swap single pushes while their connection goes on; see `docs/faults.md` on the order of events."""
_INTERVAL = Interval("1m")
_AGENT = AgentSettings(
    triggers=frozenset({TriggerKind.CANDLE, TriggerKind.ORDER_EVENT, TriggerKind.POSITION}),
    order_triggers=frozenset(OrderEventKind),
    turn_seconds=600.0,
)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        violations: sentences; empty where every invariant holds.
        strikes: how often each kind of fault struck.
        counts: what else happened: orders, fills, events, turns, deaths...
        healing_s: simulated seconds from the last step to equal records, twice.
        processor_s: the computer's.
    """

    violations: tuple[str, ...]
    strikes: Counter[str]
    counts: Counter[str]
    healing_s: float
    processor_s: float


def run(scenario: Scenario, laboratory: Laboratory) -> Outcome:
    """Run it, and look at what became of it."""
    return laboratory.runner.run(Run(scenario, laboratory).whole())


class Run:
    """A scenario on its way."""

    def __init__(self, scenario: Scenario, laboratory: Laboratory) -> None:
        self._scenario = scenario
        self._laboratory = laboratory
        self._clock = FastClock()
        config = PaperConfig(
            seed=scenario.seed,
            instruments=(SPOT, SWAP),
            interval=str(_INTERVAL),
            paused=True,
            warmup_candles=40,
            ticks_per_candle=12,
            accounts=tuple(_account(number) for number in range(scenario.accounts)),
        )
        self.stage = Stage(PaperServer(config), laboratory)

    async def whole(self) -> Outcome:
        processor = time.process_time()
        stage = self.stage
        self._laboratory.empty()
        async with stage.server:
            try:
                await self._set_up()
                violations = await self._act()
                began = self._clock.monotonic()
                violations = violations or await self._heal() or await self._end()
            finally:
                await stage.close()
        self._count()
        return Outcome(
            violations=tuple(violations),
            strikes=Counter(strike.kind for strike in stage.server.faults.strikes()),
            counts=stage.counts,
            healing_s=self._clock.monotonic() - began,
            processor_s=time.process_time() - processor,
        )

    # -- beginning

    async def _set_up(self) -> None:
        stage, store = self.stage, self._laboratory.store
        endpoints = endpoints_for("global", Environment.PAPER, paper_url=stage.server.rest_url)
        for number, paper in enumerate(stage.server.config.accounts):
            credentials = Credentials(paper.api_key, paper.secret_key, paper.passphrase)
            owner = await store.accounts.add(
                f"paper {number}", "okx", Environment.PAPER, endpoints, credentials
            )
            stage.owners.append(owner)
        for number, spec in enumerate(self._scenario.plans):
            plan = await store.plans.add(_plan(number, spec, stage.owners[spec.account]))
            await store.plans.set_status(plan.id, PlanStatus.RUNNING)
            stage.plans.append(await store.plans.get(plan.id))
            stage.scripts[plan.id] = Script(spec.inst_id)
        if self._scenario.early:
            stage.server.faults.arm_plan(self._scenario.faults)
        stage.bear()

    async def _act(self) -> list[str]:
        """The steps, once all plans are at work: what their owner does before that is no concern of theirs."""
        stage = self.stage
        if not await self._until(stage.trading, READY_S):
            stage.server.faults.clear()
            if not await self._until(stage.trading, HEALING_S):
                return ["the engine never came to trade"]
        if not self._scenario.early:
            stage.server.faults.arm_plan(self._scenario.faults)
        for step in self._scenario.steps:
            await asyncio.sleep(_BETWEEN_S)
            await stage.do(step)
        return []

    # -- the end

    async def _heal(self) -> list[str]:
        """The faults end; what differs after a while of peace."""
        stage = self.stage
        stage.server.faults.clear()
        if stage.birth is not None:
            await stage.birth
            stage.birth = None
        await self._wish(PlanStatus.RUNNING)
        return await self._until_agreed()

    async def _end(self) -> list[str]:
        """The user stops every plan: nothing of theirs is open any more, and the records are the same still."""
        await self._wish(PlanStatus.STOPPED)
        if not await self._until(lambda: not self._ours_open(), HEALING_S):
            return [f"open after the end: {self._ours_open()}"]
        return await self._until_agreed(stopped=True)

    async def _wish(self, status: PlanStatus) -> None:
        """What the user wants of every plan from now on. The database may be coming back still."""
        for plan in self.stage.plans:
            for attempt in range(20):
                try:
                    await self._laboratory.store.plans.set_status(plan.id, status)
                    break
                except StoreError:
                    if attempt == 19:
                        raise
                    await asyncio.sleep(1.0)

    async def _until_agreed(self, *, stopped: bool = False) -> list[str]:
        """What differs still when patience ends."""
        stage, deadline = self.stage, self._clock.monotonic() + HEALING_S
        look, candle_at = _FIRST_LOOK_S, 0.0
        while True:
            at_work = stopped or stage.trading()
            undone = not stopped and any(script.waiting for script in stage.scripts.values())
            if undone and self._clock.monotonic() > candle_at:
                stage.close_candle()  # wakes the agents
                candle_at = self._clock.monotonic() + 2.0
            if undone or not at_work:
                found = ["not every plan trades and has done its deeds"]
            else:
                found = await self.differences(stopped=stopped)
            if not found:
                return []
            failure = stage.life.failure if stage.life is not None else None
            if failure is not None:
                return [f"the engine failed: {''.join(traceback.format_exception(failure))}"]
            if self._clock.monotonic() > deadline:
                return found
            await asyncio.sleep(look)
            look = min(look * 1.4, _LONGEST_LOOK_S)

    async def differences(self, *, stopped: bool) -> list[str]:
        """What differs now."""
        stage, kinds = self.stage, self._scenario.kinds()
        cases = [
            Case(
                plan,
                stage.owners[spec.account],
                stage.account(spec.account),
                stage.scripts[plan.id],
                amended=plan.id in stage.amended,
                forgetful="forgotten_cancel" in kinds,
                unordered=bool(kinds & _LOSING),
            )
            for plan, spec in zip(stage.plans, self._scenario.plans, strict=True)
        ]
        life = stage.life
        ledgers = life.engine.services.ledgers if life and life.engine and not stopped else None
        try:
            return await differences(stage.server.exchange, self._laboratory.store, cases, ledgers)
        except StoreError as error:
            return [f"the database is away: {error}"]

    def _ours_open(self) -> list[str]:
        exchange = self.stage.server.exchange
        return [
            order.client_order_id
            for account in exchange.accounts.values()
            for order in exchange.records.open_orders(account.uid)
            if order_origin(order.client_order_id) is not None
        ]

    async def _until(self, condition: Callable[[], Any], seconds: float) -> bool:
        deadline = self._clock.monotonic() + seconds
        while not condition():
            if self._clock.monotonic() > deadline:
                return False
            await asyncio.sleep(0.1)
        return True

    def _count(self) -> None:
        records, stage = self.stage.server.exchange.records, self.stage
        turns = [turn for script in stage.scripts.values() for turn in script.turns.values()]
        stage.counts["orders"] += len(records.orders)
        stage.counts["order events"] += sum(len(events) for events in records.events.values())
        stage.counts["fills"] += sum(len(fills) for fills in records.fills.values())
        stage.counts["turns"] += len(turns)
        stage.counts["turns run again"] += sum(turn.resumed for turn in turns)


def _account(number: int) -> AccountConfig:
    """Each holds another amount, so that one's balance is never taken for another's unnoticed."""
    return AccountConfig(
        api_key=f"key-{number}",
        secret_key=f"secret-{number}",
        passphrase=f"phrase-{number}",
        balances={"USDT": Decimal(100_000 + 1000 * number)},
    )


def _plan(number: int, spec: PlanSpec, owner: ExchangeAccount) -> NewPlan:
    limits = RiskLimits(
        max_order_notional=Decimal(3000),
        max_position_notional=Decimal(spec.max_position),
        max_open_orders=spec.max_open_orders,
        max_orders_per_minute=1000,
        allow_short=spec.inst_id == SWAP,
    )
    return NewPlan(
        f"plan {number}",
        owner.id,
        spec.inst_id,
        _INTERVAL,
        limits=limits,
        agent=_AGENT,
        forecast=ForecastSettings(context=20, horizon=1, paths=2),
    )

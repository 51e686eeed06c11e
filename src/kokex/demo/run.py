"""The demo from start to end: market, engine, plan; the show; the winding down; the two books compared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kokex.adapters.model_libraries import missing_libraries
from kokex.adapters.okx import endpoints_for
from kokex.adapters.worker_process import WorkerProcess
from kokex.bootstrap import Application, Engine, application, engine
from kokex.cli.running import stop_signals
from kokex.demo.folder import make_anew, take_up, worker_log_file
from kokex.demo.market import Market, start_market
from kokex.demo.model import DemoModel, ModelState
from kokex.demo.options import (
    FORECAST,
    INTERVAL,
    KEYS,
    LIMITS,
    NAME,
    DemoOptions,
    MarketChoice,
)
from kokex.demo.summary import (
    Summary,
    compare,
    exchange_identity,
    journal_identities,
    journalled,
    read_record,
)
from kokex.demo.training import DemoTraining
from kokex.demo.watch import LOOK_SECONDS, Happening, Picture, Watcher
from kokex.domain.account import Environment, ExchangeAccount
from kokex.domain.errors import KokexError, NotFoundError, StateError
from kokex.domain.plan import AgentSettings, NewPlan, Plan, PlanStatus, TradingTool
from kokex.services.accounts import market_of
from kokex.settings import Settings

QUIET_SECONDS: Final = 20.0
"""How long the agent may take to come to rest once the market stands still."""
STOP_SECONDS: Final = 15.0
"""How long a stop, and the journal after it, may take."""
READY_SECONDS: Final = 60.0
WORKER_NICENESS: Final = 10
"""The worker trains with what engine and market leave of the processor."""


class Stage(Protocol):
    """Where the demo is shown."""

    def say(self, text: str) -> None:
        """What the demo is doing."""
        ...

    def show(self, picture: Picture, happenings: list[Happening]) -> None:
        """The state of things, and what is new."""
        ...

    def curtain(self) -> None:
        """The show is over; words may follow."""
        ...


@dataclass(frozen=True, slots=True)
class _Play:
    """What the demo is played with."""

    opened: Application
    engine: Engine
    market: Market
    plan: Plan
    account: ExchangeAccount
    stage: Stage
    training: DemoTraining
    options: DemoOptions


async def run_demo(options: DemoOptions, settings: Settings, stage: Stage) -> tuple[Summary, MarketChoice]:
    """Play the demo; the comparison of both books. The caller holds the folder (`sole_engine`).

    Raises:
        StateError: nothing to resume, or it was stopped before anything could happen.
    """
    if options.choice is None:
        choice = take_up(options.folder)
        stage.say(f"Going on in {options.folder}: {choice.words}.")
    else:
        choice = options.choice
        make_anew(options.folder, choice)
        stage.say(f"Starting anew in {options.folder}: {choice.words}.")
    stop = asyncio.Event()
    with stop_signals(stop):
        async with start_market(options.folder, choice) as process, application(settings) as opened:
            market = await process.stands()
            stage.say(f"The market stands at {market.rest_url}; the database is ready.")
            account = await _account(opened, market)
            plan = await _plan(opened, account, choice)
            training = _training(options, opened, plan, account)
            play = _Play(opened, await engine(opened), market, plan, account, stage, training, options)
            return await _play(play, stop), choice


async def _play(play: _Play, stop: asyncio.Event) -> Summary:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(play.engine.run(ready))
        others = [tasks.create_task(play.market.ended())]
        await play.opened.plans.start(play.plan.id)
        await _until_ready(play, ready, stop)
        watcher = Watcher(play.engine, play.plan, play.account)
        await watcher.catch_up()
        await play.market.run_clock()
        others.append(tasks.create_task(_learn(play)))
        await _show(play, watcher, stop)
        play.stage.curtain()
        play.stage.say("The market is frozen, the plan stops; both books are read.")
        await _wind_down(play)
        summary = await _compare(play)
        running.cancel()
        for task in others:
            task.cancel()
    return summary


async def _learn(play: _Play) -> None:
    """Have a version trained, or take up the former demo's, and keep a worker for it: beside the show, which never waits."""
    try:
        play.stage.say(await play.training.begin())
    except KokexError as error:
        play.training.model = DemoModel(ModelState.FAILED, line=f"no model could be asked for: {error}")
        play.stage.say(f"The baseline forecasts: {play.training.model.line}.")
    if not play.training.needs_worker:
        return
    folder = play.options.folder
    await WorkerProcess(folder, log_file=worker_log_file(folder), threads=1, niceness=WORKER_NICENESS).run()


async def _until_ready(play: _Play, ready: asyncio.Event, stop: asyncio.Event) -> None:
    activity = play.engine.activity

    async def plan_at_work() -> bool:
        return stop.is_set() or (ready.is_set() and activity.works(play.plan.id) and not activity.waiting)

    if not await _until(plan_at_work, READY_SECONDS):
        reason = "; ".join(activity.waiting) or "the demo's log tells why"
        raise StateError(f"the plan was not at work within {READY_SECONDS:.0f} s: {reason}")


async def _show(play: _Play, watcher: Watcher, stop: asyncio.Event) -> None:
    """Look and tell, until told to stop or the time is over."""
    duration = play.options.duration
    ends = None if duration is None else time.monotonic() + duration
    while not stop.is_set() and (ends is None or time.monotonic() < ends):
        happenings = await watcher.look() + await play.training.look()
        watcher.picture.model = play.training.model
        play.stage.show(watcher.picture, happenings)
        wait = LOOK_SECONDS if ends is None else min(LOOK_SECONDS, max(ends - time.monotonic(), 0.0))
        try:
            async with asyncio.timeout(wait):
                await stop.wait()
        except TimeoutError:
            continue


async def _wind_down(play: _Play) -> None:
    """Freeze the market, let the agent finish, stop the plan, and wait until the journal has all that the exchange did."""
    await play.market.freeze()
    store, plan = play.opened.store, play.plan

    async def at_rest() -> bool:
        return await store.turns.running(plan.id) is None and await _journal_is_whole(play)

    await _until(at_rest, QUIET_SECONDS, times=2)
    await play.opened.plans.stop(plan.id)

    async def stopped() -> bool:
        return not any(row.active for row in await store.subscriptions.list() if row.plan_id == plan.id)

    await _until(stopped, STOP_SECONDS)

    async def whole() -> bool:
        return await _journal_is_whole(play)

    await _until(whole, STOP_SECONDS)


async def _journal_is_whole(play: _Play) -> bool:
    made = {exchange_identity(event) for event in await play.market.events()}
    return made <= journal_identities(await journalled(play.opened.store, play.plan.id))


async def _compare(play: _Play) -> Summary:
    record = await read_record(play.opened.store, play.plan.id, market_of(play.account))
    model = await play.training.outcome()
    return replace(compare(record, await play.market.books(), await play.market.events()), model=model)


async def _until(met: Callable[[], Awaitable[bool]], seconds: float, *, times: int = 1) -> bool:
    """Whether `met` came true (`times` in a row) within `seconds`."""
    deadline = time.monotonic() + seconds
    row = 0
    while True:
        row = row + 1 if await met() else 0
        if row >= times:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)


async def _account(opened: Application, market: Market) -> ExchangeAccount:
    """The demo's account, at the market's present address."""
    endpoints = endpoints_for("global", Environment.PAPER, paper_url=market.rest_url)
    try:
        known = await opened.store.accounts.by_name(NAME)
    except NotFoundError:
        return await opened.store.accounts.add(NAME, "okx", Environment.PAPER, endpoints, KEYS)
    await opened.store.accounts.update_endpoints(known.id, endpoints)
    return await opened.store.accounts.get(known.id)


def _training(
    options: DemoOptions, opened: Application, plan: Plan, account: ExchangeAccount
) -> DemoTraining:
    wish, model = options.wish, DemoModel(ModelState.WAITING)
    missing = missing_libraries()
    if wish is None:
        model = DemoModel(
            ModelState.LEFT_OUT, line="No model is trained, as you wished: the baseline forecasts."
        )
    elif missing:
        words = f"No model is trained, for {', '.join(missing)} is not installed: the baseline forecasts (`make demo` installs it)."
        wish, model = None, DemoModel(ModelState.NOT_INSTALLED, line=words)
    return DemoTraining(opened, plan, account, wish, model)


async def _plan(opened: Application, account: ExchangeAccount, choice: MarketChoice) -> Plan:
    """The demo's plan, as a former demo left it or new."""
    for plan in await opened.store.plans.list():
        if plan.name == NAME:
            if plan.status in (PlanStatus.RUNNING, PlanStatus.PAUSED):
                await opened.plans.stop(plan.id)
            return plan
    agent = AgentSettings(trading_tools=frozenset(TradingTool))
    new = NewPlan(NAME, account.id, choice.inst_id, INTERVAL, LIMITS, agent, FORECAST)
    return await opened.plans.create(new)

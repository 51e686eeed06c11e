"""The demo from start to end: market, engine, two plans; the show; and its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import Final

from kokex.adapters.worker_process import WorkerProcess
from kokex.bootstrap import application, engine
from kokex.cli.running import stop_signals
from kokex.demo.agents import DemoAgents, demo_agents
from kokex.demo.cast import demo_account, demo_plans, demo_training
from kokex.demo.folder import make_anew, take_up, worker_log_file
from kokex.demo.market import start_market
from kokex.demo.model import DemoModel, ModelState
from kokex.demo.model_server import ModelServer
from kokex.demo.options import DemoOptions, MarketChoice
from kokex.demo.owner import Owner
from kokex.demo.play import Play, Stage, end, until
from kokex.demo.summary import Summary
from kokex.demo.watch import LOOK_SECONDS, Watcher
from kokex.domain.errors import KokexError, StateError
from kokex.settings import Settings

READY_SECONDS: Final = 60.0
WORKER_NICENESS: Final = 10
"""The worker trains with what engine and market leave of the processor."""


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
        async with AsyncExitStack() as stack:
            process = await stack.enter_async_context(start_market(options.folder, choice))
            opened = await stack.enter_async_context(application(settings))
            model = await stack.enter_async_context(ModelServer(choice.seed))
            agents = await stack.enter_async_context(demo_agents(opened, model))
            market = await process.stands()
            stage.say(f"The market stands at {market.rest_url}; the database is ready.")
            stage.say(
                f"Plan language asks a model at {model.base_url}: a script that speaks OpenAI's protocol and obeys the plan's prompt. "
                "No language model, no key; its price is made up."
            )
            account = await demo_account(opened, market)
            plan, language = await demo_plans(opened, account, choice)
            training = demo_training(options, opened, plan, account)
            made = await engine(opened, agents)
            play = Play(opened, made, market, plan, language, account, stage, training, model, options)
            return await _play(play, agents, stop), choice


async def _play(play: Play, agents: DemoAgents, stop: asyncio.Event) -> Summary:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(play.engine.run(ready))
        others = [tasks.create_task(play.market.ended())]
        for plan in play.plans:
            await play.opened.plans.start(plan.id)
        await agents.prepare()
        await _until_ready(play, ready, stop)
        watchers = await _watchers(play)
        await play.market.run_clock()
        others.append(tasks.create_task(_learn(play)))
        hours = await _show(play, watchers, stop)
        play.stage.curtain()
        play.stage.say("The market is frozen.")
        summary = replace(await end(play), hours=hours)
        running.cancel()
        for task in others:
            task.cancel()
    return summary


async def _watchers(play: Play) -> tuple[Watcher, Watcher]:
    first = Watcher(play.engine, play.plan, play.account)
    second = Watcher(play.engine, play.language, play.account, first)
    for watcher in (first, second):
        await watcher.catch_up()
    return first, second


async def _learn(play: Play) -> None:
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


async def _until_ready(play: Play, ready: asyncio.Event, stop: asyncio.Event) -> None:
    activity = play.engine.activity

    async def plans_at_work() -> bool:
        works = all(activity.works(plan.id) for plan in play.plans)
        return stop.is_set() or (ready.is_set() and works and not activity.waiting)

    if not await until(plans_at_work, READY_SECONDS):
        reason = "; ".join(activity.waiting) or "the demo's log tells why"
        raise StateError(f"the plans were not at work within {READY_SECONDS:.0f} s: {reason}")


async def _show(play: Play, watchers: tuple[Watcher, Watcher], stop: asyncio.Event) -> float:
    """Look and tell, until told to stop or the time is over; the hours of market time that passed."""
    duration = play.options.duration
    ends = None if duration is None else time.monotonic() + duration
    owner = Owner(play.opened, play.plans)
    picture = watchers[0].picture
    began: datetime | None = None
    while not stop.is_set() and (ends is None or time.monotonic() < ends):
        happenings = [one for watcher in watchers for one in await watcher.look()]
        said = await owner.look(happenings, picture.market_time)
        picture.keep(said)
        happenings += said + await play.training.look()
        picture.model = play.training.model
        began = began or picture.market_time
        play.stage.show(picture, happenings)
        wait = LOOK_SECONDS if ends is None else min(LOOK_SECONDS, max(ends - time.monotonic(), 0.0))
        try:
            async with asyncio.timeout(wait):
                await stop.wait()
        except TimeoutError:
            continue
    ended = picture.market_time
    return 0.0 if began is None or ended is None else (ended - began).total_seconds() / 3600

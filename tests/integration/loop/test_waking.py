"""Alerts, risk events and schedules on the whole platform: each wakes an agent once, also over a crash and a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.bootstrap import Application
from kokex.domain.decision import Trigger, Turn
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.notice import AlertDirection
from kokex.domain.plan import AgentSettings, Plan, TriggerKind
from kokex.domain.schedule import Schedule
from kokex.ports.toolbox import Toolbox
from tests.world import WrittenAgent, eventually, paper_world, running_engine

LOW, HIGH = Decimal(1), Decimal(1_000_000)


def _wakes_on(kind: TriggerKind, **changes: Any) -> AgentSettings:
    return AgentSettings(triggers=frozenset({kind}), **changes)


def _told(agent: WrittenAgent) -> list[Trigger]:
    return [trigger for turn in agent.turns for trigger in turn.triggers]


async def _turns(app: Application, plan: Plan) -> list[tuple[str, ...]]:
    """Keys of the plan's turns that have ended, oldest first."""
    kept = await app.store.turns.recent(plan.id, limit=50)
    return [one.trigger_keys for one in reversed(kept) if one.finished_at is not None]


async def _alert(app: Application, plan: Plan, turn_id: int, price: Decimal, direction: str) -> None:
    now = app.clock.now()
    await app.store.alerts.set(plan.id, turn_id, price, AlertDirection(direction), "look", now)


async def test_an_alert_beyond_its_price_fires_once_when_the_engine_comes_back(
    database_url: str, tmp_path: Path
) -> None:
    """It says that it was passed while nobody watched; one that is not reached waits on; another restart tells nothing."""
    async with paper_world(database_url, tmp_path) as world:
        app = world.application
        plan = await world.plan(agent=_wakes_on(TriggerKind.PRICE_ALERT))
        await _alert(app, plan, 1, LOW, "above")
        await _alert(app, plan, 1, LOW, "below")
        for _ in range(2):
            async with running_engine(app) as (_, agent):
                world.step()
                await eventually(lambda: _turns(app, plan), "a turn")
        assert await _turns(app, plan) == [("price_alert:1",)]
        assert not agent.turns
        (waiting,) = await app.store.alerts.active([plan.id])
        assert waiting.direction is AlertDirection.BELOW
        notice = await app.store.notices.get(1)
        assert notice.facts["your_note"] == "look"
        assert notice.facts["crossed"].startswith("already beyond")


async def test_an_alert_set_by_day_fires_on_a_price(database_url: str, tmp_path: Path) -> None:
    """Watched from the moment that it is set; it does not claim to have been passed unseen."""
    async with (
        paper_world(database_url, tmp_path) as world,
        running_engine(world.application) as (made, agent),
    ):
        plan = await world.plan(agent=_wakes_on(TriggerKind.PRICE_ALERT))
        session = await eventually(
            lambda: next((s for p, s in made.activity.at_work() if p.id == plan.id and s.reconciled), None)
        )
        world.step()
        market_data = made.services.market_data
        await eventually(lambda: market_data.fresh_ticker(session.account, plan.inst_id), "a price")
        await made.services.alerts.set(plan.id, 1, HIGH, AlertDirection.BELOW, "far")
        world.step()
        await eventually(lambda: _told(agent), "an alert")
        (trigger,) = _told(agent)
        assert trigger.facts["direction"] == "below" and "crossed" not in trigger.facts


async def test_a_crash_in_the_turn_of_an_alert_repeats_that_turn_and_no_other(
    database_url: str, tmp_path: Path
) -> None:
    """Under its own number, told the same."""
    began = asyncio.Event()

    async def never(turn: Turn, toolbox: Toolbox) -> None:
        began.set()
        await asyncio.Event().wait()

    async with paper_world(database_url, tmp_path) as world:
        app = world.application
        plan = await world.plan(agent=_wakes_on(TriggerKind.PRICE_ALERT))
        await _alert(app, plan, 1, LOW, "above")
        async with running_engine(app, never):
            world.step()
            async with asyncio.timeout(60):
                await began.wait()
        async with running_engine(app) as (_, agent):
            await eventually(lambda: _turns(app, plan), "the turn's end")
        (turn,) = agent.turns
        assert turn.resumed and turn.triggers[0].facts["your_note"] == "look"
        assert await _turns(app, plan) == [("price_alert:1",)]


async def test_halts_are_told_once_when_set_and_when_lifted(database_url: str, tmp_path: Path) -> None:
    """Also one that was set and lifted while no engine ran; those of before the plan are no news."""
    async with paper_world(database_url, tmp_path) as world:
        app = world.application

        async def halt(reason: str) -> None:
            await app.store.risk.halt(
                Halt(HaltScope.PLATFORM, None, HaltLevel.REDUCE_ONLY, reason, "ann", app.clock.now())
            )

        async def lift() -> None:
            await app.store.risk.lift(HaltScope.PLATFORM, None, by="bob", reason="calm", at=app.clock.now())

        await halt("long ago")
        await lift()
        plan = await world.plan(agent=_wakes_on(TriggerKind.RISK_EVENT))
        async with running_engine(app) as (made, agent):
            await eventually(made.activity.at_work, "the plan at work")
            await made.services.risk_watch.look(made.activity, made.activity)
            await halt("news")
            await eventually(lambda: len(_told(agent)) == 1, "the halt told")
        await lift()
        await halt("more news")
        await lift()
        async with running_engine(app) as (made, later):
            await eventually(lambda: len(_told(later)) == 3, "what happened meanwhile")
            await made.services.risk_watch.look(made.activity, made.activity)
        async with running_engine(app) as (made, last):
            await eventually(made.activity.at_work, "the plan at work")
            await made.services.risk_watch.look(made.activity, made.activity)
            assert not last.turns
        told = [(one.facts["risk_event"], one.facts["reason"]) for one in [*_told(agent), *_told(later)]]
        assert told == [
            ("halt_set", "news"),
            ("halt_lifted", "calm"),
            ("halt_set", "more news"),
            ("halt_lifted", "calm"),
        ]
        assert await app.store.notices.waiting(plan.id) == []


async def test_moments_missed_while_no_engine_ran_are_told_once(database_url: str, tmp_path: Path) -> None:
    """As one, under the latest; then never again."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    schedule = Schedule.parse(f"{an_hour_ago:%H:%M}")
    async with paper_world(database_url, tmp_path) as world:
        app = world.application
        plan = await world.plan(agent=_wakes_on(TriggerKind.SCHEDULE, schedule=schedule))
        await app.store.notices.watch(plan.id, datetime.now(UTC) - timedelta(days=3))
        async with running_engine(app) as (_, agent):
            await eventually(lambda: _turns(app, plan), "a turn")
            (trigger,) = _told(agent)
            assert trigger.facts["due_times_told_together"] == 3
        async with running_engine(app) as (_, agent):
            await app.store.messages.add(plan.id, "not read: messages do not wake it", app.clock.now())
        assert not agent.turns
        assert len(await _turns(app, plan)) == 1


async def test_a_candle_is_told_once_over_restarts(database_url: str, tmp_path: Path) -> None:
    """The feed tells the newest again after each start; a new one is told."""
    async with paper_world(database_url, tmp_path) as world:
        app = world.application
        plan = await world.plan(agent=_wakes_on(TriggerKind.CANDLE))
        async with running_engine(app):
            await eventually(lambda: _turns(app, plan), "a turn")
        async with running_engine(app) as (made, agent):
            market_data = made.services.market_data
            name = f"paper:{plan.account_id}"
            await eventually(
                lambda: market_data.closed_until(name, plan.inst_id, plan.interval), "the feed whole"
            )
            assert not agent.turns
            world.step()
            await eventually(lambda: agent.turns, "the next candle")
        told = await _turns(app, plan)
        assert len(told) == len(set(told)) == 2

"""What happens to an account on the exchange is journalled once and wakes the plans that want it; on PostgreSQL and the paper exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.domain.account_events import AccountEventKind, AccountEventRecord
from kokex.domain.account_reports import BalanceReport, StopReport
from kokex.domain.events import EventSource
from kokex.domain.order import OrderStatus
from kokex.domain.plan import AgentSettings, TriggerKind
from tests.builders import TRADES
from tests.integration.paper.client import RestClient, rest
from tests.world import (
    Platform,
    WrittenAgent,
    eventually,
    market,
    paper_account,
    paper_world,
    platform,
    running_engine,
)

SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"
BOTH = market(instruments=(SPOT, SWAP))
WANTS = AgentSettings(
    trading_tools=TRADES,
    triggers=frozenset({TriggerKind.POSITION, TriggerKind.BALANCE, TriggerKind.STOP, TriggerKind.MARGIN}),
)


@asynccontextmanager
async def by_hand(world: Platform, number: int = 0) -> AsyncIterator[RestClient]:
    """Somebody who trades on the same account without KOKEX."""
    async with rest(world.server, world.server.config.accounts[number]) as client:
        yield client


async def deal(client: RestClient, inst_id: str, side: str, quantity: str) -> str:
    """A market order in base or contracts; its number."""
    mode = {"tdMode": "cash", "tgtCcy": "base_ccy"} if inst_id == SPOT else {"tdMode": "cross"}
    answer = await client.place(instId=inst_id, side=side, ordType="market", sz=quantity, **mode)
    assert answer["code"] == "0", answer
    return str(answer["data"][0]["ordId"])


async def journal(world: Platform, number: int = 0) -> list[AccountEventRecord]:
    """Everything that is journalled of an account."""
    store = world.application.store
    return await store.account_journal.events_after(world.accounts[number].id, 0, limit=10_000)


def kinds(records: list[AccountEventRecord]) -> list[str]:
    return [record.event.kind.value for record in records if record.event.kind.trigger is not None]


def told(agent: WrittenAgent) -> list[AccountEventRecord]:
    return [event for turn in agent.turns for trigger in turn.triggers for event in trigger.account_events]


async def agrees(world: Platform, number: int = 0) -> bool:
    """Whether the kept book equals the exchange's own, to the last digit."""
    book = await world.application.store.account_journal.book(world.accounts[number].id)
    held = {name: Decimal(amount) for name, amount in world.books(number)["balances"].items()}
    known = {name: report.total for name, report in book.balances.items()}
    return known == {name: amount for name, amount in held.items() if amount}


async def test_two_channels_tell_one_event_and_the_agent_hears_it(database_url: str, tmp_path: Path) -> None:
    """A position opened, grown, turned over and closed; each change of the balance with its trades; the books agree."""
    async with platform(database_url, tmp_path, config=BOTH) as (world, agent, engine):
        plan = await world.plan(inst_id=SWAP, agent=WANTS)
        await eventually(lambda: not engine.activity.waiting and engine.activity.works(plan.id), "readiness")
        assert await journal(world) == []
        async with by_hand(world) as client:
            for side, quantity in (("buy", "3"), ("buy", "2"), ("sell", "9"), ("buy", "4")):
                await deal(client, SWAP, side, quantity)
                world.step()
            world.server.publisher.push_regular(0.0)
            await eventually(lambda: _closed(world), "the end of the position")
        records = await journal(world)
        positions = [record.event for record in records if record.event.kind.trigger is TriggerKind.POSITION]
        assert positions[0].kind is AccountEventKind.POSITION_OPENED
        assert positions[-1].kind is AccountEventKind.POSITION_CLOSED
        assert AccountEventKind.POSITION_FLIPPED in {event.kind for event in positions}
        _chained(records)
        balances = [record.event.report for record in records if record.event.currency == "USDT"]
        assert all(isinstance(report, BalanceReport) and report.cause for report in balances)
        await eventually(lambda: agrees(world), "equal books")
        wanted = [record for record in records if record.event.kind.trigger is not None]
        await eventually(lambda: len(told(agent)) >= len(wanted), "turns on all of it")
        assert sorted(record.id for record in told(agent)) == [record.id for record in wanted]


async def _closed(world: Platform) -> bool:
    return "position_closed" in kinds(await journal(world))


def _chained(records: list[AccountEventRecord]) -> None:
    """Each event begins where the one before ended."""
    ends: dict[str, Decimal | None] = {}
    for record in records:
        event = record.event
        if event.before is None:
            continue
        name = event.currency or event.inst_id or ""
        assert event.before == ends.get(name, event.before)
        ends[name] = event.after


async def test_what_changed_while_the_engine_was_down_is_a_difference(
    database_url: str, tmp_path: Path
) -> None:
    """Found by the picture over REST, journalled once as reconciled, and told to the agent."""
    async with paper_world(database_url, tmp_path, BOTH) as world:
        plan = await world.plan(inst_id=SWAP, agent=WANTS)
        async with running_engine(world.application) as (engine, _), by_hand(world) as client:
            await eventually(
                lambda: engine.activity.works(plan.id) and not engine.activity.waiting, "readiness"
            )
            await deal(client, SWAP, "buy", "3")
            await eventually(lambda: _opened(world), "the position")
        before = await journal(world)
        async with by_hand(world) as client:
            await deal(client, SWAP, "sell", "3")
            world.step()
        async with running_engine(world.application) as (_, agent):
            await eventually(lambda: _closed(world), "the difference")
            found = (await journal(world))[len(before) :]
            assert {record.source for record in found} == {EventSource.RECONCILE}
            _chained([*before, *found])
            await eventually(lambda: agrees(world), "equal books")
            ids = {record.id for record in found}
            await eventually(lambda: ids <= {record.id for record in told(agent)}, "a turn on it")
        async with running_engine(world.application) as (engine, agent):
            await eventually(lambda: not engine.activity.waiting, "readiness")
            assert await journal(world) == [*before, *found]
            assert told(agent) == []


async def _opened(world: Platform) -> bool:
    return "position_opened" in kinds(await journal(world))


async def test_each_plan_hears_what_concerns_it(database_url: str, tmp_path: Path) -> None:
    """Spot and perpetual on one account share the quote currency; another account hears nothing."""
    config = market(instruments=(SPOT, SWAP), accounts=(paper_account(1), paper_account(2)))
    async with platform(database_url, tmp_path, config=config) as (world, agent, engine):
        spot = await world.plan(inst_id=SPOT, agent=WANTS)
        swap = await world.plan(inst_id=SWAP, agent=WANTS)
        other = await world.plan(account=1, inst_id=SWAP, agent=WANTS)
        plans = (spot.id, swap.id, other.id)
        await eventually(
            lambda: all(engine.activity.works(one) for one in plans) and not engine.activity.waiting,
            "readiness",
        )
        async with by_hand(world) as client:
            await deal(client, SPOT, "buy", "0.5")

            def subjects(plan_id: int) -> set[str | None]:
                turns = [turn for turn in agent.turns if turn.plan.id == plan_id]
                return {
                    record.event.currency or record.event.inst_id
                    for turn in turns
                    for trigger in turn.triggers
                    for record in trigger.account_events
                }

            await eventually(lambda: subjects(spot.id) == {"ETH", "USDT"}, "the spot plan's turn")
            await eventually(lambda: "USDT" in subjects(swap.id), "the perpetual plan's turn")
            await deal(client, SWAP, "buy", "1")
            await eventually(lambda: SWAP in subjects(swap.id), "the perpetual plan's turn")
            assert SWAP not in subjects(spot.id)
        assert subjects(other.id) == set()
        assert await journal(world, 1) == []


async def test_a_stop_tells_when_it_is_placed_and_when_it_triggers(database_url: str, tmp_path: Path) -> None:
    """With the order that it became."""
    async with platform(database_url, tmp_path, config=BOTH) as (world, agent, engine):
        plan = await world.plan(inst_id=SWAP, agent=WANTS)
        await eventually(lambda: engine.activity.works(plan.id) and not engine.activity.waiting, "readiness")
        async with by_hand(world) as client:
            await deal(client, SWAP, "buy", "2")
            last = Decimal(world.books()["marks"][SWAP])
            far = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "conditional", "sz": "2"}
            near = {"slTriggerPx": str((last * Decimal("0.9")).quantize(Decimal("0.1"))), "slOrdPx": "-1"}
            _, answer = await client.call("POST", "trade/order-algo", {**far, **near})
            assert answer["code"] == "0", answer
            number = answer["data"][0]["algoId"]
            await eventually(lambda: _has(world, "stop_placed"), "the stop")
            _, answer = await client.call("POST", "trade/cancel-algos", [{"instId": SWAP, "algoId": number}])
            assert answer["code"] == "0", answer
            await eventually(lambda: _has(world, "stop_canceled"), "its end")
        stops = [
            record.event for record in await journal(world) if isinstance(record.event.report, StopReport)
        ]
        assert [event.report.stop_id for event in stops if isinstance(event.report, StopReport)] == [
            number
        ] * 2
        await eventually(
            lambda: {record.event.kind.value for record in told(agent)} >= {"stop_placed", "stop_canceled"},
            "turns on it",
        )


async def _has(world: Platform, kind: str) -> bool:
    return kind in kinds(await journal(world))


async def test_an_order_made_by_hand_reaches_every_plan_of_account_and_instrument(
    database_url: str, tmp_path: Path
) -> None:
    """Marked external, in the journal of each; it moves no plan's book."""
    config = market(instruments=(SPOT, SWAP), accounts=(paper_account(1), paper_account(2)))
    async with platform(database_url, tmp_path, config=config) as (world, _, engine):
        here = [await world.plan(), await world.plan()]
        elsewhere = [await world.plan(inst_id=SWAP), await world.plan(account=1)]
        await eventually(
            lambda: (
                all(engine.activity.works(one.id) for one in here + elsewhere) and not engine.activity.waiting
            ),
            "readiness",
        )
        async with by_hand(world) as client:
            number = await deal(client, SPOT, "buy", "0.5")
        store = world.application.store

        async def heard(plan: Any) -> bool:
            events = await store.journal.events_after(plan.id, 0)
            ours = {(event.update.order_id, event.external) for event in events}
            done = any(event.update.status is OrderStatus.FILLED for event in events)
            return done and ours == {(number, True)}

        for plan in here:
            await eventually(lambda plan=plan: heard(plan), "the order")
            assert (await world.book(plan)).fills == 0
        for plan in elsewhere:
            assert await store.journal.events_after(plan.id, 0) == []


async def test_streams_tell_what_they_know(database_url: str, tmp_path: Path) -> None:
    """Shared by two plans: counts, reconciled, the channel that this account is not given."""
    async with platform(database_url, tmp_path, config=BOTH) as (world, _, engine):
        plans = [await world.plan(), await world.plan(inst_id=SWAP)]
        await eventually(lambda: all(engine.activity.works(one.id) for one in plans), "work")
        async with by_hand(world) as client:
            await deal(client, SPOT, "buy", "0.5")
        store = world.application.store

        async def counted() -> bool:
            rows = await store.subscriptions.list()
            return len(rows) == 2 and all(
                row.events and row.reports and row.connected_since and row.reconciled_at for row in rows
            )

        await eventually(counted, "counts")
        one, other = await store.subscriptions.list()
        assert one.connection_key == other.connection_key
        assert list(one.refused) == ["fills"]
        assert (one.flaws, one.reconnects, one.lag_seconds, one.stopped) == (0, 0, None, None)
        await world.application.plans.stop(plans[0].id)

        async def left() -> bool:
            return [row.active for row in await store.subscriptions.list()] == [False, True]

        await eventually(left, "the end of one")
        assert len(engine.services.order_events.connections) == 1

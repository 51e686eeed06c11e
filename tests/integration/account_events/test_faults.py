"""Whatever happens to the frames on their way, the account's events lead to the exchange's own books, once each."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from kokex.domain.plan import TriggerKind
from tests.integration.account_events.test_flow import (
    BOTH,
    SWAP,
    WANTS,
    _chained,
    agrees,
    by_hand,
    deal,
    journal,
    told,
)
from tests.world import Platform, eventually, platform

CHANNELS = ("account", "positions", "balance_and_position")
DEALS = (("buy", "3"), ("buy", "2"), ("sell", "9"), ("buy", "7"), ("sell", "1"), ("sell", "4"), ("buy", "5"))


@pytest.mark.parametrize(
    "kind", ["duplicate_frame", "reorder_frame", "drop_frame", "truncate_frame", "cut_socket"]
)
async def test_events_lead_to_the_exchange_s_books(database_url: str, tmp_path: Path, kind: str) -> None:
    """A third of the account's frames are struck; afterwards the chains are whole and the agent was told of each link once."""
    async with platform(database_url, tmp_path, config=BOTH) as (world, agent, engine):
        plan = await world.plan(inst_id=SWAP, agent=WANTS)
        await eventually(lambda: engine.activity.works(plan.id) and not engine.activity.waiting, "readiness")
        for channel in CHANNELS:
            world.server.faults.arm(kind, channel=channel, probability=0.34)
        async with by_hand(world) as client:
            for side, quantity in DEALS:
                await deal(client, SWAP, side, quantity)
                world.step()
        assert world.server.faults.strikes(kind)
        world.server.faults.clear()

        async def in_line() -> bool:
            world.server.publisher.push_regular(0.0)
            return await agrees(world) and await _position(world) == 3

        await eventually(in_line, "equal books")
        await eventually(lambda: not engine.activity.waiting, "readiness")
        records = await journal(world)
        _chained(records)
        keys = [(record.event.kind, record.event.event_key) for record in records]
        assert len(set(keys)) == len(keys)
        wanted = [record.id for record in records if record.event.kind.trigger in WANTS.triggers]
        await eventually(lambda: len(told(agent)) >= len(wanted), "turns on all of it")
        assert sorted(record.id for record in told(agent)) == wanted
        assert TriggerKind.POSITION in {trigger.kind for turn in agent.turns for trigger in turn.triggers}


async def _position(world: Platform) -> Decimal:
    book = await world.application.store.account_journal.book(world.accounts[0].id)
    return sum((report.quantity for report in book.positions), Decimal(0))

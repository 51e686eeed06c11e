"""Orders of plans: intended before they are sent, settled once, found while they matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from tests.builders import START, order, update
from tests.integration.postgres.journalling import entry

LATER = START + timedelta(seconds=1)


async def test_round_trip(store: PostgresStore) -> None:
    """Every field, exactly."""
    kept = order(
        quantity=Decimal("0.10"), price=None, order_id="9001", reason="why \x00", reduce_only=True, step=3
    )

    assert await store.orders.add(kept)

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found == replace(kept, reason="why \ufffd")
    assert found is not None and str(found.quantity) == "0.10"
    assert await store.orders.get(2, "KXtestP1D1S0") is None
    assert await store.orders.get(1, "KXtestP1D1S1") is None


async def test_a_name_orders_once(store: PostgresStore) -> None:
    """The second intent under one client order id changes nothing; another account may use it."""
    assert await store.orders.add(order())
    assert not await store.orders.add(order(quantity=Decimal(7)))
    assert await store.orders.add(order(account_id=2))

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found == order()


async def test_an_order_without_our_name(store: PostgresStore) -> None:
    """A mistake of the caller."""
    with pytest.raises(ValueError, match="client order id"):
        await store.orders.add(order(client_order_id=None))


@pytest.mark.parametrize("status", [OrderStatus.ACCEPTED, OrderStatus.REJECTED, OrderStatus.UNKNOWN])
async def test_settle(store: PostgresStore, status: OrderStatus) -> None:
    """The command's outcome, on an order in flight."""
    await store.orders.add(order())

    assert await store.orders.settle(1, "KXtestP1D1S0", status, at=LATER, order_id="9001", reason="51008")

    assert await store.orders.get(1, "KXtestP1D1S0") == order(
        status=status, order_id="9001", reason="51008", updated_at=LATER
    )


async def test_settle_after_the_event(store: PostgresStore) -> None:
    """The stream was faster: what it said stays, and a missing order number is filled in all the same."""
    await store.orders.add(order(status=OrderStatus.CANCELED))

    assert not await store.orders.settle(1, "KXtestP1D1S0", OrderStatus.UNKNOWN, at=LATER, order_id="9001")
    assert not await store.orders.settle(1, "KXtestP1D1S0", OrderStatus.UNKNOWN, at=LATER, order_id="other")

    assert await store.orders.get(1, "KXtestP1D1S0") == order(status=OrderStatus.CANCELED, order_id="9001")


async def test_settle_from_unknown(store: PostgresStore) -> None:
    """Found after all, or never taken: once."""
    await store.orders.add(order(status=OrderStatus.UNKNOWN))

    assert await store.orders.settle(1, "KXtestP1D1S0", OrderStatus.EXPIRED, at=LATER, reason="never taken")
    assert not await store.orders.settle(1, "KXtestP1D1S0", OrderStatus.ACCEPTED, at=LATER)

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found is not None and found.status is OrderStatus.EXPIRED


async def test_settle_keeps_the_reason_there_was(store: PostgresStore) -> None:
    """None is nothing to say."""
    await store.orders.add(order(reason="first"))

    await store.orders.settle(1, "KXtestP1D1S0", OrderStatus.UNKNOWN, at=LATER)

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found is not None and found.reason == "first"


async def test_settle_an_order_that_is_not_there(store: PostgresStore) -> None:
    """Nothing changed."""
    assert not await store.orders.settle(1, "KX", OrderStatus.ACCEPTED, at=LATER, order_id="1")


async def test_pending(store: PostgresStore) -> None:
    """Open, in flight and unknown ones, oldest first, by account and plan; never those made elsewhere."""
    for number, status in enumerate(OrderStatus):
        made = order(
            client_order_id=f"KX{number}",
            status=status,
            plan_id=1 + number % 2,
            account_id=5,
            created_at=START - timedelta(seconds=number),
        )
        await store.orders.add(made)
    await store.orders.add(order(account_id=6, plan_id=3))
    elsewhere = entry(update(client_order_id="by hand", order_id="77"), external=True, account_id=5)
    await store.journal.append([elsewhere])

    statuses = [found.status for found in await store.orders.pending(account_id=5)]
    assert statuses == [
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.ACCEPTED,
        OrderStatus.UNKNOWN,
        OrderStatus.SUBMITTED,
    ]
    assert [found.client_order_id for found in await store.orders.pending(plan_id=1, account_id=5)] == [
        "KX2",
        "KX0",
    ]
    assert len(await store.orders.pending()) == 5
    assert [found.account_id for found in await store.orders.pending(plan_id=3)] == [6]


async def test_recent(store: PostgresStore) -> None:
    """Newest first, only the plan's, only so many, denied ones too."""
    for number in range(4):
        await store.orders.add(
            order(
                client_order_id=f"KX{number}",
                created_at=START + timedelta(seconds=number),
                status=OrderStatus.DENIED,
            )
        )
    await store.orders.add(order(client_order_id="KXother", plan_id=2))

    assert [found.client_order_id for found in await store.orders.recent(1, limit=3)] == ["KX3", "KX2", "KX1"]
    assert await store.orders.recent(9, limit=3) == []


async def test_count_since(store: PostgresStore) -> None:
    """What the gate let through: not what it denied, not what is older, not another plan's."""
    for number, status in enumerate(
        [OrderStatus.SUBMITTED, OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.FILLED]
    ):
        await store.orders.add(
            order(client_order_id=f"KX{number}", status=status, created_at=START + timedelta(seconds=number))
        )
    await store.orders.add(order(client_order_id="KXother", plan_id=2))

    assert await store.orders.count_since(1, START) == 3
    assert await store.orders.count_since(1, LATER) == 2
    assert await store.orders.count_since(1, START + timedelta(minutes=1)) == 0


CHANGE = Amendment("A1", Decimal("0.25"), Decimal("2010.50"), LATER, decision_id=7, step=2)


async def test_a_change_is_kept_once(store: PostgresStore) -> None:
    """With all that it says, under its name; not on an order that is over."""
    await store.orders.add(order(status=OrderStatus.ACCEPTED))
    await store.orders.add(order(client_order_id="KXtestP1D1S1", status=OrderStatus.CANCELED))

    assert await store.orders.amend(1, "KXtestP1D1S0", CHANGE)
    assert not await store.orders.amend(1, "KXtestP1D1S0", replace(CHANGE, price=None))
    assert not await store.orders.amend(1, "KXtestP1D1S1", CHANGE)
    assert not await store.orders.amend(1, "KXtestP1D1S9", CHANGE)

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found is not None and found.amendments == (CHANGE,)
    assert found.remaining == Decimal("0.25") and found.keenest_price == Decimal("2010.50")


@pytest.mark.parametrize("status", [AmendmentStatus.APPLIED, AmendmentStatus.FAILED])
async def test_a_change_is_decided_once(store: PostgresStore, status: AmendmentStatus) -> None:
    """One that was seen to be made is on the order too."""
    before = order(status=OrderStatus.ACCEPTED)
    await store.orders.add(before)
    await store.orders.amend(1, "KXtestP1D1S0", CHANGE)

    assert await store.orders.decide(1, "KXtestP1D1S0", "A1", AmendmentStatus.ACCEPTED)
    applied = status is AmendmentStatus.APPLIED
    assert await store.orders.decide(1, "KXtestP1D1S0", "A1", status, "why", applied=applied)
    assert not await store.orders.decide(1, "KXtestP1D1S0", "A1", AmendmentStatus.UNKNOWN)
    assert not await store.orders.decide(1, "KXtestP1D1S0", "A2", status)

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found is not None and found.amending is None
    assert found.amendments == (replace(CHANGE, status=status, reason="why"),)
    expected = (CHANGE.quantity, CHANGE.price) if applied else (before.quantity, before.price)
    assert (found.quantity, found.price) == expected


async def test_a_change_spends_of_the_turns_grant(store: PostgresStore) -> None:
    """The least that is left over counts, by an order or by a change of one; and it counts as let through then."""
    sides = frozenset({Side.BUY})
    await store.orders.add(order(status=OrderStatus.ACCEPTED), grant_left=Grant(sides, Decimal(90), 9))
    await store.orders.add(
        order(client_order_id="KXtestP1D7S0", decision_id=7), grant_left=Grant(sides, Decimal(70), 8)
    )
    await store.orders.amend(1, "KXtestP1D1S0", CHANGE, grant_left=Grant(sides, Decimal("50.5"), 7))

    assert await store.orders.grant_left(1, 7) == Grant(sides, Decimal("50.5"), 7)
    assert await store.orders.grant_left(1, 1) == Grant(sides, Decimal(90), 9)
    (changed,) = await store.orders.let_through_since(1, LATER)
    assert changed.client_order_id == "KXtestP1D1S0"

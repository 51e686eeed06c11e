"""The journal keeps each event once, in order, and moves orders and fills with it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokex.adapters.postgres import PostgresStore
from kokex.domain.errors import StoreError
from kokex.domain.events import EventSource, OrderEventKind
from kokex.domain.order import Order, OrderStatus, OrderUpdate
from tests.builders import START, fill, order, update
from tests.integration.postgres.journalling import entry

PARTIAL = update(
    status=OrderStatus.PARTIALLY_FILLED,
    filled_quantity=Decimal("0.04"),
    average_price=Decimal(2000),
    fee=Decimal("-0.00004"),
    fee_currency="ETH",
    fill=fill(1),
    occurred_at=START + timedelta(seconds=1),
)
DONE = replace(
    PARTIAL,
    status=OrderStatus.FILLED,
    filled_quantity=Decimal("0.1"),
    fill=fill(2, quantity=Decimal("0.06")),
    occurred_at=START + timedelta(seconds=2),
)


async def test_events_come_back_as_they_went_in(store: PostgresStore) -> None:
    """Numbered in order, with everything that was known of them."""
    numbers = await store.journal.append([entry(), entry(PARTIAL), entry(DONE)])

    events = await store.journal.events_after(1, 0)
    assert [event.id for event in events] == numbers == sorted(numbers)
    assert [event.event_type for event in events] == ["buy_order_live", "buy_order_partial", "buy_order_done"]
    assert [event.kind for event in events] == [
        OrderEventKind.LIVE,
        OrderEventKind.PARTIAL,
        OrderEventKind.DONE,
    ]
    assert [event.event_key for event in events] == ["live", "fill:1", "fill:2"]
    assert events[2].update == DONE
    assert (events[0].account_id, events[0].source, events[0].external) == (1, EventSource.STREAM, False)
    assert events[0].received_at == START


async def test_events_after_and_limit(store: PostgresStore) -> None:
    """Only the plan's, only later ones, only so many."""
    first, _ = await store.journal.append([entry(), entry(plan_id=2)])
    second, third = await store.journal.append([entry(PARTIAL), entry(DONE)])

    assert [event.id for event in await store.journal.events_after(1, first)] == [second, third]
    assert [event.id for event in await store.journal.events_after(1, 0, limit=2)] == [first, second]
    assert await store.journal.events_after(1, third) == []
    assert await store.journal.events_after(9, 0) == []


async def test_an_event_is_kept_once(store: PostgresStore) -> None:
    """Within a batch, across batches, and from another source."""
    first, again = await store.journal.append([entry(PARTIAL), entry(PARTIAL)])
    assert first is not None
    assert again is None

    later = replace(PARTIAL, occurred_at=START + timedelta(minutes=1))
    again, fresh = await store.journal.append([entry(later, source=EventSource.RECONCILE), entry(DONE)])
    assert again is None
    assert fresh is not None and fresh > first
    assert await store.journal.count(1) == 2
    assert len(await store.journal.fills(1)) == 2


async def test_second_partial_fill_is_not_lost(store: PostgresStore) -> None:
    """Same plan, order and event type; another trade."""
    second = replace(PARTIAL, filled_quantity=Decimal("0.06"), fill=fill(2, quantity=Decimal("0.02")))

    numbers = await store.journal.append([entry(PARTIAL), entry(second)])

    assert None not in numbers
    assert [found.quantity for found in await store.journal.fills(1)] == [Decimal("0.04"), Decimal("0.02")]
    assert [one.trade_id for one in await store.journal.latest_fills(1, limit=10)] == ["2", "1"]
    assert [one.trade_id for one in await store.journal.latest_fills(1, limit=1)] == ["2"]
    assert await store.journal.latest_fills(2, limit=10) == []


async def test_an_execution_told_late_is_kept_and_takes_nothing_back(store: PostgresStore) -> None:
    """Behind a later one, in one transaction or in two: two fills, each once, the event marked; the order stays as far as it was."""
    for number, together in enumerate((True, False)):
        name = f"KXtestP1D1S{number}"
        sent = order(client_order_id=name)
        await store.orders.add(sent)
        first = replace(PARTIAL, order_id=name, client_order_id=name, late=True)
        first = replace(first, fill=fill(10 + 2 * number, order_id=name, client_order_id=name))
        second = replace(first, filled_quantity=Decimal("0.08"), late=False)
        second = replace(second, fill=fill(11 + 2 * number, order_id=name, client_order_id=name))
        if together:
            numbers = await store.journal.append([entry(second), entry(first), entry(first)])
        else:
            numbers = await store.journal.append([entry(second)])
            numbers += await store.journal.append([entry(first)])
            numbers += await store.journal.append([entry(first)])
        assert [one is not None for one in numbers] == [True, True, False]
        kept = await store.orders.get(sent.account_id, name)
        assert kept is not None and kept.filled_quantity == Decimal("0.08")
        events = [one for one in await store.journal.events_after(1, 0) if one.update.order_id == name]
        assert [(one.update.late, one.update.filled_quantity) for one in events] == [
            (False, Decimal("0.08")),
            (True, Decimal("0.04")),
        ]
    assert len(await store.journal.fills(1)) == 4


async def test_one_event_for_two_plans(store: PostgresStore) -> None:
    """An order made elsewhere is journalled for each plan that watches, and is no plan's order or fill."""
    told = replace(PARTIAL, client_order_id="by hand", fill=fill(client_order_id="by hand"))

    numbers = await store.journal.append([entry(told, plan_id=plan, external=True) for plan in (1, 2)])

    assert None not in numbers
    assert await store.journal.count(1) == await store.journal.count(2) == 1
    assert (await store.journal.events_after(1, 0))[0].external
    for plan in (1, 2):
        assert await store.journal.fills(plan) == []
        assert await store.orders.recent(plan, limit=9) == []
    assert await store.orders.pending(account_id=1) == []
    assert await store.orders.get(1, "by hand") is None


async def test_fills_of_one_trade_between_two_of_our_orders(store: PostgresStore) -> None:
    """Each side of it is a fill of its own order."""
    other = replace(
        PARTIAL,
        order_id="9002",
        client_order_id="KXtestP2D1S0",
        fill=fill(1, order_id="9002", client_order_id="KXtestP2D1S0"),
    )

    await store.journal.append([entry(PARTIAL), entry(other, plan_id=2)])

    assert [found.order_id for found in await store.journal.fills(1)] == ["9001"]
    assert [found.order_id for found in await store.journal.fills(2)] == ["9002"]


async def test_a_fill_learns_its_fee_and_ledger_entry_later(store: PostgresStore) -> None:
    """What the stream left open is filled in from REST; what is known stays."""
    await store.journal.append([entry(replace(PARTIAL, fill=fill(fee=None, fee_currency=None)))])
    await store.journal.append([entry(replace(PARTIAL, fill=fill(bill_id="77", price=Decimal(1))))])

    (found,) = await store.journal.fills(1)

    assert found == fill(bill_id="77")


async def test_fills_oldest_first(store: PostgresStore) -> None:
    """By the exchange's time, whatever order they arrived in."""
    await store.journal.append([entry(DONE)])
    await store.journal.append([entry(PARTIAL)])

    assert [found.trade_id for found in await store.journal.fills(1)] == ["1", "2"]


async def test_own_order_moves_forward(store: PostgresStore) -> None:
    """The intent recorded before the command gets the exchange's number, state and figures."""
    await store.orders.add(order())

    await store.journal.append([entry(), entry(PARTIAL)])

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found == order().apply(update()).apply(PARTIAL)


async def test_an_order_whose_intent_is_missing(store: PostgresStore) -> None:
    """A database restored from an older backup: the order is taken from its events."""
    await store.journal.append([entry(DONE)])

    found = await store.orders.get(1, "KXtestP1D1S0")
    assert found is not None
    assert (found.plan_id, found.decision_id, found.step) == (1, 1, 0)
    assert (found.status, found.filled_quantity) == (OrderStatus.FILLED, Decimal("0.1"))
    assert not await store.orders.add(order())


told_updates = st.builds(
    update,
    status=st.sampled_from(
        [OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED]
    ),
    filled_quantity=st.integers(0, 3).map(Decimal),
    cancel_reason=st.sampled_from([None, "asked"]),
)
known_orders = st.builds(
    order,
    status=st.sampled_from(list(OrderStatus)),
    filled_quantity=st.integers(0, 3).map(Decimal),
    reason=st.sampled_from([None, "earlier"]),
)


@settings(max_examples=25)
@given(known=known_orders, batches=st.lists(st.lists(told_updates, min_size=1, max_size=3), max_size=3))
def test_the_database_follows_the_domain(
    known: Order, batches: list[list[OrderUpdate]], order_world: OrderWorld
) -> None:
    """Closed stays closed, filled never shrinks, ranks never fall: as `Order.apply` says, batch by batch."""
    expected = known
    for batch in batches:
        for told in batch:
            expected = expected.apply(told)

    found = order_world.run(known, batches)

    assert found is not None
    assert replace(found, account_id=1) == expected


class OrderWorld:
    """One store and one event loop for all examples."""

    def __init__(self, runner: asyncio.Runner, store: PostgresStore) -> None:
        self._runner = runner
        self._store = store
        self._accounts = itertools.count(1)

    def run(self, known: Order, batches: list[list[OrderUpdate]]) -> Order | None:
        return self._runner.run(self._play(known, batches))

    async def _play(self, known: Order, batches: list[list[OrderUpdate]]) -> Order | None:
        account_id = next(self._accounts)
        assert await self._store.orders.add(replace(known, account_id=account_id))
        for batch in batches:
            await self._store.journal.append([entry(told, account_id=account_id) for told in batch])
        return await self._store.orders.get(account_id, known.client_order_id or "")


@pytest.fixture
def order_world(database_url: str, vault):  # type: ignore[no-untyped-def]
    """A store that outlives one example."""
    with asyncio.Runner() as runner:
        store = runner.run(PostgresStore.open(database_url, vault))
        yield OrderWorld(runner, store)
        runner.run(store.close())


async def test_last_occurred_at(store: PostgresStore) -> None:
    """The newest of the exchange's times; outcomes of commands do not count; never going back."""
    assert await store.journal.last_occurred_at(1, "ETH-USDT") is None

    await store.journal.append([entry(DONE), entry(PARTIAL)])
    await store.journal.append(
        [entry(replace(update(), occurred_at=START + timedelta(days=1)), source=EventSource.COMMAND)]
    )
    await store.journal.append([entry(update(order_id="9002"))])

    assert await store.journal.last_occurred_at(1, "ETH-USDT") == DONE.occurred_at
    assert await store.journal.last_occurred_at(1, "BTC-USDT") is None
    assert await store.journal.last_occurred_at(2, "ETH-USDT") is None


async def test_count_leaves_out_what_the_exchange_did_not_send(store: PostgresStore) -> None:
    """Events made from a command's answer are journalled but not counted."""
    rejected = update(status=OrderStatus.REJECTED, order_id="r1")

    await store.journal.append([entry(), entry(rejected, source=EventSource.COMMAND)])

    assert len(await store.journal.events_after(1, 0)) == 2
    assert await store.journal.count(1) == 1


@pytest.mark.parametrize("size", [1, 300])
@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"", b""),
        (b"{broken", b"{broken"),
        (b'{"msg":"\\u0000"}', b'{"msg":"\\u0000"}'),
        (b'{"n":1e999999}', b'{"n":1e999999}'),
        (b'{"msg":"\x00"}', '{"msg":"\ufffd"}'.encode()),
        (b'{"msg":"\xff"}', '{"msg":"\ufffd"}'.encode()),
    ],
)
async def test_raw_json_is_kept_as_it_came(store: PostgresStore, raw: bytes, kept: bytes, size: int) -> None:
    """Sound or not; only what no text can hold is replaced, and the event and its batch are journalled all the same."""
    others = [entry(update(order_id=str(number))) for number in range(size)]
    numbers = await store.journal.append([entry(), entry(replace(PARTIAL, raw=raw)), entry(DONE), *others])

    assert None not in numbers
    events = await store.journal.events_after(1, 0)
    assert [event.update.raw for event in events[:3]] == [b'{"ordId":"9001"}', kept, b'{"ordId":"9001"}']
    assert await store.journal.append([entry(PARTIAL)]) == [None]


async def test_a_large_batch(store: PostgresStore) -> None:
    """Two thousand events of four hundred orders in one transaction, in order."""
    batch = [
        entry(
            update(
                order_id=str(number // 5),
                client_order_id=f"KXtestP1D{number // 5}S0",
                status=OrderStatus.PARTIALLY_FILLED,
                filled_quantity=Decimal(number % 5 + 1) / 100,
                fill=fill(number, order_id=str(number // 5)),
            )
        )
        for number in range(2000)
    ]

    numbers = await store.journal.append(batch)

    assert numbers == sorted(numbers)
    assert await store.journal.count(1) == len(await store.journal.fills(1)) == 2000
    pending = await store.orders.pending(plan_id=1)
    assert {found.filled_quantity for found in pending} == {Decimal("0.05")}
    assert len(pending) == 400


async def test_a_large_batch_is_whole_or_not_at_all(store: PostgresStore, database_url: str) -> None:
    """Duplicates far apart fall away, refused JSON is kept as a text; and what fails leaves nothing."""
    batch = [entry(update(order_id=str(number))) for number in range(300)]
    spoilt = [*batch, entry(update(order_id="odd", raw=b"{broken")), *batch[:5]]

    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE order_event_logs ADD CONSTRAINT no_299 CHECK (order_id <> '299')")
    with pytest.raises(StoreError, match="no_299"):
        await store.journal.append(spoilt)
    assert await store.journal.count(1) == 0
    assert await store.orders.get(1, "KXtestP1D1S0") is None

    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE order_event_logs DROP CONSTRAINT no_299")
    numbers = await store.journal.append(spoilt)

    assert None not in numbers[:301]
    assert numbers[301:] == [None] * 5
    assert await store.journal.count(1) == 301


async def test_a_large_batch_that_repeats_events(store: PostgresStore) -> None:
    """What is there falls away, what is new is numbered in order, and the next large batches are as good."""
    for start in (0, 400, 600, 3000):
        batch = [entry(update(order_id=str(number))) for number in range(start, start + 600)]
        known = await store.journal.count(1)

        numbers = await store.journal.append(batch)

        fresh = [number for number in numbers if number is not None]
        assert fresh == sorted(fresh)
        assert await store.journal.count(1) == known + len(fresh)
    events = await store.journal.events_after(1, 0, limit=2000)
    assert [event.update.order_id for event in events] == [
        *map(str, range(1200)),
        *map(str, range(3000, 3600)),
    ]


async def test_a_large_batch_is_numbered_when_nobody_can_slip_in_between(
    store: PostgresStore, database_url: str
) -> None:
    """Who takes an account over waits for writers of the table: numbers drawn before they can be seen would come too late."""
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'order_event_logs'::regclass AND NOT granted"
    batch = [entry(update(order_id=str(number))) for number in range(300)]
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK TABLE order_event_logs IN SHARE MODE")
        appending = asyncio.create_task(store.journal.append(batch))
        async with asyncio.timeout(60):
            while not (await (await other.execute(waiting)).fetchone() or [0])[0]:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        row = await (await other.execute("SELECT nextval('order_event_logs_id_seq')")).fetchone()
    numbers = await appending

    assert row is not None
    assert all(number is not None and number > row[0] for number in numbers)


async def test_large_and_small_batches_leave_the_same(store: PostgresStore) -> None:
    """Orders, fills and heads: told in one batch of three hundred to one account, in batches of three to another."""
    lives = [
        entry(replace(told, order_id=str(number), client_order_id=f"KXtestP1D{number}S0"), account_id=account)
        for account in (1, 2)
        for number in range(100)
        for told in (
            update(),
            replace(PARTIAL, fill=fill(2 * number, order_id=str(number))),
            replace(DONE, fill=fill(2 * number + 1, order_id=str(number), maker=None, fee=None)),
        )
    ]
    lives = [replace(life, plan_id=life.account_id) for life in lives]

    await store.journal.append(lives[:300])
    for start in range(300, 600, 3):
        await store.journal.append(lives[start : start + 3])

    assert await store.journal.fills(1) == await store.journal.fills(2)
    at_once, bit_by_bit = [await store.orders.recent(plan, limit=200) for plan in (1, 2)]
    assert len(at_once) == 100
    by_name = {found.client_order_id: replace(found, account_id=1, plan_id=1) for found in bit_by_bit}
    assert {found.client_order_id: found for found in at_once} == by_name
    assert await store.journal.last_occurred_at(1, "ETH-USDT") == DONE.occurred_at
    assert await store.journal.last_occurred_at(2, "ETH-USDT") == DONE.occurred_at


async def test_telling_events_to_turns_touches_no_index(store: PostgresStore, database_url: str) -> None:
    """There is room for the second version of every row on its page, for pushes as long as the exchange's are."""
    raw = b'{"ordId":"9001","more":"' + b"m" * 1200 + b'"}'
    batch = [
        entry(replace(PARTIAL, order_id=str(number), fill=fill(number, order_id=str(number)), raw=raw))
        for number in range(300)
    ]
    await store.journal.append(batch)

    table = "'order_event_logs'::regclass"
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE order_event_logs SET agent_conversation_id = 1")
        told = connection.execute(
            f"SELECT pg_stat_get_xact_tuples_updated({table}), pg_stat_get_xact_tuples_hot_updated({table})"
        ).fetchone()
    assert told == (300, 300)


async def test_appends_at_once(store: PostgresStore) -> None:
    """From many tasks: each event once, however they overlap."""
    batches = [
        [entry(update(order_id=str(n))) for n in range(start, start + 10)] for start in range(0, 50, 5)
    ]

    answers = await asyncio.gather(*(store.journal.append(batch) for batch in batches))

    numbers = [number for answer in answers for number in answer if number is not None]
    assert len(numbers) == len(set(numbers)) == await store.journal.count(1) == 55


async def test_nothing_to_append(store: PostgresStore) -> None:
    """An empty batch is no transaction."""
    assert await store.journal.append([]) == []


async def test_the_row_is_as_the_user_drew_it(store: PostgresStore, database_url: str) -> None:
    """Columns of `order_event_logs` hold what their names say; the moment of processing is the database's."""
    (number,) = await store.journal.append([entry(PARTIAL)])

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "SELECT plan_id, event_type, order_id, inst_id, side, account_id, event_key, agent_conversation_id,"
            " event_data #>> '{update,filled_quantity}', raw::jsonb ->> 'ordId',"
            " processed_at BETWEEN now() - interval '1 minute' AND now() FROM order_event_logs WHERE id = %s",
            [number],
        )
        row = await found.fetchone()

    assert row == (1, "buy_order_partial", "9001", "ETH-USDT", "buy", 1, "fill:1", None, "0.04", "9001", True)

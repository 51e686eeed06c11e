"""Account events are kept once, with the books that they lead to, and nothing is lost with a connection."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.postgres import PostgresStore, account_journal_writer
from kokex.adapters.postgres.account_event_data import decode_event, decode_known, encode_event, encode_known
from kokex.domain.account_book import AccountBook, Known
from kokex.domain.account_events import AccountEventKind
from kokex.domain.account_reports import AccountReport, FillReport, StopState
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.events import EventSource
from kokex.ports.account_journal import AccountEntry
from tests.builders import START, balance_report, fill, margin_warning, position_report, stop_report

REPORTS = (
    position_report(1, 1, trade_id="9", margin_ratio=Decimal("3.5")),
    position_report(3, 2, trade_id="10", cause="filled"),
    balance_report("99.123456789012345678", 1, cause="filled", trade_ids=("9", "10")),
    stop_report(),
    stop_report(StopState.TRIGGERED, 3, order_ids=("9001",)),
    stop_report(stop_id="701", second=4),
    margin_warning(5),
    FillReport(fill(), 2, raw=b'{"count":"2"}'),
)


def entries(book: AccountBook, *reports: AccountReport, plans: tuple[int, ...] = (1,)) -> list[AccountEntry]:
    """What the service would journal of these reports on account 1."""
    made = []
    for report in reports:
        event = book.apply(report)
        if event is not None:
            made.append(AccountEntry(1, event, book.of(report), plans, EventSource.STREAM, START))
    return made


async def test_journalled_and_read_again(store: PostgresStore) -> None:
    """Every kind comes back as it was told, in order."""
    told = entries(AccountBook(complete=True), *REPORTS)
    numbers = await store.account_journal.append(told)
    records = await store.account_journal.events_after(1, 0)
    assert [record.id for record in records] == numbers
    assert [record.event for record in records] == [entry.event for entry in told]
    assert {(record.account_id, record.source, record.received_at) for record in records} == {
        (1, EventSource.STREAM, START)
    }


async def test_once(store: PostgresStore) -> None:
    """Whether told again in one batch or later; another account's is another."""
    told = entries(AccountBook(complete=True), *REPORTS)
    first = await store.account_journal.append([*told, told[0]])
    assert first[-1] is None
    assert await store.account_journal.append(told) == [None] * len(told)
    (other,) = await store.account_journal.append([replace(told[0], account_id=2)])
    assert other is not None
    assert len(await store.account_journal.events_after(1, 0)) == len(told)


async def test_the_book_goes_on_where_the_journal_ended(store: PostgresStore) -> None:
    """Positions, balances, live stops; ended stops are gone."""
    book = AccountBook(complete=True)
    await store.account_journal.adopt(1, [], START)
    await store.account_journal.append(entries(book, *REPORTS))
    kept = await store.account_journal.book(1)
    assert kept.complete
    assert {entry.subject: entry for entry in kept.known} == {entry.subject: entry for entry in book.known}
    assert [stop.stop_id for stop in kept.stops] == ["701"]
    assert [event for report in REPORTS[:3] if (event := kept.apply(report))] == []


async def test_the_first_picture_is_kept_without_events(store: PostgresStore) -> None:
    """A book that was never seen is not complete."""
    assert not (await store.account_journal.book(1)).complete
    known = [Known(balance_report(), (Decimal(100),)), Known(position_report(), (Decimal(1),))]
    await store.account_journal.adopt(1, known, START)
    kept = await store.account_journal.book(1)
    assert (kept.complete, kept.known) == (True, known)
    assert await store.account_journal.events_after(1, 0) == []
    assert not (await store.account_journal.book(2)).complete


async def test_a_book_does_not_go_backwards(store: PostgresStore) -> None:
    """An engine that lost the account may still write what it knew; but what silence alone told gives way."""
    newer = entries(AccountBook(complete=True), position_report(2, 5))
    older = entries(AccountBook(complete=True), position_report(1, 4))
    await store.account_journal.append(newer)
    await store.account_journal.append(older)
    assert (await store.account_journal.book(1)).positions[0].quantity == 2
    book = await store.account_journal.book(1)
    gone = entries(book, *book.absent([], START.replace(year=2027)))
    await store.account_journal.append(gone)
    assert (await store.account_journal.book(1)).positions == []
    book = await store.account_journal.book(1)
    await store.account_journal.append(entries(book, position_report(3, 6, snapshot=True)))
    assert (await store.account_journal.book(1)).positions[0].quantity == 3


async def test_read_by_plan_kind_and_number(store: PostgresStore) -> None:
    """A plan reads what it was to hear of."""
    book = AccountBook(complete=True)
    both = entries(book, position_report(1, 1), balance_report(10, 1), plans=(1, 2))
    mine = entries(book, position_report(2, 2), plans=(2,))
    await store.account_journal.append([*both, *mine])
    journal = store.account_journal
    assert len(await journal.events_after(1, 0, plan_id=1)) == 2
    assert len(await journal.events_after(1, 0, plan_id=2)) == 3
    (balance,) = await journal.events_after(1, 0, plan_id=2, kinds=[AccountEventKind.BALANCE_CHANGED])
    assert [one.id for one in await journal.events_after(1, balance.id, plan_id=2)] == [balance.id + 1]
    assert [one.id for one in await journal.latest(1, limit=2)] == [balance.id, balance.id + 1]


async def test_a_commit_whose_answer_was_lost_is_reported_as_new(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happened, so the next attempt finds its own rows there, and gives their numbers, once."""
    told = entries(AccountBook(complete=True), *REPORTS)
    await store.account_journal.append(told[:1])
    attempt = account_journal_writer._numbers

    async def cut(connection: Any, statement: str, parameters: Any) -> Any:
        await attempt(connection, statement, parameters)
        raise psycopg.OperationalError("the answer was lost")

    monkeypatch.setattr(account_journal_writer, "_numbers", cut)
    with pytest.raises(StoreUnavailableError):
        await store.account_journal.append(told)
    monkeypatch.undo()
    first, *others = await store.account_journal.append(told)
    assert first is None
    assert None not in others
    assert await store.account_journal.append(told) == [None] * len(told)


async def test_columns_for_a_person_who_looks(store: PostgresStore, database_url: str) -> None:
    """Instrument or currency, source and the exchange's time stand beside the JSON; raw JSON that is none is a text."""
    odd = balance_report(7, 1, raw=b'{"ccy":"\x00')
    await store.account_journal.append(entries(AccountBook(complete=True), position_report(), odd))
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT event_type, inst_id, currency, source, occurred_at = %s, event_data -> 'raw' FROM account_event_logs"
            " ORDER BY id",
            [START],
        ).fetchall()
    assert rows == [
        ("position_opened", "ETH-USDT-SWAP", None, "stream", True, {"instId": "ETH-USDT-SWAP"}),
        ("balance_changed", None, "USDT", "stream", False, '{"ccy":"\ufffd'),
    ]


@given(st.sampled_from(REPORTS), st.decimals(allow_nan=False, allow_infinity=False), st.binary())
def test_json_and_back(report: AccountReport, number: Decimal, raw: bytes) -> None:
    """Nothing is rounded, whatever was told."""
    if hasattr(report, "quantity") and hasattr(report, "margin_mode"):
        report = replace(report, quantity=number)
    (entry,) = entries(AccountBook(complete=True), report) or [None]
    if entry is None:
        return
    data = msgspec.json.decode(encode_event(entry))
    event, received_at = decode_event(entry.event.kind.value, entry.event.event_key, data)
    assert (event, received_at) == (entry.event, START)
    if entry.known is not None:
        assert decode_known(msgspec.json.decode(encode_known(entry.known))) == entry.known
    odd = replace(entry, event=replace(entry.event, report=replace(report, raw=raw)))
    assert decode_event(entry.event.kind.value, "", msgspec.json.decode(encode_event(odd)))


async def test_what_the_database_cannot_hold_as_json_is_a_text(store: PostgresStore) -> None:
    """Half a surrogate pair, a NUL, a number without end: the event is kept, whatever stands beside it."""
    book = AccountBook(complete=True)
    raws = (b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b'{"a":1e999999}', b"not json")
    odd = [balance_report(at, at, raw=raw, cause="a\x00b") for at, raw in enumerate(raws, 1)]
    numbers = await store.account_journal.append(entries(book, *odd))
    assert None not in numbers
    kept = await store.account_journal.events_after(1, 0)
    assert [record.event.cause for record in kept] == ["a\ufffdb"] * 4
    assert (await store.account_journal.book(1)).balances["USDT"].total == 4

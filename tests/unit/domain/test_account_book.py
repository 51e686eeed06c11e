"""What an exchange reports of an account becomes what happened, once, whichever way and however often it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.account_book import AccountBook
from kokex.domain.account_events import ABSENT, AccountEvent, AccountEventKind
from kokex.domain.account_reports import (
    AccountReport,
    BalanceReport,
    FillReport,
    PositionReport,
    PositionSide,
    StopState,
)
from kokex.domain.plan import TriggerKind
from tests.builders import (
    ETH,
    ETH_SWAP,
    START,
    balance_report,
    fill,
    margin_warning,
    position_report,
    stop_report,
)


def told(book: AccountBook, *reports: AccountReport) -> list[AccountEvent]:
    return [event for event in map(book.apply, reports) if event is not None]


def kinds(events: list[AccountEvent]) -> list[str]:
    return [event.kind.value for event in events]


def complete() -> AccountBook:
    return AccountBook(complete=True)


def test_the_life_of_a_position() -> None:
    """Opened, increased, reduced, turned over, closed: how much each time, and by which quantity it was reached."""
    quantities = (1, 3, 2, -1, -4, 0)
    events = told(complete(), *(position_report(quantity, at) for at, quantity in enumerate(quantities)))
    assert kinds(events) == [
        "position_opened",
        "position_increased",
        "position_reduced",
        "position_flipped",
        "position_increased",
        "position_closed",
    ]
    assert [event.change for event in events] == [1, 2, -1, -3, -3, 4]
    assert [event.inst_id for event in events] == ["ETH-USDT-SWAP"] * 6


def test_long_and_short_are_two_positions() -> None:
    """Of one instrument, in long/short mode; and so are cross and isolated."""
    events = told(
        complete(),
        position_report(1, side=PositionSide.LONG),
        position_report(-2, side=PositionSide.SHORT),
        position_report(1, margin_mode="isolated"),
    )
    assert kinds(events) == ["position_opened"] * 3
    assert len({event.event_key for event in events}) == 3


def test_a_balance_says_how_much_and_why() -> None:
    """With the fills that changed it."""
    (event,) = told(AccountBook(complete=True), balance_report(40, 1, cause="filled", trade_ids=("900001",)))
    assert (event.kind, event.change, event.cause) == (AccountEventKind.BALANCE_CHANGED, 40, "filled")
    assert isinstance(event.report, BalanceReport)
    assert event.report.trade_ids == ("900001",)
    assert (event.inst_id, event.currency) == (None, "USDT")


def test_the_first_picture_is_taken_over_in_silence() -> None:
    """What was never known did not change. From then on, what is not known is not there."""
    book = AccountBook()
    assert told(book, balance_report(100, snapshot=True), position_report(2, snapshot=True)) == []
    assert told(book, stop_report(snapshot=True)) == []
    book.complete = True
    assert kinds(told(book, balance_report(90, 1), position_report(1, 1))) == [
        "balance_changed",
        "position_reduced",
    ]
    assert kinds(told(book, replace(balance_report(5, 1), currency="ETH"))) == ["balance_changed"]


def test_a_total_that_is_not_told_is_not_zero() -> None:
    """Unknown changes nothing."""
    book = complete()
    told(book, balance_report(100))
    assert told(book, replace(balance_report(second=1), total=None)) == []
    assert book.balances["USDT"].total == 100


def test_the_life_of_a_stop() -> None:
    """Placed, triggered with the orders that it became; a trailing price that moves is no event."""
    book = complete()
    moved = stop_report(second=1, trigger_price=Decimal(1950))
    triggered = stop_report(StopState.TRIGGERED, 2, order_ids=("9002", "9001"))
    assert kinds(told(book, stop_report(), moved)) == ["stop_placed"]
    assert book.stops == [moved]
    (event,) = told(book, triggered)
    assert event.event_key == "ETH-USDT-SWAP:700:9001,9002"
    assert book.stops == []
    other = stop_report(stop_id="701")
    canceled, failed = replace(other, state=StopState.CANCELED), stop_report(StopState.FAILED, stop_id="702")
    assert kinds(told(book, other, canceled, failed)) == ["stop_placed", "stop_canceled", "stop_failed"]


def test_a_stop_that_ended_does_not_come_back() -> None:
    """By a snapshot that is old, or by a late push."""
    book = complete()
    told(book, stop_report(), stop_report(StopState.CANCELED, 1))
    assert told(book, stop_report(snapshot=True), stop_report()) == []
    assert book.stops == []


def test_fills_and_warnings_are_told_once() -> None:
    """A trade between two orders of the account is a fill of each."""
    book = complete()
    one, other = FillReport(fill(1), 1), FillReport(fill(1, order_id="9002"), 2)
    warning = margin_warning(3)
    events = told(book, one, one, other, warning, warning, margin_warning(4))
    assert kinds(events) == ["fill_reported"] * 2 + ["margin_warning"] * 2
    assert [event.inst_id for event in events] == ["ETH-USDT", "ETH-USDT"] + ["ETH-USDT-SWAP"] * 2


def test_within_a_millisecond_the_trade_decides() -> None:
    """Both fills of one moment are told; the older one again changes nothing."""
    book = complete()
    first, second = position_report(1, trade_id="99"), position_report(2, trade_id="100")
    assert kinds(told(book, first, second)) == ["position_opened", "position_increased"]
    assert told(book, first, replace(first, trade_id=None), second) == []
    assert kinds(told(book, position_report(1, trade_id="101"))) == ["position_reduced"]


def test_within_a_millisecond_a_total_told_before_is_a_repetition() -> None:
    """Balances carry no number: what was told for the same moment already is not told again."""
    book = complete()
    assert len(told(book, balance_report(100), balance_report(90), balance_report(80))) == 3
    assert told(book, balance_report(90), balance_report(100)) == []
    assert book.balances["USDT"].total == 80


def test_a_full_picture_ends_what_it_lacks() -> None:
    """Only what was told for an earlier moment; and it is there after all if a later picture has it."""
    book = complete()
    told(book, position_report(1, 5), balance_report(100, 1), replace(balance_report(3, 9), currency="ETH"))
    gone = book.absent([balance_report(100, 1)], START + timedelta(seconds=8))
    (event,) = told(book, *gone)
    assert (event.kind, event.change, event.cause) == (AccountEventKind.POSITION_CLOSED, -1, ABSENT)
    assert told(book, position_report(1, 5)) == []
    assert kinds(told(book, position_report(1, 5, snapshot=True))) == ["position_opened"]
    assert book.positions[0].quantity == 1
    assert set(book.balances) == {"USDT", "ETH"}


def test_a_book_that_was_kept_goes_on() -> None:
    """What it knew is no news to it; nothing older moves it."""
    before = complete()
    told(before, position_report(1, 1), position_report(2, 2), balance_report(90, 2), stop_report())
    after = AccountBook(before.known, complete=True)
    again = [position_report(2, 2), position_report(1, 1), balance_report(90, 2), stop_report()]
    assert told(after, *again) == []
    assert kinds(told(after, position_report(0, 3))) == ["position_closed"]


@pytest.mark.parametrize(
    ("report", "trigger"),
    [
        (position_report(), TriggerKind.POSITION),
        (balance_report(), TriggerKind.BALANCE),
        (stop_report(), TriggerKind.STOP),
        (margin_warning(), TriggerKind.MARGIN),
        (FillReport(fill(), 1), None),
    ],
)
def test_what_wakes_for_it(report: AccountReport, trigger: TriggerKind | None) -> None:
    """Each kind is one of a plan's triggers, but for fills, which their orders tell."""
    (event,) = told(complete(), report)
    assert event.kind.trigger is trigger


def test_whom_it_concerns() -> None:
    """The plan in that instrument; for a balance, plans that trade with the currency."""
    position, usdt = told(complete(), position_report(), balance_report())
    (btc,) = told(complete(), replace(balance_report(), currency="BTC"))
    assert [event.concerns(ETH) for event in (position, usdt, btc)] == [False, True, False]
    assert [event.concerns(ETH_SWAP) for event in (position, usdt, btc)] == [True, True, False]


# --- whatever the order, and however often ---

_Chain = list[AccountReport]


@st.composite
def histories(draw: st.DrawFn) -> list[_Chain]:
    """What truly happened: two positions and two currencies, moment by moment; stops, fills and warnings."""
    steps = st.lists(st.integers(-3, 3), min_size=1, max_size=6)
    chains: list[_Chain] = []
    for margin_mode in ("cross", "isolated"):
        chains.append(
            [
                position_report(quantity, at, margin_mode=margin_mode, trade_id=str(at))
                for at, quantity in enumerate(draw(steps), 1)
            ]
        )
    for currency in ("USDT", "ETH"):
        chains.append(
            [replace(balance_report(total, at), currency=currency) for at, total in enumerate(draw(steps), 1)]
        )
    end = draw(st.sampled_from([StopState.TRIGGERED, StopState.CANCELED, StopState.FAILED]))
    chains.append([stop_report(), stop_report(end, 2, order_ids=("9001",))])
    chains.append([FillReport(fill(number), 1) for number in range(draw(st.integers(0, 3)))])
    chains.append([margin_warning(number) for number in range(draw(st.integers(0, 3)))])
    return chains


def brief(report: AccountReport) -> AccountReport:
    """The same as another channel tells it: fewer words, other raw bytes."""
    if isinstance(report, PositionReport):
        return replace(report, average_price=None, trade_id=None, raw=b"{}", cause="filled")
    if isinstance(report, BalanceReport):
        return replace(report, raw=b"{}", cause="filled", trade_ids=("1",))
    return report


def again(draw: st.DrawFn, report: AccountReport) -> AccountReport:
    """A repetition: as it was, through another channel, or as part of a snapshot."""
    way = draw(st.sampled_from(["same", "brief", "snapshot"]))
    if way == "brief":
        return brief(report)
    if way == "snapshot" and not isinstance(report, FillReport) and hasattr(report, "snapshot"):
        return replace(report, snapshot=True)  # type: ignore[call-arg]
    return report


@given(histories(), st.data())
def test_repetitions_of_what_was_told_change_nothing(chains: list[_Chain], data: st.DataObject) -> None:
    """Duplicates, late frames, a second channel and snapshots in any mix: the events of the clean stream, once."""
    clean = [report for chain in chains for report in chain]
    expected = told(complete(), *clean)
    book = complete()
    events: list[AccountEvent] = []
    for number, report in enumerate(clean):
        events += told(book, report)
        for earlier in data.draw(st.lists(st.integers(0, number), max_size=3)):
            events += told(book, again(data.draw, clean[earlier]))
    assert events == expected


@given(histories(), st.data())
def test_any_order_leads_to_the_newest_state(chains: list[_Chain], data: st.DataObject) -> None:
    """Each event once, chains without a break from zero to the end, single events all of them; and all again is no news."""
    truth = [report for chain in chains for report in chain]
    repeated = truth + data.draw(st.lists(st.sampled_from(truth), max_size=10))
    book = complete()
    events = told(book, *data.draw(st.permutations(repeated)))

    assert len({(event.kind, event.event_key) for event in events}) == len(events)
    for chain in chains[:4]:
        first = chain[0]
        links = [event for event in events if type(event.report) is type(first) and _same(event, first)]
        reached = [Decimal(0), *(event.after for event in links)]
        assert [event.before for event in links] == reached[:-1]
        assert reached[-1] == _amount(chain[-1])
        assert all(one.occurred_at < other.occurred_at for one, other in pairwise(links))
    singles = {event.event_key for event in events if event.before is None}
    assert singles == {event.event_key for event in told(complete(), *truth) if event.before is None}
    assert told(book, *data.draw(st.permutations(truth))) == []


def _same(event: AccountEvent, report: AccountReport) -> bool:
    if isinstance(event.report, PositionReport) and isinstance(report, PositionReport):
        return event.report.margin_mode == report.margin_mode
    return event.currency == getattr(report, "currency", None)


def _amount(report: AccountReport) -> Decimal:
    assert isinstance(report, PositionReport | BalanceReport)
    reached = report.quantity if isinstance(report, PositionReport) else report.total
    assert reached is not None
    return reached

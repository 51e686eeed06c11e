"""Account events: facts about an account as the journal keeps them, each with a name and a key.

A report of the exchange is a statement ("the position is 3"); an event is a happening ("it was increased from 1 to 3").
`kokex.domain.account_book` tells the one from the other:

    position    position_opened, _increased, _reduced, _closed, _flipped    when its quantity is another
    balance     balance_changed                                            when the total of a currency is another
    stop        stop_placed, _triggered, _canceled, _failed                each state once, a trigger once per set of orders
    margin      margin_warning                                             once per moment
    fill        fill_reported                                              once per trade and order

The keys name what was reached, so the journal keeps each once:

    ETH-USDT-SWAP:cross:net:1767225600000:3:900001    position: milliseconds, quantity, trade id where told
    USDT:1767225600000:99.5                           balance: milliseconds, total
    ETH-USDT-SWAP:700:9001,9002                       stop: its id, and the orders that it became
    ETH-USDT-SWAP:cross:net:1767225600000             margin warning
    ETH-USDT:9001:900001                              fill: order and trade
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from kokex.domain.account_reports import (
    AccountReport,
    BalanceReport,
    FillReport,
    MarginWarning,
    PositionReport,
    StopReport,
    StopState,
)
from kokex.domain.events import EventSource
from kokex.domain.instrument import Instrument
from kokex.domain.plan import TriggerKind

ABSENT = "absent"
"""Cause of an event that was told by nobody: the exchange's full picture no longer has the position or the currency."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AccountEventKind(StrEnum):
    """What happened to an account: the name that the journal keeps."""

    POSITION_OPENED = "position_opened"
    POSITION_INCREASED = "position_increased"
    POSITION_REDUCED = "position_reduced"
    POSITION_CLOSED = "position_closed"
    POSITION_FLIPPED = "position_flipped"
    BALANCE_CHANGED = "balance_changed"
    MARGIN_WARNING = "margin_warning"
    STOP_PLACED = "stop_placed"
    STOP_TRIGGERED = "stop_triggered"
    STOP_CANCELED = "stop_canceled"
    STOP_FAILED = "stop_failed"
    FILL_REPORTED = "fill_reported"

    @property
    def trigger(self) -> TriggerKind | None:
        """What of a plan's triggers it is; None for fills, whose order tells them with their fee."""
        return _TRIGGERS.get(self.value.partition("_")[0])


_TRIGGERS = {
    "position": TriggerKind.POSITION,
    "balance": TriggerKind.BALANCE,
    "margin": TriggerKind.MARGIN,
    "stop": TriggerKind.STOP,
}
_STOP_KINDS = {
    StopState.TRIGGERED: AccountEventKind.STOP_TRIGGERED,
    StopState.CANCELED: AccountEventKind.STOP_CANCELED,
    StopState.FAILED: AccountEventKind.STOP_FAILED,
}


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One happening on an account.

    Attributes:
        report: what told it; its quantity or total is the one reached.
        before: the position's quantity or the currency's total before; None for the other kinds.
    """

    kind: AccountEventKind
    event_key: str
    report: AccountReport
    before: Decimal | None = None

    @property
    def occurred_at(self) -> datetime:
        """The exchange's time."""
        return self.report.occurred_at

    @property
    def inst_id(self) -> str | None:
        """The instrument; None for a balance."""
        match self.report:
            case BalanceReport():
                return None
            case FillReport(fill=fill):
                return fill.inst_id
            case PositionReport() | StopReport() | MarginWarning():
                return self.report.inst_id

    @property
    def currency(self) -> str | None:
        """The currency of a balance; None otherwise."""
        return self.report.currency if isinstance(self.report, BalanceReport) else None

    @property
    def after(self) -> Decimal | None:
        """The position's quantity or the currency's total now; None for the other kinds."""
        return amount(self.report)

    @property
    def change(self) -> Decimal | None:
        """How much the quantity or the total changed; None for the other kinds."""
        after = self.after
        return None if after is None or self.before is None else after - self.before

    @property
    def cause(self) -> str | None:
        """Why, in the exchange's word; `absent` where its full picture had it no longer; None if not told."""
        return self.report.cause if isinstance(self.report, PositionReport | BalanceReport) else None

    def concerns(self, instrument: Instrument) -> bool:
        """Whether a plan in `instrument` is to hear of it: its own instrument, or a currency that it trades with."""
        if self.currency is None:
            return self.inst_id == instrument.inst_id
        return self.currency in (
            instrument.base_currency,
            instrument.quote_currency,
            instrument.settle_currency,
        )


@dataclass(frozen=True, slots=True)
class AccountEventRecord:
    """An account event as journalled.

    Attributes:
        id: the journal's number; rises in the order of committing, within an account.
    """

    id: int
    account_id: int
    event: AccountEvent
    source: EventSource
    received_at: datetime


def amount(report: AccountReport) -> Decimal | None:
    """A position's quantity or a currency's total; None for other reports and where it is not told."""
    match report:
        case PositionReport():
            return report.quantity
        case BalanceReport():
            return report.total
        case _:
            return None


def chain_event(report: PositionReport | BalanceReport, before: Decimal) -> AccountEvent | None:
    """The event that `report` is after `before`; None where nothing changed."""
    after = amount(report)
    if after is None or after == before:
        return None
    moment = _milliseconds(report.occurred_at)
    if isinstance(report, BalanceReport):
        key = f"{report.currency}:{moment}:{_plain(after)}"
        return AccountEvent(AccountEventKind.BALANCE_CHANGED, key, report, before)
    key = f"{_place(report)}:{moment}:{_plain(after)}:{report.trade_id or ''}"
    return AccountEvent(_position_kind(before, after), key, report, before)


def single_event(report: StopReport | FillReport | MarginWarning) -> AccountEvent:
    """The event that `report` is by itself."""
    match report:
        case StopReport(state=StopState.LIVE):
            return AccountEvent(AccountEventKind.STOP_PLACED, f"{report.inst_id}:{report.stop_id}", report)
        case StopReport():
            key = f"{report.inst_id}:{report.stop_id}:{','.join(sorted(report.order_ids))}"
            return AccountEvent(_STOP_KINDS[report.state], key, report)
        case FillReport(fill=fill):
            name = (
                fill.trade_id
                or f"{_milliseconds(fill.occurred_at)}:{_plain(fill.price)}:{_plain(fill.quantity)}"
            )
            return AccountEvent(
                AccountEventKind.FILL_REPORTED, f"{fill.inst_id}:{fill.order_id}:{name}", report
            )
        case MarginWarning():
            key = f"{_place(report)}:{_milliseconds(report.occurred_at)}"
            return AccountEvent(AccountEventKind.MARGIN_WARNING, key, report)


def _position_kind(before: Decimal, after: Decimal) -> AccountEventKind:
    if not before:
        return AccountEventKind.POSITION_OPENED
    if not after:
        return AccountEventKind.POSITION_CLOSED
    if (before > 0) != (after > 0):
        return AccountEventKind.POSITION_FLIPPED
    grown = abs(after) > abs(before)
    return AccountEventKind.POSITION_INCREASED if grown else AccountEventKind.POSITION_REDUCED


def _place(report: PositionReport | MarginWarning) -> str:
    return f"{report.inst_id}:{report.margin_mode}:{report.side.value}"


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _plain(number: Decimal) -> str:
    """Equal numbers, equal text: `3`, whatever zeros it was told with."""
    return f"{number.normalize():f}" if number else "0"

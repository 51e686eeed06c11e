"""The book of an account: the newest that is known of its positions, balances and stops, which turns reports into events.

A happening that is told again, by another channel, by a snapshot or over REST, is no news.

Positions and balances are chains: each event begins where the one before ended. Where the exchange skips a step (it sends several
changes of 50 ms as one), or an older report comes after a newer one, the chain has fewer links, and still leads to the newest state.
Stops, fills and warnings stand each for itself: in whatever order they are told, each is told once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kokex.domain.account_events import ABSENT, AccountEvent, amount, chain_event, single_event
from kokex.domain.account_reports import (
    AccountReport,
    BalanceReport,
    FillReport,
    MarginWarning,
    PositionReport,
    StopReport,
    StopState,
)

_REMEMBERED = 10_000
"""Stops, fills and warnings that a book recognises; older ones fall away on the journal's key."""


@dataclass(frozen=True, slots=True)
class Known:
    """The newest that is known of a position, of a currency, or of a live stop.

    Attributes:
        amounts: quantities or totals that were told for this very moment: one of them told again is a repetition.
        inferred: nobody told it; a full picture had it no longer.
    """

    report: PositionReport | BalanceReport | StopReport
    amounts: tuple[Decimal, ...] = ()
    inferred: bool = False

    @property
    def subject(self) -> str:
        """What it is about."""
        return subject(self.report)


def subject(report: PositionReport | BalanceReport | StopReport) -> str:
    """Names the position, the currency or the stop within its account."""
    match report:
        case PositionReport():
            return f"position:{report.inst_id}:{report.margin_mode}:{report.side.value}"
        case BalanceReport():
            return f"balance:{report.currency}"
        case StopReport():
            return f"stop:{report.inst_id}:{report.stop_id}"


class AccountBook:
    """The newest that is known of one account; turns reports into events. No I/O, one owner.

    Args:
        known: as last journalled.
        complete: a full picture was had once. Before that, what is not known is unknown, and the first word on a position or
            currency is taken over in silence; afterwards what is not known is not there.
    """

    def __init__(self, known: Iterable[Known] = (), *, complete: bool = False) -> None:
        self._known = {entry.subject: entry for entry in known}
        self._told = _Memory()
        self._ended = _Memory()
        self.complete = complete

    @property
    def known(self) -> list[Known]:
        """Everything, closed positions and empty currencies among it."""
        return list(self._known.values())

    @property
    def positions(self) -> list[PositionReport]:
        """Positions that are open."""
        return [
            report for report in self._reports() if isinstance(report, PositionReport) and report.quantity
        ]

    @property
    def balances(self) -> dict[str, BalanceReport]:
        """Currencies that are held."""
        return {
            report.currency: report
            for report in self._reports()
            if isinstance(report, BalanceReport) and report.total
        }

    @property
    def stops(self) -> list[StopReport]:
        """Stops that wait at the exchange."""
        return [report for report in self._reports() if isinstance(report, StopReport)]

    def of(self, report: AccountReport) -> Known | None:
        """What is known of that which `report` is about; None for fills, warnings, and stops that ended."""
        if isinstance(report, FillReport | MarginWarning):
            return None
        return self._known.get(subject(report))

    def apply(self, report: AccountReport) -> AccountEvent | None:
        """Take note of a report; the event that it tells, or None where it is no news."""
        match report:
            case PositionReport() | BalanceReport():
                return self._chain(report)
            case StopReport():
                return self._stop(report)
            case FillReport() | MarginWarning():
                return self._once(single_event(report))

    def disputes(self, report: AccountReport) -> bool:
        """Whether a picture says another amount for the very moment of a report of the past, and nothing tells which was later."""
        if not isinstance(report, PositionReport | BalanceReport):
            return False
        entry = self._known.get(subject(report))
        if entry is None or not entry.report.snapshot or entry.report.occurred_at != report.occurred_at:
            return False
        return amount(report) not in entry.amounts and _by_trade(entry, report) is None

    def absent(self, reports: Collection[AccountReport], taken_at: datetime) -> list[AccountReport]:
        """What a full picture says by silence: reports of zero for all that is held here and is not among `reports`.

        Args:
            taken_at: the exchange's time of the picture. What was told for a later moment stays.
        """
        named = {subject(report) for report in reports if isinstance(report, PositionReport | BalanceReport)}
        gone: list[AccountReport] = []
        for name, entry in self._known.items():
            held = amount(entry.report)
            if name not in named and held and entry.report.occurred_at <= taken_at:
                gone.append(_zero(entry.report, taken_at))
        return gone

    def _reports(self) -> list[PositionReport | BalanceReport | StopReport]:
        return [entry.report for entry in self._known.values()]

    def _chain(self, report: PositionReport | BalanceReport) -> AccountEvent | None:
        reached = amount(report)
        if reached is None:
            return None
        name = subject(report)
        entry = self._known.get(name)
        if entry is None:
            before = Decimal(0) if self.complete else reached
            amounts = [reached]
        elif _is_newer(entry, report, reached):
            before = amount(entry.report) or Decimal(0)
            same_moment = entry.report.occurred_at == report.occurred_at
            amounts = [*entry.amounts, reached] if same_moment else [reached]
        else:
            return None
        self._known[name] = Known(report, tuple(dict.fromkeys(amounts)), report.cause == ABSENT)
        return chain_event(report, before)

    def _stop(self, report: StopReport) -> AccountEvent | None:
        name = subject(report)
        entry = self._known.get(name)
        if report.state is not StopState.LIVE:
            self._known.pop(name, None)
            self._ended.add(name)
            return self._once(single_event(report))
        ended = name in self._ended
        if not ended and (entry is None or report.occurred_at >= entry.report.occurred_at):
            self._known[name] = Known(report)
        if entry is not None or (report.snapshot and (ended or not self.complete)):
            return None
        return self._once(single_event(report))

    def _once(self, event: AccountEvent) -> AccountEvent | None:
        return event if self._told.add(f"{event.kind.value}:{event.event_key}") else None


class _Memory:
    """The newest words that were added, each once."""

    def __init__(self) -> None:
        self._words: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, word: str) -> bool:
        return word in self._words

    def add(self, word: str) -> bool:
        """Remember; whether it is new."""
        if word in self._words:
            return False
        self._words[word] = None
        if len(self._words) > _REMEMBERED:
            self._words.popitem(last=False)
        return True


def _is_newer(entry: Known, report: PositionReport | BalanceReport, reached: Decimal) -> bool:
    """Whether `report` is a later word than `entry`: by time, within a millisecond by trade, else by arrival."""
    if entry.inferred and report.snapshot and reached:
        return True  # it is there after all: the picture that lacked it was an old one
    known = entry.report
    if report.occurred_at != known.occurred_at:
        return report.occurred_at > known.occurred_at
    later = _by_trade(entry, report)
    return reached not in entry.amounts or reached == amount(known) if later is None else later


def _by_trade(entry: Known, report: PositionReport | BalanceReport) -> bool | None:
    """Whether `report` tells of a later trade than `entry`; None where that is not told."""
    known = entry.report
    if isinstance(report, PositionReport) and isinstance(known, PositionReport):
        one, other = report.trade_id or "", known.trade_id or ""
        if one != other and one.isdecimal() and other.isdecimal():
            return int(one) > int(other)
    return None


def _zero(report: PositionReport | BalanceReport | StopReport, taken_at: datetime) -> AccountReport:
    if isinstance(report, PositionReport):
        return PositionReport(
            inst_id=report.inst_id,
            margin_mode=report.margin_mode,
            side=report.side,
            quantity=Decimal(0),
            average_price=None,
            occurred_at=taken_at,
            cause=ABSENT,
            snapshot=True,
        )
    assert isinstance(report, BalanceReport)
    return BalanceReport(report.currency, Decimal(0), taken_at, cause=ABSENT, snapshot=True)

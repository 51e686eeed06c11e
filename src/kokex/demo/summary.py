"""The end of a demo: what KOKEX's database says beside what the exchange's own books say.

Both sides are computed apart, exactly, and compared to the last digit. Nothing is taken from memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, localcontext
from typing import Any, Final

from kokex.demo.commands import Shown
from kokex.demo.model import DemoModel
from kokex.demo.records import Desk, Record
from kokex.domain.events import OrderEvent
from kokex.domain.instrument import InstrumentKind
from kokex.domain.position import PlanBook

_PRECISION: Final = 60
"""Digits of the arithmetic: enough that no sum or product is rounded."""

Identity = tuple[str, str]
"""Of one order event: the exchange's order id, and what tells it from the order's other events."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure from both sides, as text."""

    name: str
    journal: str
    exchange: str

    @property
    def agrees(self) -> bool:
        """To the last digit."""
        return self.journal == self.exchange


@dataclass(frozen=True, slots=True)
class Summary:
    """Both sides.

    Attributes:
        differences: what is in one and not in the other, as sentences; empty where they agree.
        model: the demo's own forecasting model, and how good it is; None where nobody asked.
        hours: of market time that passed in this run.
        mishaps: what the scripted language model did wrong on purpose in this run, by kind.
        shown: commands that were run at the end.
    """

    record: Record
    rows: tuple[Row, ...]
    events_exchange: int
    events_journal: int
    pnl_exchange: Decimal
    pnl_journal: Decimal
    equity: Decimal
    fees: str
    differences: tuple[str, ...]
    model: DemoModel | None = None
    hours: float = 0.0
    mishaps: Mapping[str, int] = field(default_factory=dict)
    shown: tuple[Shown, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether both books say the same."""
        return not self.differences

    def document(self) -> dict[str, Any]:
        """The figures for a program: money as text, counts as numbers."""
        return {
            "fills": len(self.record.fills),
            "decisions": self.record.decisions,
            "denied": self.record.denied,
            "events_exchange": self.events_exchange,
            "events_journal": self.events_journal,
            "pnl_exchange": exact(self.pnl_exchange),
            "pnl_journal": exact(self.pnl_journal),
            "equity": exact(self.equity),
            "forecaster": self.record.forecaster,
            "model": None if self.model is None else self.model.document(),
            "market_hours": round(self.hours, 2),
            "triggers": self.of_all(lambda desk: desk.triggers),
            "acted": sum(desk.tally.acted for desk in self.record.desks),
            "held": sum(desk.tally.held for desk in self.record.desks),
            "failed": sum(desk.tally.failed for desk in self.record.desks),
            "denials": self.of_all(lambda desk: desk.denials),
            "approvals": self.of_all(lambda desk: asdict(desk.answers)),
            "tokens_in": sum(desk.tokens_in for desk in self.record.desks),
            "tokens_out": sum(desk.tokens_out for desk in self.record.desks),
            "cost_usd": f"{sum((desk.cost_usd for desk in self.record.desks), Decimal(0)):f}",
            "mishaps": dict(self.mishaps),
            "plans": [desk.document() for desk in self.record.desks],
            "commands": [one.document() for one in self.shown],
        }

    def of_all(self, counts: Callable[[Desk], Mapping[str, int]]) -> dict[str, int]:
        """The counts of all plans, added up by name."""
        total: Counter[str] = Counter()
        for desk in self.record.desks:
            total.update(counts(desk))
        return dict(sorted(total.items()))


def compare(record: Record, books: Mapping[str, Any], made: Sequence[Mapping[str, Any]]) -> Summary:
    """Set the database's `record` beside the exchange's `books` and the events that it `made`."""
    with localcontext() as context:
        context.prec = _PRECISION
        return _compare(record, books, made)


def _compare(record: Record, books: Mapping[str, Any], made: Sequence[Mapping[str, Any]]) -> Summary:
    inst_id = record.instrument.inst_id
    book = PlanBook(record.instrument).apply_all(record.fills)
    pnl_journal = book.pnl(Decimal(books["marks"][inst_id]))
    pnl_exchange = Decimal(books["pnl"])
    prices = {currency: Decimal(price) for currency, price in books["prices"].items()}
    started = sum(
        (Decimal(amount) * prices[currency] for currency, amount in books["initial_balances"].items()),
        Decimal(0),
    )
    theirs, ours = {exchange_identity(event) for event in made}, journal_identities(record.events)
    fills_made = sum(1 for _, key in theirs if key.startswith("fill:"))
    rows = (
        Row("order events", str(record.events_counted), str(len(theirs))),
        Row("fills", str(len(record.fills)), str(fills_made)),
        *_balances(book, books),
        Row("P&L after fees", exact(pnl_journal), exact(pnl_exchange)),
        Row("equity", exact(started + pnl_journal), exact(Decimal(books["equity"]))),
    )
    return Summary(
        record=record,
        rows=rows,
        events_exchange=len(theirs),
        events_journal=record.events_counted,
        pnl_exchange=pnl_exchange,
        pnl_journal=pnl_journal,
        equity=started + pnl_journal,
        fees=", ".join(f"{exact(-amount)} {currency}" for currency, amount in book.fees) or "none",
        differences=_differences(rows, ours, theirs),
    )


def exchange_identity(event: Mapping[str, Any]) -> Identity:
    """Which event of which order, told from the exchange's own list (OKX v5: states live, partially_filled, filled, canceled)."""
    if event["tradeId"]:
        return event["ordId"], f"fill:{event['tradeId']}"
    return event["ordId"], "canceled" if "canceled" in event["state"] else event["state"]


def journal_identities(events: Sequence[OrderEvent]) -> set[Identity]:
    """The same of the journal's events."""
    return {(event.update.order_id, event.event_key) for event in events}


def exact(number: Decimal) -> str:
    """All digits, no exponent, no trailing zeros."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _balances(book: PlanBook, books: Mapping[str, Any]) -> tuple[Row, ...]:
    """What the account holds: the start and the plan's fills beside the exchange's balances (spot, where both are told)."""
    if book.instrument.kind is not InstrumentKind.SPOT:
        return ()
    changes = {
        book.instrument.base_currency: book.quantity,
        book.instrument.quote_currency: book.cash,
    }
    return tuple(
        Row(
            currency,
            exact(Decimal(books["initial_balances"].get(currency, "0")) + change),
            exact(Decimal(books["balances"].get(currency, "0"))),
        )
        for currency, change in changes.items()
    )


def _differences(rows: Sequence[Row], ours: set[Identity], theirs: set[Identity]) -> tuple[str, ...]:
    found = [
        f"{row.name}: {row.journal} in the database, {row.exchange} in the exchange's books"
        for row in rows
        if not row.agrees
    ]
    for words, only in (("the journal lacks", theirs - ours), ("the exchange never made", ours - theirs)):
        found += [f"{words} {key} of order {order_id}" for order_id, key in sorted(only)]
    return tuple(found)

"""What a plan's trading came to: the result of every order that closed something, and how its worth moved.

Average-cost accounting: fees belong to the price paid or received. An order that turns a long holding into a short one closes
the one and opens the other. Money is in quote currency.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.order import Fill
from kokex.domain.quick_init import quick_init

_KEPT = 200
"""Results remembered; more than any cool-down looks back on."""


@quick_init
@dataclass(frozen=True, slots=True)
class Result:
    """Profit or loss that one closing order made, after fees."""

    order_id: str
    closed_at: datetime
    pnl: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """The execution with which the present holding began; `sign`: +1 long, -1 short."""

    at: datetime
    price: Decimal
    sign: int


@dataclass(frozen=True, slots=True)
class TradeResults:
    """The holding at its average cost, and what closing parts of it brought.

    Attributes:
        quantity: base currency (spot, after fees taken in base) or contracts, negative when short.
        cost: quote currency paid for the holding (negative: received for a short one), fees included.
        realised: sum of all results, also of those no longer remembered.
        results: the latest, oldest first.
        entry: how the holding began; None while less is held than an order can be.
    """

    instrument: Instrument
    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    results: tuple[Result, ...] = ()
    entry: Entry | None = None

    @property
    def average_price(self) -> Decimal | None:
        """Quote currency per unit of base at which the holding breaks even; None where nothing is held."""
        value = self.quantity * self.instrument.contract_value
        return self.cost / value if value else None

    def by(self, instrument: Instrument) -> TradeResults:
        """The same, by the instrument's present steps."""
        return replace(self, instrument=instrument)

    def apply(self, fill: Fill) -> TradeResults:
        """After `fill`."""
        return self.apply_all((fill,))

    def apply_all(self, fills: Iterable[Fill]) -> TradeResults:
        """After `fills`."""
        count = _Count(self)
        for fill in fills:
            count.add(fill)
        return TradeResults(
            self.instrument, count.quantity, count.cost, count.realised, tuple(count.results), count.entry
        )

    def losing_streak(self) -> int:
        """How many of the latest results in a row were losses."""
        count = 0
        for result in reversed(self.results):
            if result.pnl >= 0:
                break
            count += 1
        return count


class _Count:
    """Results while fills are added to them: a value for each of thousands of fills would cost more than the counting."""

    def __init__(self, begun: TradeResults) -> None:
        self.quantity = begun.quantity
        self.cost = begun.cost
        self.realised = begun.realised
        self.results = deque(begun.results, _KEPT)
        self.entry = begun.entry
        self._instrument = begun.instrument
        self._spot = begun.instrument.kind is InstrumentKind.SPOT

    def add(self, fill: Fill) -> None:
        """Count one fill."""
        moved, cash = self._effect(fill)
        held = self.quantity
        self.quantity = held + moved
        self._enter(fill)
        if not held or (held > 0) == (moved > 0):
            self.cost -= cash
            return
        size, most = abs(moved), abs(held)
        if size > most:
            closing = most / size
            pnl = cash * closing - self.cost
            self.cost = -cash * (1 - closing)
        else:
            released = self.cost if size == most else self.cost * size / most
            pnl = cash - released
            self.cost -= released
        self.realised += pnl
        self._keep(fill, pnl, min(size, most))

    def _enter(self, fill: Fill) -> None:
        """Whether the fill began a holding, turned it, or left too little to be one."""
        if abs(self.quantity) < self._instrument.min_quantity:
            self.entry = None
            return
        sign = 1 if self.quantity > 0 else -1
        if self.entry is None or self.entry.sign != sign:
            self.entry = Entry(fill.occurred_at, fill.price, sign)

    def _effect(self, fill: Fill) -> tuple[Decimal, Decimal]:
        """What a fill adds to the holding, and to the cash."""
        value = self._instrument.notional(fill.quantity, fill.price)
        moved, cash = (fill.quantity, -value) if fill.side is Side.BUY else (-fill.quantity, value)
        if not fill.fee:
            return moved, cash
        if self._spot and fill.fee_currency == self._instrument.base_currency:
            return moved + fill.fee, cash
        return moved, cash + fill.fee

    def _keep(self, fill: Fill, pnl: Decimal, quantity: Decimal) -> None:
        """Executions of one closing order are one result."""
        if self.results and self.results[-1].order_id == fill.order_id:
            last = self.results.pop()
            pnl, quantity = last.pnl + pnl, last.quantity + quantity
        self.results.append(Result(fill.order_id, fill.occurred_at, pnl, quantity))


@dataclass(frozen=True, slots=True)
class Worth:
    """How a plan's profit or loss, marked to the market, moved.

    Attributes:
        pnl: at the last mark.
        day_start: at the first mark of the present UTC day.
        peak: the highest ever, at least zero: a plan starts at its peak.
    """

    marked_at: datetime
    pnl: Decimal
    day_start: Decimal
    peak: Decimal

    @classmethod
    def begin(cls, at: datetime) -> Worth:
        """Before anything was traded."""
        return cls(at, Decimal(0), Decimal(0), Decimal(0))

    def mark(self, pnl: Decimal, at: datetime) -> Worth:
        """After a new mark. A day begins with what the day before ended with; an older mark changes nothing."""
        if at < self.marked_at:
            return self
        same_day = at.astimezone(UTC).date() == self.marked_at.astimezone(UTC).date()
        return Worth(at, pnl, self.day_start if same_day else self.pnl, max(self.peak, pnl))

    def day_loss(self, pnl: Decimal, at: datetime) -> Decimal:
        """How much less `pnl` is than the day began with, at `at`; zero where it is more."""
        return max(self.mark(pnl, at).day_start - pnl, Decimal(0))

    def drawdown(self, pnl: Decimal) -> Decimal:
        """How far `pnl` is below the peak, in quote currency."""
        return max(self.peak - pnl, Decimal(0))

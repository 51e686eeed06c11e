"""What a plan's trading came to: the result of every order that closed something, and how its worth moved.

Average-cost accounting: fees belong to the price paid or received. An order that turns a long holding into a short one closes
the one and opens the other. Money is in quote currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from kokex.domain.instrument import Instrument, InstrumentKind
from kokex.domain.order import Fill

_KEPT = 200
"""Results remembered; more than any cool-down looks back on."""


@dataclass(frozen=True, slots=True)
class Result:
    """Profit or loss that one closing order made, after fees.

    Attributes:
        by_stop: the order was a stop that the exchange triggered.
    """

    order_id: str
    closed_at: datetime
    pnl: Decimal
    quantity: Decimal
    by_stop: bool = False


@dataclass(frozen=True, slots=True)
class TradeResults:
    """The holding at its average cost, and what closing parts of it brought.

    Attributes:
        quantity: base currency (spot, after fees taken in base) or contracts, negative when short.
        cost: quote currency paid for the holding (negative: received for a short one), fees included.
        realised: sum of all results, also of those no longer remembered.
        results: the latest, oldest first.
    """

    instrument: Instrument
    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    results: tuple[Result, ...] = ()

    @property
    def average_price(self) -> Decimal | None:
        """Quote currency per unit of base at which the holding breaks even; None where nothing is held."""
        value = self.quantity * self.instrument.contract_value
        return self.cost / value if value else None

    def by(self, instrument: Instrument) -> TradeResults:
        """The same, by the instrument's present steps."""
        return replace(self, instrument=instrument)

    def apply(self, fill: Fill, *, by_stop: bool = False) -> TradeResults:
        """After `fill`."""
        moved, cash = _effect(self.instrument, fill)
        held = self.quantity
        if not held or (held > 0) == (moved > 0):
            return replace(self, quantity=held + moved, cost=self.cost - cash)
        closing = min(abs(moved), abs(held)) / abs(moved) if moved else Decimal(1)
        released = self.cost if abs(moved) >= abs(held) else self.cost * abs(moved) / abs(held)
        pnl = cash * closing - released
        opened = replace(
            self,
            quantity=held + moved,
            cost=self.cost - released - cash * (1 - closing),
            realised=self.realised + pnl,
        )
        return opened._keep(Result(fill.order_id, fill.occurred_at, pnl, min(abs(moved), abs(held)), by_stop))

    def apply_all(self, fills: Iterable[Fill]) -> TradeResults:
        """After `fills`."""
        after = self
        for fill in fills:
            after = after.apply(fill)
        return after

    def losing_streak(self) -> int:
        """How many of the latest results in a row were losses."""
        count = 0
        for result in reversed(self.results):
            if result.pnl >= 0:
                break
            count += 1
        return count

    def _keep(self, result: Result) -> TradeResults:
        if self.results and self.results[-1].order_id == result.order_id:
            last = self.results[-1]
            merged = replace(
                last,
                closed_at=result.closed_at,
                pnl=last.pnl + result.pnl,
                quantity=last.quantity + result.quantity,
            )
            return replace(self, results=(*self.results[:-1], merged))
        return replace(self, results=(*self.results, result)[-_KEPT:])


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


def _effect(instrument: Instrument, fill: Fill) -> tuple[Decimal, Decimal]:
    """What a fill adds to the holding, and to the cash."""
    moved = fill.side.sign * fill.quantity
    cash = -fill.side.sign * instrument.notional(fill.quantity, fill.price)
    if fill.fee:
        in_base = fill.fee_currency == instrument.base_currency and instrument.kind is InstrumentKind.SPOT
        if in_base:
            moved += fill.fee
        else:
            cash += fill.fee
    return moved, cash

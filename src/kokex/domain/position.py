"""A plan's own book: what it holds and earned, from its fills and its share of funding.

Exact arithmetic: every number is a sum of products of what the exchange reported, so the figures equal the exchange's to
the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from kokex.domain.instrument import Instrument, InstrumentKind
from kokex.domain.order import Fill
from kokex.domain.quick_init import quick_init


@quick_init
@dataclass(frozen=True, slots=True)
class PlanBook:
    """Holding and cash of one plan in one instrument, since its first fill.

    Attributes:
        quantity: net holding after fees taken in base (spot, base currency) or contracts (swaps, signed).
        cash: quote currency gained (+) or spent (-) by trading, after fees taken in quote.
        fees: charged so far (negative), per currency.
        bought, sold: traded value in quote currency.
        fills: how many.
        funding: what funding of swaps came to for the plan (negative: paid), in quote currency; no part of `cash`.
    """

    instrument: Instrument
    quantity: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    fees: tuple[tuple[str, Decimal], ...] = ()
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    fills: int = 0
    funding: Decimal = Decimal(0)

    def apply(self, fill: Fill) -> PlanBook:
        """The book after `fill`."""
        value = self.instrument.notional(fill.quantity, fill.price)
        buying = fill.side.sign > 0
        quantity = self.quantity + fill.quantity if buying else self.quantity - fill.quantity
        cash = self.cash - value if buying else self.cash + value
        fees = self.fees
        if fill.fee:
            currency = fill.fee_currency or self.instrument.settle_currency or self.instrument.quote_currency
            fees = _added(fees, currency, fill.fee)
            if currency == self.instrument.base_currency and self.instrument.kind is InstrumentKind.SPOT:
                quantity += fill.fee
            else:
                cash += fill.fee
        return PlanBook(
            self.instrument,
            quantity,
            cash,
            fees,
            self.bought + value if buying else self.bought,
            self.sold if buying else self.sold + value,
            self.fills + 1,
            self.funding,
        )

    def apply_all(self, fills: Iterable[Fill]) -> PlanBook:
        """The book after `fills`."""
        book = self
        for fill in fills:
            book = book.apply(fill)
        return book

    def pnl(self, price: Decimal) -> Decimal:
        """Profit or loss in quote currency with the holding valued at `price`, after fees and funding."""
        return self.cash + self.funding + self.instrument.notional(self.quantity, price)


def _added(
    fees: tuple[tuple[str, Decimal], ...], currency: str, fee: Decimal
) -> tuple[tuple[str, Decimal], ...]:
    """`fees` with `fee` among them, by currency in alphabetical order."""
    for place, (name, charged) in enumerate(fees):
        if name == currency:
            return (*fees[:place], (name, charged + fee), *fees[place + 1 :])
    return tuple(sorted((*fees, (currency, fee))))

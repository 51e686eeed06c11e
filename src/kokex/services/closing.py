"""Ending what a plan holds because its agent asks for it: never more than is held, so the holding never turns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.services.accounts import AccountSession
from kokex.services.answers import Answer, Wish
from kokex.services.canceling import cancel_each
from kokex.services.executing import ExecutingService
from kokex.services.ledger import PlanLedger
from kokex.services.risk_picture import RiskPictures
from kokex.services.trading import TradingService
from kokex.services.turn_budget import TurnBudget

_LOOK_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 3.0
"""How long the end of canceled orders is waited for."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of a wish to end a holding.

    Attributes:
        answer: of the order that was asked for; None where none was.
        code, reason: why nothing was sent; None where an order was asked for.
        canceled: names of the plan's orders that were canceled for it.
        remains: what is held beyond that order: too little for one, or too much for one.
    """

    answer: Answer | None
    code: str | None
    reason: str | None
    canceled: tuple[str, ...]
    remains: Decimal


class PositionClosing:
    """Cancels what the plan has open, then asks for one order that only reduces."""

    def __init__(
        self,
        clock: Clock,
        ledger: PlanLedger,
        trading: TradingService,
        pictures: RiskPictures,
        executing: ExecutingService,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._trading = trading
        self._pictures = pictures
        self._executing = executing

    async def close(
        self,
        session: AccountSession,
        plan: Plan,
        origin: tuple[int, int],
        price: Decimal | None,
        budget: TurnBudget,
    ) -> Closing:
        """End the plan's holding by one order, at market or at the limit `price`, in whole lots.

        All its other orders are canceled first, and its parent orders end: those that reduce would reduce twice, those that add would
        open it anew.

        Args:
            origin: decision and step that ask; the same a second time sends nothing.

        Raises:
            KokexError: nothing was sent; what of the plan's orders could be canceled was.
        """
        ledger = self._ledger
        if not ledger.book.quantity:
            return Closing(None, "nothing_held", "this plan holds nothing", (), Decimal(0))
        await self._executing.stop_all(plan, session, "the holding was to be closed")
        names = tuple(sorted(ledger.pending))
        await cancel_each(partial(self._trading.cancel, session, plan), names)
        if not await self._gone(names):
            waiting = ", ".join(name for name in names if name in ledger.pending)
            reason = (
                f"nothing was sent: the end of {waiting} is not known yet; ask again after its order event"
            )
            return Closing(None, "orders_pending", reason, names, abs(ledger.book.quantity))
        side, quantity, remains = self._most(session, plan, price)
        if not quantity:
            least = ledger.book.instrument.min_quantity
            reason = f"the {remains} held are less than the smallest order of {least}; nothing can be sent"
            return Closing(None, "too_little", reason, names, remains)
        alone = self._pictures.alone(plan)
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        wish = Wish(side, kind, quantity, price, reduce_only=alone)
        answer = await self._trading.close(session, plan, origin, wish, budget)
        return Closing(answer, None, None, names, remains)

    def _most(
        self, session: AccountSession, plan: Plan, price: Decimal | None
    ) -> tuple[Side, Decimal, Decimal]:
        """Side and quantity of one order that ends as much of the holding as an order may, and what is left beyond it."""
        instrument, held = self._ledger.book.instrument, self._ledger.book.quantity
        most = instrument.round_quantity(abs(held))
        largest = instrument.max_market_quantity if price is None else instrument.max_limit_quantity
        if largest is not None:
            most = min(most, instrument.round_quantity(largest))
        last = self._pictures.state(session, plan, self._ledger).last_price
        known = [one for one in (price, last) if one is not None]
        if known:
            most = min(most, instrument.quantity_for(plan.limits.max_order_notional, max(known)))
        quantity = most if most >= instrument.min_quantity else Decimal(0)
        return Side.SELL if held > 0 else Side.BUY, quantity, abs(held) - quantity

    async def _gone(self, names: tuple[str, ...]) -> bool:
        """Whether none of the orders is pending any more, within a short while."""
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while any(name in self._ledger.pending for name in names):
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(_LOOK_SECONDS)
        return True

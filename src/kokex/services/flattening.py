"""Ending what a plan has open and holds, because a halt asks for it."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Final

import structlog

from kokex.domain.errors import StateError
from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import OrderType
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.services.accounts import AccountSession
from kokex.services.answers import Wish
from kokex.services.canceling import cancel_each
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.neighbours import Neighbourhood
from kokex.services.trading import TradingService

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 1000
"""Orders by which one halt tries to end one holding."""
_LOOK_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = 0.5


class Flattening:
    """Cancels, and sells or buys back what is held by market orders that only reduce."""

    def __init__(
        self, clock: Clock, ledgers: Ledgers, trading: TradingService, neighbourhood: Neighbourhood
    ) -> None:
        self._clock = clock
        self._ledgers = ledgers
        self._trading = trading
        self._neighbourhood = neighbourhood

    async def cancel_open(self, session: AccountSession, plan: Plan) -> None:
        """Have everything canceled that is pending now; return when the exchange has said so of each.

        Raises:
            KokexError: the plan's account or the database is out of reach now, for one order at least; all were tried.
        """
        async with session.submitting:  # an order that the gate let through just before is in the ledger then
            names = set(self._ledger(plan).pending)
        while names:
            await cancel_each(partial(self._trading.cancel, session, plan), sorted(names))
            await self._gone(plan, names)
            names &= set(self._ledger(plan).pending)

    async def flatten(self, session: AccountSession, plan: Plan, halt_id: int) -> None:
        """End the plan's holding. Each attempt has a name of its own and follows only when the one before is over.

        Raises:
            KokexError: it could not be ended, or what is needed is out of reach now.
        """
        for attempt in range(ATTEMPTS):
            side, quantity = _remainder(self._ledger(plan))
            if not quantity:
                return
            if not session.may_act:
                raise StateError(f"account {session.account.name} cannot be traded on now")
            step = halt_id * ATTEMPTS + attempt
            wish = Wish(side, OrderType.MARKET, quantity, reduce_only=self.alone(plan))
            answer = await self._trading.flatten(session, plan, step, wish)
            name = answer.order.client_order_id or ""
            await self.until_gone(plan, name)
            if answer.code not in (None, "already_submitted", "unknown"):
                log.warning("holding not ended", plan=plan.id, code=answer.code, reason=answer.order.reason)
                await self._clock.sleep(_AGAIN_SECONDS)
        raise StateError(f"plan {plan.id} still holds something after {ATTEMPTS} orders")

    async def until_gone(self, plan: Plan, name: str) -> None:
        """Return once an order of the plan is over, or was never open.

        Raises:
            StateError: the plan is at work no longer.
        """
        while not await self._gone(plan, {name}):
            log.warning("holding not ended yet", plan=plan.id, order=name)

    def alone(self, plan: Plan) -> bool:
        """Whether the account's position is the plan's: the exchange may be told to only reduce it."""
        return self._neighbourhood.alone(plan)

    async def _gone(self, plan: Plan, names: set[str]) -> bool:
        """Whether none of the orders is pending any more, within a short while."""
        deadline = self._clock.monotonic() + _AGAIN_SECONDS
        while names & set(self._ledger(plan).pending):
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(_LOOK_SECONDS)
        return True

    def _ledger(self, plan: Plan) -> PlanLedger:
        ledger = self._ledgers.get(plan.id)
        if ledger is None:
            raise StateError(f"plan {plan.id} is at work no longer")
        return ledger


def _remainder(ledger: PlanLedger) -> tuple[Side, Decimal]:
    """What ends the holding, in whole lots; zero where what is left is too little for an order."""
    instrument: Instrument = ledger.book.instrument
    held = ledger.book.quantity
    quantity = instrument.round_quantity(abs(held))
    if instrument.max_market_quantity is not None:
        quantity = min(quantity, instrument.round_quantity(instrument.max_market_quantity))
    side = Side.SELL if held > 0 else Side.BUY
    return side, quantity if quantity >= instrument.min_quantity else Decimal(0)

"""The end of what a plan that is stopped has open: asked for, and seen to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from kokex.domain.errors import ExchangeError
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.services import trading as commands
from kokex.services.accounts import AccountSession
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.trading import TradingService

log = structlog.get_logger(__name__)

CANCEL_SECONDS: Final = 5.0
"""How long a plan that is stopped waits for the last word on its orders."""


class Withdrawal:
    """Cancels what plans have open."""

    def __init__(self, clock: Clock, ledgers: Ledgers, trading: TradingService) -> None:
        self._clock = clock
        self._ledgers = ledgers
        self._trading = trading

    async def cancel_open(self, session: AccountSession, plan: Plan) -> None:
        """Ask for the end of all that is open, and stay until the exchange has said so.

        Orders in flight are waited for until their fate is known: one that turns out to live is cancelled then.
        """
        ledger = self._ledgers.of(plan.id)
        if not await self._ask_for_the_end(session, plan):
            return
        if _in_flight(ledger):
            patience = commands.SETTLED_AFTER.total_seconds() + CANCEL_SECONDS
            await self._wait_until(lambda: not _in_flight(ledger), patience)
            if not await self._ask_for_the_end(session, plan):
                return
        await self._wait_until(lambda: not ledger.pending, CANCEL_SECONDS)
        if ledger.pending:
            log.warning("orders still open at stop", plan=plan.id, orders=sorted(ledger.pending))

    async def _ask_for_the_end(self, session: AccountSession, plan: Plan) -> bool:
        try:
            await self._trading.cancel_all(session, plan)
        except ExchangeError as error:
            log.error("open orders could not be cancelled", plan=plan.id, reason=str(error))
            return False
        return True

    async def _wait_until(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        while not done() and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)


def _in_flight(ledger: PlanLedger) -> bool:
    """Whether the fate of any of the plan's orders is not known yet."""
    return any(order.status.in_flight for order in ledger.pending.values())

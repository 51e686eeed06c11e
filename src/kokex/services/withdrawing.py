"""The end of what a plan that is stopped has open: asked for, and seen to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kokex.domain.errors import ExchangeUnknownError
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services import trading as commands
from kokex.services.accounts import AccountSession
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.trading import TradingService

CANCEL_SECONDS: Final = 5.0
"""How long a plan that is stopped waits for the last word on its orders."""


class Withdrawal:
    """Cancels what plans have open."""

    def __init__(self, store: Store, clock: Clock, ledgers: Ledgers, trading: TradingService) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._trading = trading

    async def cancel_open(self, session: AccountSession, plan: Plan) -> None:
        """Ask for the end of all that is open, and stay until the exchange has said so.

        Orders in flight are waited for until their fate is known: one that turns out to live is cancelled then.

        Raises:
            ExchangeError: something is still open, or the exchange cannot be asked now; it has to be asked again.
        """
        ledger = self._ledgers.of(plan.id)
        await self._trading.cancel_all(session, plan)
        if _in_flight(ledger):
            patience = commands.SETTLED_AFTER.total_seconds() + CANCEL_SECONDS
            await self._wait_until(lambda: not _in_flight(ledger), patience)
            await self._trading.cancel_all(session, plan)
        await self._wait_until(lambda: not ledger.pending, CANCEL_SECONDS)
        open_still = await self._store.orders.pending(plan_id=plan.id)
        if open_still:
            names = ", ".join(sorted(order.client_order_id or "" for order in open_still))
            raise ExchangeUnknownError(
                f"plan {plan.id} is to be stopped and has orders whose end is not known yet ({names}); they are cancelled again"
            )

    async def _wait_until(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        while not done() and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)


def _in_flight(ledger: PlanLedger) -> bool:
    """Whether the fate of any of the plan's orders is not known yet."""
    return any(order.status.in_flight for order in ledger.pending.values())

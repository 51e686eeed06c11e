"""Stops that orders brought along end with what they protect.

The exchange makes such a stop once its order has filled, and keeps it until it triggers. Where the holding ends in another way the stop
would stay, and trigger later on what is not the plan's: so it is canceled.
"""

from __future__ import annotations

import structlog

from kokex.domain.errors import ExchangeError
from kokex.domain.ids import order_origin
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.order_events import OrderEventService

log = structlog.get_logger(__name__)


class StopKeeping:
    """Cancels what is left of a plan's stops when the plan holds nothing any more."""

    def __init__(
        self,
        sessions: AccountSessions,
        ledgers: Ledgers,
        order_events: OrderEventService,
        installation: str,
    ) -> None:
        self._sessions = sessions
        self._ledgers = ledgers
        self._order_events = order_events
        self._installation = installation

    async def look(self) -> None:
        """Look at every plan at work; an account that cannot be asked now is asked at the next look."""
        for session in self._sessions.all():
            if not (session.owned and session.reconciled) or session.stopped:
                continue
            connection = self._order_events.connections.get(session.account.connection_key)
            for plan_id in list(connection.plans) if connection is not None else ():
                ledger = self._ledgers.get(plan_id)
                if ledger is None or not ledger.stops_out or _protects(ledger):
                    continue
                try:
                    await self._cancel(session, plan_id, ledger)
                except ExchangeError as error:
                    log.warning("stops not looked at", plan=plan_id, reason=str(error))

    async def _cancel(self, session: AccountSession, plan_id: int, ledger: PlanLedger) -> None:
        inst_id = ledger.book.instrument.inst_id
        own = [
            one
            for one in await session.exchange.open_stops(inst_id)
            if self._is_of(plan_id, one.client_stop_id)
        ]
        for stop in own:
            if _protects(ledger):
                return
            outcome = await session.exchange.cancel_stop(inst_id, stop.stop_id)
            log.info(
                "stop of an ended holding",
                plan=plan_id,
                stop=stop.stop_id,
                outcome=type(outcome).__name__.lower(),
            )
        if not _protects(ledger):
            ledger.stops_out = bool(own)

    def _is_of(self, plan_id: int, name: str | None) -> bool:
        origin = order_origin(name)
        return origin is not None and (origin.installation, origin.plan_id) == (self._installation, plan_id)


def _protects(ledger: PlanLedger) -> bool:
    """Whether stops have something to protect, or may come to have."""
    if abs(ledger.book.quantity) >= ledger.book.instrument.min_quantity:
        return True
    return any(order.stops is not None for order in ledger.pending.values())

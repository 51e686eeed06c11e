"""An order's intent, on record and counted before it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from kokex.domain.approvals import Approval
from kokex.domain.errors import KokexError
from kokex.domain.grant import Grant
from kokex.domain.order import Order, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.risk import Denied
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.answers import Answer
from kokex.services.intents import intended
from kokex.services.ledger import Ledgers
from kokex.services.sending import OrderSending
from kokex.services.unbroken import unbroken

log = structlog.get_logger(__name__)

CUT_SHORT: Final = "not sent: the turn that asked for it was ended"


class IntentRecording:
    """Puts what the gate has decided on record; the record and the ledger do not part."""

    def __init__(self, store: Store, clock: Clock, ledgers: Ledgers, sending: OrderSending) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._sending = sending

    async def keep(
        self, session: AccountSession, plan: Plan, order: Order, approval: Approval | None, left: Grant | None
    ) -> bool:
        """Put the intent on record and into the ledger: both or neither. One whose asker was ended meanwhile goes out no more.

        Args:
            approval: that a person has to give first.
            left: of the turn's grant once the order is let through.

        Returns:
            False where an order of that name is on record already.

        Raises:
            StoreUnavailableError: whether it is on record is not known; it is not sent.
        """

        async def both() -> bool:
            kept = await self._record(order, approval, left)
            if kept:
                self._ledgers.of(plan.id).add(order, self._sending.last_price(session, plan))
                self._sending.count_cash(session, plan, order)
            return kept

        try:
            return await unbroken(both())
        except asyncio.CancelledError:
            if approval is None:
                await unbroken(self._cut_short(session, order))
            raise

    async def deny(self, plan: Plan, origin: tuple[int, int], denied: Denied) -> Answer:
        """Put on record what the gate did not let through.

        Args:
            origin: decision and step that asked.
        """
        meant = intended(plan, origin, denied.request, self._clock.now())
        order = replace(meant, status=OrderStatus.DENIED, reason=f"{denied.code.value}: {denied.reason}")
        await self._store.orders.add(order)
        log.info("order denied", plan=plan.id, code=denied.code.value, reason=denied.reason)
        return Answer(order, denied.code.value)

    async def _record(self, order: Order, approval: Approval | None, left: Grant | None) -> bool:
        if approval is None:
            return await self._store.orders.add(order, grant_left=left)
        return await self._store.approvals.add(order, approval, grant_left=left)

    async def _cut_short(self, session: AccountSession, order: Order) -> None:
        """End an order that was counted and will not be sent; where that cannot be recorded now, it is asked after later."""
        ledger = self._ledgers.get(order.plan_id)
        if ledger is None or (order.client_order_id or "") not in ledger.pending:
            return
        try:
            await self._sending.gone(session, order, CUT_SHORT)
        except KokexError as error:
            log.warning("end of an order not recorded yet", order=order.client_order_id, reason=str(error))

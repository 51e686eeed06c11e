"""Orders that wait for a person: asking the gate again, letting go, ending. Whoever moves an order's status on record acts, nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from kokex.domain.approvals import Approval, ApprovalOutcome, price_left
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderRequest, OrderType
from kokex.domain.plan import Plan
from kokex.domain.risk import Approved, DenialCode, Denied, check
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.ledger import Ledgers
from kokex.services.risk_picture import RiskPictures
from kokex.services.sending import OrderSending

log = structlog.get_logger(__name__)

UNKNOWN_NOW: Final = frozenset(
    {
        DenialCode.NOT_RECONCILED,
        DenialCode.NO_PRICE,
        DenialCode.STALE_CANDLES,
        DenialCode.UNKNOWN_EQUITY,
        DenialCode.UNKNOWN_EXPOSURE,
    }
)
"""Denials that say what is not known at this moment, as in an engine that has just started."""


class WaitingOrders:
    """What becomes of orders that wait for approval."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledgers: Ledgers,
        sending: OrderSending,
        pictures: RiskPictures,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._sending = sending
        self._pictures = pictures

    def judge(
        self, session: AccountSession, plan: Plan, order: Order, approval: Approval
    ) -> Approved | Denied:
        """The gate's word on a waiting order as everything is now; the order itself does not count against itself."""
        ledger = self._ledgers.of(plan.id)
        with ledger.without(order):
            state = self._pictures.state(session, plan, ledger)
        if state.free_cash is not None:
            own = session.spent_on(approval.client_order_id)
            state = replace(state, free_cash=state.free_cash + own)
        request = _request(order)
        verdict = check(request, plan.limits, state)
        left = price_left(request, approval, plan.limits, state)
        return Denied(request, *left) if left is not None and isinstance(verdict, Approved) else verdict

    async def let_go(self, session: AccountSession, plan: Plan, waited: Order) -> Order | None:
        """The order as it is about to be sent, on record as such; None where it waits no longer, or its time is over.

        To be called under the account's lock of submitting, with the gate's approval of the same moment.
        """
        name = waited.client_order_id or ""
        order = await self._store.approvals.settle(
            waited.account_id, name, ApprovalOutcome.SENT, at=self._clock.now()
        )
        ledger = self._ledgers.get(plan.id)
        if order is not None and ledger is not None:
            ledger.let_go(waited, order, self._sending.last_price(session, plan))
            self._sending.count_cash(session, plan, order)
        return order

    async def end(
        self, session: AccountSession, order: Order, outcome: ApprovalOutcome, reason: str
    ) -> Order | None:
        """End a waiting order that is not to be sent, and tell its plan; None where it waits no longer."""
        now, name = self._clock.now(), order.client_order_id or ""
        ended = await self._store.approvals.settle(order.account_id, name, outcome, at=now, reason=reason)
        if ended is not None:
            log.info("order not sent", order=name, outcome=outcome.value, reason=reason)
            await self._tell(session, ended)
        return ended

    async def cancel(self, session: AccountSession, order: Order) -> bool:
        """End a waiting order that is not wanted any more; False where it waits no longer."""
        reason = "canceled while it waited for approval"
        return await self.end(session, order, ApprovalOutcome.CANCELED, reason) is not None

    async def make_way(self, session: AccountSession, plan: Plan, side: Side) -> None:
        """End what waits on `side` where an order on that side goes against the holding: no exit stands behind a question."""
        ledger = self._ledgers.of(plan.id)
        if side.sign * ledger.book.quantity >= 0:
            return
        for order in [one for one in ledger.pending.values() if one.status.waiting and one.side is side]:
            reason = "a later order against the holding took its place while it waited for approval"
            await self.end(session, order, ApprovalOutcome.CANCELED, reason)

    async def catch_up(self, session: AccountSession, approval: Approval) -> None:
        """Have the plan hear of an order that waits no longer, where it was not told, as after a crash."""
        order = await self._store.orders.get(approval.account_id, approval.client_order_id)
        if order is None or order.status.in_flight or order.status.waiting:
            return
        if order.status.closed and order.order_id is None:
            await self._tell(session, order)
        else:  # the exchange knows it, and tells
            await self._store.approvals.set_told(
                approval.account_id, approval.client_order_id, self._clock.now()
            )

    async def _tell(self, session: AccountSession, order: Order) -> None:
        await self._sending.tell_never_sent(session, order)
        await self._store.approvals.set_told(order.account_id, order.client_order_id or "", self._clock.now())


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        client_order_id=order.client_order_id or "",
        plan_id=order.plan_id,
        inst_id=order.inst_id,
        side=order.side,
        order_type=OrderType(order.order_type),
        quantity=order.quantity,
        price=order.price,
        reduce_only=order.reduce_only,
        stops=order.stops,
    )

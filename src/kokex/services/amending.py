"""Changing orders that rest at the exchange: gate, intent on record, send, outcome on record.

As long as it is not known whether a change was made, both the old order and the new one are possible, and the larger counts against
every limit. That the exchange took the request decides nothing; an order event does, or the order as the exchange shows it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.errors import ExchangeError, ExchangeStoppedError, NotFoundError
from kokex.domain.order import Order, OrderRequest, OrderType, OrderUpdate
from kokex.domain.plan import Plan
from kokex.domain.risk import ApprovedAmendment, Denied, check_amendment
from kokex.domain.standing import Standing
from kokex.ports.clock import Clock
from kokex.ports.exchange import Accepted, Rejected, Unknown
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.answers import Amended
from kokex.services.ledger import Ledgers
from kokex.services.risk_picture import RiskPictures
from kokex.services.turn_budget import TurnBudget

log = structlog.get_logger(__name__)

Seen = tuple[bool, Standing]
"""What an account could do when the gate looked."""
Changed = Callable[[AccountSession, datetime, Seen], Awaitable[tuple[str | None, str]]]
"""Why what the gate let through must not go out any more, as code and sentence; None where it may."""

_NEVER_SENT = "not sent: it was interrupted when it had just been recorded"
_NOT_SEEN = "the exchange shows the order without the change"


class OrderAmending:
    """Asks for changes of a plan's orders, and finds out what became of them."""

    def __init__(
        self, store: Store, clock: Clock, ledgers: Ledgers, pictures: RiskPictures, changed: Changed
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._pictures = pictures
        self._changed = changed

    async def amend(
        self,
        session: AccountSession,
        plan: Plan,
        name: str,
        change: tuple[Decimal | None, Decimal | None],
        origin: tuple[int, int] | None,
        budget: TurnBudget | None,
    ) -> Amended:
        """Gate, record and send one change (new total quantity, new price); see `TradingService.amend`."""
        order = await self._store.orders.get(plan.account_id, name)
        if order is None or order.plan_id != plan.id:
            raise NotFoundError(f"plan {plan.id} has no order {name!r}")
        asked = _of(order, change, origin)
        if asked is not None:
            return Amended(order, "already_submitted", asked.reason, asked)
        async with session.submitting:
            seen = session.reconciled, session.standing
            ledger = self._ledgers.of(plan.id)
            here = ledger.pending.get(name, order)
            number = max(len(order.amendments), len(here.amendments)) + 1
            order = here
            grant = None if budget is None else budget.left
            state = self._pictures.state(session, plan, ledger, grant)
            verdict = check_amendment(_became(order, *change), order, plan.limits, state)
            if isinstance(verdict, Denied):
                log.info("change denied", plan=plan.id, order=name, code=verdict.code.value)
                return Amended(order, verdict.code.value, verdict.reason)
            made = _amendment(f"A{number}", verdict, self._clock.now(), origin)
            left = None if grant is None else grant.spend(verdict.added)
            if not await self._store.orders.amend(order.account_id, name, made, grant_left=left):
                return Amended(order, "not_amendable", f"order {name} moved meanwhile; look at it again")
            if budget is not None and left is not None:
                budget.left = left
            ledger.amend(name, made)
            session.spend(spending(name, made), verdict.cash)
        code, reason = await self._changed(session, made.asked_at, seen)
        if code is not None:
            await self._decide(session, order, made, AmendmentStatus.FAILED, reason)
            return await self._told(order, made, code, reason)
        return await self._send(session, order, made, verdict)

    async def look_after(self, session: AccountSession, order: Order, settled_after: timedelta) -> None:
        """Find out what became of the change under way of `order`, as it is on record; the exchange is asked where nothing told.

        Raises:
            ExchangeError: it cannot be asked now.
        """
        name, kept = order.client_order_id or "", _undecided(order)
        ledger = self._ledgers.known(order.plan_id)
        if kept is None or ledger is None:
            return
        async with session.submitting:  # one that is on its way to the record is in the ledger by then
            here = ledger.pending.get(name)
        if here is None:
            return
        told = next((one for one in here.amendments if one.request_id == kept.request_id), None)
        if (
            told is None
        ):  # an interrupted command, or a lost answer of the database: what is not in the ledger was not sent
            await self._decide(session, order, kept, AmendmentStatus.FAILED, _NEVER_SENT)
            return
        if here.amending is None:
            decided = AmendmentStatus.APPLIED if told.status.undecided else told.status
            applied = decided is AmendmentStatus.APPLIED
            await self._decide(session, order, kept, decided, told.reason, applied=applied)
            return
        row = await session.exchange.order(order.inst_id, client_order_id=name)
        if row is None or row.status.closed:
            return  # what becomes of the order itself is found out elsewhere
        status = _shown(row, kept)
        if status is None and self._clock.now() - kept.asked_at >= settled_after:
            status = AmendmentStatus.FAILED
        if status is not None:
            reason = _NOT_SEEN if status is AmendmentStatus.FAILED else None
            applied = status is AmendmentStatus.APPLIED
            await self._decide(session, order, kept, status, reason, applied=applied)

    async def _send(
        self, session: AccountSession, order: Order, made: Amendment, verdict: ApprovedAmendment
    ) -> Amended:
        try:
            outcome = await session.exchange.amend(verdict, made.request_id)
        except ExchangeStoppedError as error:
            session.stopped = str(error)
            outcome = Rejected(error.code or "stopped", str(error))
        except ExchangeError as error:
            outcome = Unknown(str(error), self._clock.now())
        match outcome:
            case Accepted():
                await self._decide(session, order, made, AmendmentStatus.ACCEPTED, None)
                return await self._told(order, made, None, None)
            case Rejected(code, reason):
                session.doubted[order.client_order_id or ""] = self._clock.now()
                said = f"{code}: {reason}"
                await self._decide(session, order, made, AmendmentStatus.REJECTED, said)
                return await self._told(order, made, code, reason)
            case Unknown(reason, _):
                await self._decide(session, order, made, AmendmentStatus.UNKNOWN, reason)
                log.warning("change outcome unknown", order=order.client_order_id, reason=reason)
                return await self._told(order, made, "unknown", reason)

    async def _told(self, order: Order, made: Amendment, code: str | None, reason: str | None) -> Amended:
        known = await self._store.orders.get(order.account_id, order.client_order_id or "") or order
        found = next((one for one in known.amendments if one.request_id == made.request_id), made)
        return Amended(known, code, reason, found)

    async def _decide(
        self,
        session: AccountSession,
        order: Order,
        made: Amendment,
        status: AmendmentStatus,
        reason: str | None,
        *,
        applied: bool = False,
    ) -> None:
        """Put on record what is known of the change; what an event told before wins."""
        name = order.client_order_id or ""
        await self._store.orders.decide(
            order.account_id, name, made.request_id, status, reason, applied=applied
        )
        ledger = self._ledgers.known(order.plan_id)
        if ledger is not None:
            ledger.decide(name, made.request_id, status, reason, applied=applied)
        if not status.undecided:
            session.outcome_known(spending(name, made))


def spending(name: str, change: Amendment) -> str:
    """Under which name the cash of a change is counted."""
    return f"{name}/{change.request_id}"


def _became(order: Order, quantity: Decimal | None, price: Decimal | None) -> OrderRequest:
    return OrderRequest(
        client_order_id=order.client_order_id or "",
        plan_id=order.plan_id,
        inst_id=order.inst_id,
        side=order.side,
        order_type=OrderType(order.order_type),
        quantity=order.quantity if quantity is None else quantity,
        price=order.price if price is None else price,
        reduce_only=order.reduce_only,
    )


def _amendment(
    request_id: str, verdict: ApprovedAmendment, now: datetime, origin: tuple[int, int] | None
) -> Amendment:
    decision_id, step = (None, None) if origin is None else origin
    return Amendment(request_id, verdict.quantity, verdict.price, now, decision_id=decision_id, step=step)


def _of(
    order: Order, change: tuple[Decimal | None, Decimal | None], origin: tuple[int, int] | None
) -> Amendment | None:
    """The same change, where the same step of the same decision asked for it before."""
    for one in order.amendments:
        if (one.decision_id, one.step) == origin and _asks(one, change):
            return one
    return None


def _asks(made: Amendment, change: tuple[Decimal | None, Decimal | None]) -> bool:
    """Whether `made` is `change`; it leaves out what was so already."""
    quantity, price = change
    return made.quantity in (None, quantity) and made.price in (None, price)


def _undecided(order: Order) -> Amendment | None:
    last = order.amendments[-1] if order.amendments else None
    return last if last is not None and last.status.undecided else None


def _shown(row: OrderUpdate, change: Amendment) -> AmendmentStatus | None:
    """What the order, as the exchange shows it, says of the change; None: nothing yet."""
    if change.quantity in (None, row.quantity) and change.price in (None, row.price):
        return AmendmentStatus.APPLIED
    if row.request_id == change.request_id and row.amendment_failed:
        return AmendmentStatus.FAILED
    return None

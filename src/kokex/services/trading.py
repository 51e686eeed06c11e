"""Orders from a plan's wish to the exchange: gate, intent on record, send, outcome on record.

The intent is committed before the order is sent, under a name derived from plan, decision and step. Whatever happens
in between, the order can be asked after by that name, and the same step never sends a second one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from kokex.domain.errors import ExchangeError, ExchangeStoppedError, NotFoundError
from kokex.domain.events import EventSource, classify
from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.order import Order, OrderRequest, OrderStatus, OrderType, OrderUpdate
from kokex.domain.plan import Plan
from kokex.domain.risk import Approved, Denied, check
from kokex.domain.standing import Standing
from kokex.ports.clock import Clock
from kokex.ports.exchange import Accepted, Outcome, Rejected, Unknown
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.market_data import MarketDataService
from kokex.services.order_events import OrderEventService
from kokex.services.risk_picture import NOT_OURS, RiskPictures

log = structlog.get_logger(__name__)

SETTLED_AFTER = timedelta(seconds=30)
"""An order sent longer ago than this that the exchange does not know was never taken (requests carry a deadline)."""


_EQUITY_SECONDS = 5.0
"""Balances younger than this need not be asked for again."""


class Fence(Protocol):
    """Knows whether this engine may act on an account."""

    async def prove(self, account_id: int) -> bool:
        """Whether the account is ours at this moment."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What an agent asks for; `quantity` in base currency for spot, contracts for swaps."""

    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a wish. `code` is the gate's or the exchange's, None where all went well."""

    order: Order
    code: str | None = None


class TradingService:
    """The only way from a plan to the exchange.

    Between the intent on record and the sending, ownership of the account is proved: an engine that takes over later finds the
    intent, and one that took over before makes the proof fail.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledgers: Ledgers,
        market_data: MarketDataService,
        order_events: OrderEventService,
        installation: str,
        ownership: Fence,
        pictures: RiskPictures,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._market_data = market_data
        self._order_events = order_events
        self._installation = installation
        self._ownership = ownership
        self._pictures = pictures

    async def submit(
        self, session: AccountSession, plan: Plan, decision_id: int, step: int, wish: Wish
    ) -> Answer:
        """Gate, record and send one order. The same (plan, decision, step) a second time sends nothing.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        name = client_order_id(OrderOrigin(self._installation, plan.id, decision_id, step))
        earlier = await self._store.orders.get(plan.account_id, name)
        if earlier is not None:
            return Answer(earlier, "already_submitted")
        if plan.limits.of_account:
            await self._know_equity(session)
        async with session.submitting:
            ledger = self._ledgers.of(plan.id)
            request = _request(name, plan, wish, session, ledger)
            verdict = check(request, plan.limits, self._pictures.state(session, plan, ledger))
            if isinstance(verdict, Denied):
                return await self._record_denial(plan, decision_id, step, verdict)
            order = self._intended(plan, decision_id, step, request)
            if not await self._store.orders.add(order):
                return Answer(order, "already_submitted")
            ledger.add(order, self._last_price(session, plan))
            self.count_cash(session, plan, order)
        if not await self._ownership.prove(plan.account_id):
            await self.gone(session, order, NOT_OURS)
            return Answer(replace(order, status=OrderStatus.EXPIRED, reason=NOT_OURS), "account_elsewhere")
        outcome = await self._send(session, verdict)
        return await self._record_outcome(session, plan, order, outcome)

    async def cancel(self, session: AccountSession, plan: Plan, name: str) -> Outcome:
        """Ask the exchange to cancel the plan's order of that client order id.

        Raises:
            NotFoundError: the plan has no such order.
        """
        order = await self._store.orders.get(plan.account_id, name)
        if order is None or order.plan_id != plan.id:
            raise NotFoundError(f"plan {plan.id} has no order {name!r}")
        if order.status.closed:
            return Rejected(order.status.value, f"order {name} is {order.status.value} already")
        if not await self._ownership.prove(plan.account_id):
            return Rejected("account_elsewhere", NOT_OURS)
        return await session.exchange.cancel(plan.inst_id, name)

    async def cancel_all(self, session: AccountSession, plan: Plan) -> None:
        """Ask for the cancellation of everything that the plan has open."""
        for order in await self._store.orders.pending(plan_id=plan.id):
            if order.client_order_id is None:
                continue
            outcome = await self.cancel(session, plan, order.client_order_id)
            log.info("cancel on stop", order=order.client_order_id, outcome=type(outcome).__name__.lower())

    async def found(self, session: AccountSession, order: Order, order_id: str) -> None:
        """The exchange knows an order whose fate was unknown."""
        session.outcome_known(order.client_order_id or "")
        await self._settle(order, OrderStatus.ACCEPTED, order_id=order_id, reason=None)

    async def gone(self, session: AccountSession, order: Order, reason: str) -> None:
        """An order in flight is over and had no effect."""
        session.outcome_known(order.client_order_id or "")
        await self._settle(order, OrderStatus.EXPIRED, reason=reason)
        log.warning("order without effect", order=order.client_order_id, reason=reason)

    def _intended(self, plan: Plan, decision_id: int, step: int, request: OrderRequest) -> Order:
        now = self._clock.now()
        return Order(
            client_order_id=request.client_order_id,
            order_id=None,
            plan_id=plan.id,
            account_id=plan.account_id,
            inst_id=request.inst_id,
            side=request.side,
            order_type=request.order_type.value,
            quantity=request.quantity,
            price=request.price,
            status=OrderStatus.SUBMITTED,
            created_at=now,
            updated_at=now,
            decision_id=decision_id,
            step=step,
            reduce_only=request.reduce_only,
        )

    async def _record_denial(self, plan: Plan, decision_id: int, step: int, denied: Denied) -> Answer:
        intended = self._intended(plan, decision_id, step, denied.request)
        order = replace(intended, status=OrderStatus.DENIED, reason=f"{denied.code.value}: {denied.reason}")
        await self._store.orders.add(order)
        log.info("order denied", plan=plan.id, code=denied.code.value, reason=denied.reason)
        return Answer(order, denied.code.value)

    def count_cash(self, session: AccountSession, plan: Plan, order: Order) -> None:
        """Take what a buy on its way out may cost off the account's free cash."""
        if order.side is not Side.BUY or order.client_order_id is None:
            return
        price = order.price or self._last_price(session, plan)
        instrument = self._ledgers.of(plan.id).book.instrument
        most = plan.limits.max_order_notional
        amount = most if price is None else instrument.notional(order.quantity, price)
        session.spend(order.client_order_id, amount)

    def _last_price(self, session: AccountSession, plan: Plan) -> Decimal | None:
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        return ticker.last if ticker else None

    async def _know_equity(self, session: AccountSession) -> None:
        """Have balances that are young enough to hold shares of the equity against; without any the gate says so."""
        try:
            await session.refresh(older_than=_EQUITY_SECONDS)
        except ExchangeError as error:
            log.warning("equity not read", account=session.account.name, reason=str(error))

    async def _send(self, session: AccountSession, approved: Approved) -> Outcome:
        try:
            return await session.exchange.submit(approved)
        except ExchangeStoppedError as error:
            session.stopped = str(error)
            return Rejected(error.code or "stopped", str(error))
        except ExchangeError as error:
            return Unknown(str(error), self._clock.now() + SETTLED_AFTER)

    async def _record_outcome(
        self, session: AccountSession, plan: Plan, order: Order, outcome: Outcome
    ) -> Answer:
        if not isinstance(outcome, Unknown):
            session.outcome_known(order.client_order_id or "")
        match outcome:
            case Accepted(order_id):
                known = await self._settle(order, OrderStatus.ACCEPTED, order_id=order_id, reason=None)
                return Answer(known)
            case Rejected(code, reason):
                known = await self._settle(order, OrderStatus.REJECTED, reason=f"{code}: {reason}")
                await self._order_events.ingest(
                    session.account, [classify(_rejection(known))], EventSource.COMMAND
                )
                return Answer(known, code)
            case Unknown(reason, _):
                known = await self._settle(order, OrderStatus.UNKNOWN, reason=reason)
                log.warning("order outcome unknown", order=order.client_order_id, reason=reason)
                return Answer(known, "unknown")

    async def _settle(
        self, order: Order, status: OrderStatus, *, order_id: str | None = None, reason: str | None
    ) -> Order:
        """The order as it stands after a command's outcome; events that came first win."""
        assert order.client_order_id is not None
        await self._store.orders.settle(
            order.account_id,
            order.client_order_id,
            status,
            at=self._clock.now(),
            order_id=order_id,
            reason=reason,
        )
        ledger = self._ledgers.get(order.plan_id)
        if ledger is not None:
            ledger.settle(order.client_order_id, status, order_id=order_id, reason=reason)
        return await self._store.orders.get(order.account_id, order.client_order_id) or order


def _request(name: str, plan: Plan, wish: Wish, session: AccountSession, ledger: PlanLedger) -> OrderRequest:
    """The wish as an order. Where only reductions are allowed, the exchange is told so too (swaps)."""
    swap = ledger.book.instrument.kind is InstrumentKind.SWAP
    return OrderRequest(
        client_order_id=name,
        plan_id=plan.id,
        inst_id=plan.inst_id,
        side=wish.side,
        order_type=wish.order_type,
        quantity=wish.quantity,
        price=wish.price,
        reduce_only=swap and session.standing is Standing.REDUCE_ONLY,
    )


def _rejection(order: Order) -> OrderUpdate:
    """The exchange's refusal as an order event. It has no order id there; ours stands in."""
    return OrderUpdate(
        inst_id=order.inst_id,
        order_id=order.client_order_id or "",
        client_order_id=order.client_order_id,
        side=order.side,
        order_type=order.order_type,
        status=OrderStatus.REJECTED,
        quantity=order.quantity,
        price=order.price,
        filled_quantity=Decimal(0),
        average_price=None,
        fee=None,
        fee_currency=None,
        created_at=order.created_at,
        occurred_at=order.updated_at,
        cancel_reason=order.reason,
    )

"""Orders from a plan's wish to the exchange: gate, intent on record, send, outcome on record.

The intent is committed before the order is sent, under a name derived from plan, decision and step. Whatever happens
in between, the order can be asked after by that name, and the same step never sends a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol

import structlog

from kokex.domain.approvals import Approval, ApprovalOutcome, needs_approval
from kokex.domain.errors import ExchangeError, NotFoundError
from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.risk import (
    Approved,
    Denied,
    RiskState,
    check,
    check_flattening,
    check_protecting,
    check_reducing,
)
from kokex.domain.standing import Standing
from kokex.ports.clock import Clock
from kokex.ports.exchange import Accepted, Outcome, Rejected
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.amending import OrderAmending
from kokex.services.answers import Amended, Answer, Wish
from kokex.services.canceling import cancel_each
from kokex.services.intent_recording import IntentRecording
from kokex.services.intents import intended, request_of
from kokex.services.ledger import Ledgers
from kokex.services.risk_picture import NOT_OURS, RiskPictures
from kokex.services.sending import OrderSending
from kokex.services.turn_budget import TurnBudget
from kokex.services.waiting_orders import UNKNOWN_NOW, WaitingOrders

log = structlog.get_logger(__name__)

SETTLED_AFTER = timedelta(seconds=30)
"""An order sent longer ago than this that the exchange does not know was never taken (requests carry a deadline)."""
OF_HALTS = 0
"""Stands for the decision in the names of orders that no turn asked for but a halt or a trailing stop: turns are numbered from 1."""
LATEST = timedelta(seconds=5)
"""What the gate saw counts for so long."""
TOO_LATE = "not sent: recording the order took so long that what the risk gate saw is of the past; ask again"
MOVED = "not sent: what the account may do changed after the risk gate had looked; ask again"
_EQUITY_SECONDS = 5.0
"""Balances younger than this need not be asked for again."""

_Gate = Callable[[OrderRequest, RiskLimits, RiskState], Approved | Denied]


class Fence(Protocol):
    """Knows whether this engine may act on an account."""

    async def prove(self, account_id: int) -> bool:
        """Whether the account is ours at this moment."""
        ...


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
        sending: OrderSending,
        installation: str,
        ownership: Fence,
        pictures: RiskPictures,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._sending = sending
        self._installation = installation
        self._ownership = ownership
        self._pictures = pictures
        self.waiting = WaitingOrders(store, clock, ledgers, sending, pictures)
        self._recording = IntentRecording(store, clock, ledgers, sending)
        self._amending = OrderAmending(store, clock, ledgers, pictures, self._changed_since)

    @property
    def installation(self) -> str:
        """The mark of this installation in the names of its orders."""
        return self._installation

    async def submit(
        self,
        session: AccountSession,
        plan: Plan,
        decision_id: int,
        step: int,
        wish: Wish,
        budget: TurnBudget | None = None,
    ) -> Answer:
        """Gate, record and send one order. The same (plan, decision, step) a second time sends nothing.

        Where a person has to approve it first, it waits: see `release`.

        Args:
            budget: of the turn that asks; spent with what the gate lets through.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        if plan.limits.of_account:
            await self._know_equity(session)
        if budget is not None:
            await budget.read(self._store)
        return await self._go_out(session, plan, (decision_id, step), wish, check, budget)

    async def close(
        self, session: AccountSession, plan: Plan, origin: tuple[int, int], wish: Wish, budget: TurnBudget
    ) -> Answer:
        """As `submit`, for an order that is to end a holding: where it would do more, as something else ended it meanwhile, it is denied.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        if plan.limits.of_account:
            await self._know_equity(session)
        await budget.read(self._store)
        return await self._go_out(session, plan, origin, wish, check_reducing, budget)

    async def work(
        self, session: AccountSession, plan: Plan, origin: tuple[int, int], wish: Wish, *, reduces: bool
    ) -> Answer:
        """Send a child order of a parent order; its turn was charged for the whole.

        Args:
            origin: decision and step that it goes by; the same a second time sends nothing.
            reduces: it goes out only if it still reduces what is held.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        if plan.limits.of_account:
            await self._know_equity(session)
        return await self._go_out(session, plan, origin, wish, check_reducing if reduces else check)

    async def amend(
        self,
        session: AccountSession,
        plan: Plan,
        name: str,
        quantity: Decimal | None,
        price: Decimal | None,
        *,
        origin: tuple[int, int] | None = None,
        budget: TurnBudget | None = None,
    ) -> Amended:
        """Gate, record and send a change of the plan's order of that client order id.

        Args:
            quantity: the new total, what is filled included; None where it stays.
            price: the new limit price; None where it stays.
            origin: decision and step that ask; the same a second time sends nothing.
            budget: of the turn that asks; spent with what the gate lets through.

        Raises:
            NotFoundError: the plan has no such order.
            StoreUnavailableError: nothing was sent.
        """
        if plan.limits.of_account:
            await self._know_equity(session)
        if budget is not None:
            await budget.read(self._store)
        return await self._amending.amend(session, plan, name, (quantity, price), origin, budget)

    async def look_after_amendment(self, session: AccountSession, order: Order) -> None:
        """Find out what became of a change of `order` (as it is on record) that nothing has told yet.

        Raises:
            ExchangeError: the exchange cannot be asked now.
        """
        await self._amending.look_after(session, order, SETTLED_AFTER)

    async def flatten(self, session: AccountSession, plan: Plan, step: int, wish: Wish) -> Answer:
        """Send an order that ends a holding because a halt asks for it: it passes although the plan is halted, if it only reduces.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        return await self._go_out(session, plan, (OF_HALTS, step), wish, check_flattening)

    async def stop_out(self, session: AccountSession, plan: Plan, step: int, wish: Wish) -> Answer:
        """Send an order that ends a holding because the plan's trailing stop was hit: it only reduces.

        It passes the gate like every other, but for the limits on the number of orders: agents may have used those up.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        return await self._go_out(session, plan, (OF_HALTS, step), wish, check_protecting)

    async def _go_out(
        self,
        session: AccountSession,
        plan: Plan,
        origin: tuple[int, int],
        wish: Wish,
        gate: _Gate,
        budget: TurnBudget | None = None,
    ) -> Answer:
        name = client_order_id(OrderOrigin(self._installation, plan.id, *origin))
        earlier = await self._store.orders.get(plan.account_id, name)
        if earlier is not None:
            return Answer(earlier, "already_submitted")
        await self.waiting.make_way(session, plan, wish.side)
        async with session.submitting:
            seen = session.reconciled, session.standing
            ledger = self._ledgers.of(plan.id)
            request = request_of(name, plan, wish, session, ledger)
            grant = None if budget is None else budget.left
            state = self._pictures.state(session, plan, ledger, grant)
            verdict = gate(request, plan.limits, state)
            if isinstance(verdict, Denied):
                return await self._recording.deny(plan, origin, verdict)
            order = intended(plan, origin, request, self._clock.now())
            order = replace(order, decision_mid=self._sending.mid(session, plan))
            left = None if grant is None else grant.spend(verdict.added)
            approval = needs_approval(order, request, plan.limits, state)
            if approval is not None:
                order = replace(order, status=OrderStatus.AWAITING_APPROVAL, reason=approval.sentence)
            if not await self._recording.keep(session, plan, order, approval, left):
                return Answer(order, "already_submitted")
            if budget is not None and left is not None:
                budget.left = left
        if approval is not None:
            return await self._wait(session, order, approval)
        return await self._send_unless_changed(session, order, verdict, seen)

    async def _send_unless_changed(
        self, session: AccountSession, order: Order, verdict: Approved, seen: tuple[bool, Standing]
    ) -> Answer:
        code, reason = await self._changed_since(session, order.created_at, seen)
        if code is not None:
            await self._sending.gone(session, order, reason)
            return Answer(replace(order, status=OrderStatus.EXPIRED, reason=reason), code)
        return await self._sending.send(session, order, verdict, SETTLED_AFTER)

    async def _wait(self, session: AccountSession, order: Order, approval: Approval) -> Answer:
        """Leave it to a person; but not where another engine, which does not count this order, may own the account by now."""
        if not await self._ownership.prove(order.account_id):
            await self.waiting.end(session, order, ApprovalOutcome.EXPIRED, NOT_OURS)
            return Answer(replace(order, status=OrderStatus.EXPIRED, reason=NOT_OURS), "account_elsewhere")
        log.info("order waits for approval", order=order.client_order_id, until=approval.expires_at)
        return Answer(order)

    async def release(
        self, session: AccountSession, plan: Plan, approval: Approval, *, patient: bool
    ) -> None:
        """Send an order that a person approved, if the gate lets it through as everything is now. Once, whoever tries.

        Args:
            patient: let it wait on where what the gate must know is not known at this moment.

        Raises:
            StoreUnavailableError: nothing was sent.
        """
        if plan.limits.of_account:
            await self._know_equity(session)
        if not await self._ownership.prove(plan.account_id):
            return
        async with session.submitting:
            waited = await self._store.orders.get(plan.account_id, approval.client_order_id)
            if waited is None or not waited.status.waiting or self._ledgers.get(plan.id) is None:
                return
            seen = session.reconciled, session.standing
            verdict = self.waiting.judge(session, plan, waited, approval)
            passed = isinstance(verdict, Approved)
            order = await self.waiting.let_go(session, plan, waited) if passed else None
        if isinstance(verdict, Denied):
            if not (patient and verdict.code in UNKNOWN_NOW):
                reason = f"{verdict.code.value}: {verdict.reason}"
                await self.waiting.end(session, waited, ApprovalOutcome.DENIED, reason)
        elif order is not None:
            await self._send_unless_changed(session, order, verdict, seen)

    async def _changed_since(
        self, session: AccountSession, asked_at: datetime, seen: tuple[bool, Standing]
    ) -> tuple[str | None, str]:
        """Why nothing must go out although the gate let it through, as code and sentence; None where it may."""
        if not await self._ownership.prove(session.account.id):
            return "account_elsewhere", NOT_OURS
        if self._clock.now() - asked_at > LATEST:
            return "too_late", TOO_LATE
        if (session.reconciled, session.standing) != seen:
            return "not_reconciled", MOVED
        return None, ""

    async def cancel(self, session: AccountSession, plan: Plan, name: str) -> Outcome:
        """Ask the exchange to cancel the plan's order of that client order id; one that waits for approval ends at once.

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
        if order.status.waiting and await self.waiting.cancel(session, order):
            return Accepted(name)
        outcome = await session.exchange.cancel(plan.inst_id, name)
        if isinstance(outcome, Rejected):
            session.doubted[name] = self._clock.now()
        return outcome

    async def cancel_all(self, session: AccountSession, plan: Plan) -> None:
        """Ask for the cancellation of everything that the plan has open.

        Raises:
            KokexError: some could not be asked for; all others were.
        """
        pending = await self._store.orders.pending(plan_id=plan.id)
        names = [order.client_order_id for order in pending if order.client_order_id is not None]
        outcomes = await cancel_each(partial(self.cancel, session, plan), names)
        for name, outcome in outcomes.items():
            log.info("cancel on stop", order=name, outcome=type(outcome).__name__.lower())

    async def found(self, session: AccountSession, order: Order, order_id: str) -> None:
        """The exchange knows an order whose fate was unknown."""
        await self._sending.found(session, order, order_id)

    async def gone(self, session: AccountSession, order: Order, reason: str) -> None:
        """An order in flight is over and had no effect."""
        await self._sending.gone(session, order, reason)

    def count_cash(self, session: AccountSession, plan: Plan, order: Order) -> None:
        """Take what a buy on its way out may cost off the account's free cash."""
        self._sending.count_cash(session, plan, order)

    async def _know_equity(self, session: AccountSession) -> None:
        """Have balances that are young enough to hold shares of the equity against; without any the gate says so."""
        try:
            await session.refresh(older_than=_EQUITY_SECONDS)
        except ExchangeError as error:
            log.warning("equity not read", account=session.account.name, reason=str(error))

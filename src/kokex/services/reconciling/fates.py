"""Orders whose fate is unknown: in flight for too long, not known to the exchange, or not to be cancelled there.

An order in flight is asked after by its client order id until it is found, or until evidence says what became of it. "Not found"
alone is no evidence once the exchange may have forgotten (see `kokex.domain.evidence`); what stays unproven says so, counts as
pending, and waits for a person: `kokex order settle`.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import structlog

from kokex.domain.errors import KokexError
from kokex.domain.events import EventSource, classify
from kokex.domain.evidence import FORGOTTEN_AFTER, Evidence, Fate, judge
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderUpdate
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services import trading as commands
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.ledger import Ledgers
from kokex.services.order_events import OrderEventService
from kokex.services.reconciling.missed import MissedEvents, Unfound
from kokex.services.stop_keeping import StopKeeping

log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=2)
"""How long an order may be in flight before the exchange is asked after it."""
ASKING_SECONDS = 0.5
"""How often orders in flight are looked at."""


class OrderFates:
    """Finds out what became of orders."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sessions: AccountSessions,
        order_events: OrderEventService,
        missed: MissedEvents,
        trading: commands.TradingService,
        ledgers: Ledgers,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._order_events = order_events
        self._missed = missed
        self._trading = trading
        self._ledgers = ledgers
        self._stops = StopKeeping(clock, sessions, ledgers, order_events, trading.installation)

    async def run(self) -> None:
        """Ask after orders in flight, until cancelled."""
        while True:
            await self._clock.sleep(ASKING_SECONDS)
            try:
                pending = await self._store.orders.pending()
                await self._hear_of_settled(pending)
            except KokexError as error:
                log.warning("unknown orders wait", reason=str(error))
                continue
            await self._resolve_all(pending)
            self._forget_doubts(pending)
            await self._stops.look()

    async def judge(self, session: AccountSession, unfound: Unfound, *, agrees: bool) -> None:
        """What is to be thought of orders that the exchange does not know, all fills of their instrument being on record."""
        for order in unfound.orders:
            evidence = Evidence(
                age=self._clock.now() - order.created_at,
                listed_open=unfound.is_listed(order),
                fills_complete=unfound.coverage.complete_since <= order.created_at,
                agrees=agrees,
            )
            fate, reason = judge(order, evidence, commands.SETTLED_AFTER)
            await self._follow(session, order, fate, reason)

    async def _follow(self, session: AccountSession, order: Order, fate: Fate, reason: str) -> None:
        match fate:
            case Fate.NEVER_TAKEN | Fate.NO_EFFECT:
                await self._trading.gone(session, order, reason)
            case Fate.CANCELED:
                update = canceled(order, reason)
                await self._order_events.ingest(session.account, [classify(update)], EventSource.RECONCILE)
            case Fate.UNPROVEN if order.client_order_id is not None and order.reason != reason:
                log.error("order without trace", order=order.client_order_id, reason=reason)
                await self._store.reconciliation.explain(order.account_id, order.client_order_id, reason)

    async def _resolve_all(self, pending: list[Order]) -> None:
        """Each once; an account that cannot be asked now keeps no other waiting."""
        silent: set[int] = set()
        for order in pending:
            if order.account_id in silent:
                continue
            try:
                await self._resolve(order)
            except KokexError as error:
                silent.add(order.account_id)
                log.warning("unknown orders wait", account=order.account_id, reason=str(error))

    async def _resolve(self, order: Order) -> None:
        session = self._sessions.by_id(order.account_id)
        if session is None or not session.owned or session.stopped:
            return
        if order.status.open:
            await self._ask_after_doubted(session, order)
            await self._ask_after_change(session, order)
        if not order.status.in_flight:
            return
        age = self._clock.now() - order.created_at
        if not PATIENCE <= age < FORGOTTEN_AFTER:
            return  # an older one is judged with the whole account, when all fills have been read
        if await self._missed.order(session, order):
            return
        if age < commands.SETTLED_AFTER:
            return
        listed = await session.exchange.open_orders(order.inst_id)
        evidence = Evidence(
            age=age,
            listed_open=any(row.client_order_id == order.client_order_id for row in listed),
            fills_complete=False,
            agrees=True,
        )
        fate, reason = judge(order, evidence, commands.SETTLED_AFTER)
        await self._follow(session, order, fate, reason)

    async def _ask_after_doubted(self, session: AccountSession, order: Order) -> None:
        """An open order that the exchange would not cancel has ended, it may be, and the push that said so was lost."""
        name = order.client_order_id or ""
        doubted_at = session.doubted.get(name)
        if doubted_at is None or self._clock.now() - doubted_at < PATIENCE:
            return
        await self._missed.order(session, order)
        session.doubted.pop(name, None)

    async def _ask_after_change(self, session: AccountSession, order: Order) -> None:
        """A change of an open order whose outcome is not on record yet."""
        last = order.amendments[-1] if order.amendments else None
        if last is None or not last.status.undecided or self._clock.now() - last.asked_at < PATIENCE:
            return
        await self._trading.look_after_amendment(session, order)

    def _forget_doubts(self, pending: list[Order]) -> None:
        """The end of an order, told in time, settles the doubt."""
        # `pending` was read before the asking; orders that came since count, too.
        known = [*pending, *self._ledgers.pending()]
        names = {order.client_order_id or "" for order in known}
        for session in self._sessions.all():
            session.changes_known(names)
            session.doubted = {name: at for name, at in session.doubted.items() if name in names}

    async def _hear_of_settled(self, pending: list[Order]) -> None:
        """Orders that a person settled from another process are not pending here either."""
        known = {order.client_order_id for order in pending}
        now = self._clock.now()
        for order in self._ledgers.pending():
            name = order.client_order_id
            if name is None or name in known or now - order.created_at < PATIENCE:
                continue
            kept = await self._store.orders.get(order.account_id, name)
            ledger = self._ledgers.get(order.plan_id)
            if kept is None or not kept.status.closed or ledger is None:
                continue
            session = self._sessions.by_id(order.account_id)
            if session is not None:
                session.outcome_known(name)
            ledger.close(name)


def canceled(order: Order, reason: str) -> OrderUpdate:
    """The cancellation of `order` as an event that nobody told."""
    return OrderUpdate(
        inst_id=order.inst_id,
        order_id=order.order_id or order.client_order_id or "",
        client_order_id=order.client_order_id,
        side=Side(order.side),
        order_type=order.order_type,
        status=OrderStatus.CANCELED,
        quantity=order.quantity,
        price=order.price,
        filled_quantity=order.filled_quantity,
        average_price=order.average_price if order.filled_quantity else None,
        fee=Decimal(0) if not order.filled_quantity else None,
        fee_currency=None,
        created_at=order.created_at,
        occurred_at=order.updated_at,
        cancel_reason=reason,
    )

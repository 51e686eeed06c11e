"""Sending an order whose intent is on record, and recording what became of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import structlog

from kokex.domain.errors import ExchangeError, ExchangeStoppedError
from kokex.domain.events import EventSource, classify
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderUpdate
from kokex.domain.plan import Plan
from kokex.domain.reconstruction import never_sent
from kokex.domain.risk import Approved
from kokex.ports.clock import Clock
from kokex.ports.exchange import Accepted, Outcome, Rejected, Unknown
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.answers import Answer
from kokex.services.ledger import Ledgers
from kokex.services.market_data import MarketDataService
from kokex.services.order_events import OrderEventService

log = structlog.get_logger(__name__)


class OrderSending:
    """Hands approved orders to the exchange; accepted, rejected or unknown, the outcome goes on record."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledgers: Ledgers,
        market_data: MarketDataService,
        order_events: OrderEventService,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._market_data = market_data
        self._order_events = order_events

    async def send(
        self, session: AccountSession, order: Order, approved: Approved, settled_after: timedelta
    ) -> Answer:
        """Send `order`, whose intent is on record; where there is no answer, silence proves something after `settled_after`."""
        outcome = await self._send(session, approved, settled_after)
        return await self._record_outcome(session, order, outcome)

    async def found(self, session: AccountSession, order: Order, order_id: str) -> None:
        """The exchange knows an order whose fate was unknown."""
        session.outcome_known(order.client_order_id or "")
        await self._settle(order, OrderStatus.ACCEPTED, order_id=order_id, reason=None)

    async def gone(self, session: AccountSession, order: Order, reason: str) -> None:
        """An order in flight is over and had no effect."""
        session.outcome_known(order.client_order_id or "")
        await self._settle(order, OrderStatus.EXPIRED, reason=reason)
        log.warning("order without effect", order=order.client_order_id, reason=reason)

    async def tell_never_sent(self, session: AccountSession, order: Order) -> None:
        """Journal the end of an order that never went out, so that its plan hears of it."""
        session.outcome_known(order.client_order_id or "")
        event = classify(never_sent(order))
        await self._order_events.ingest(session.account, [event], EventSource.COMMAND)

    def count_cash(self, session: AccountSession, plan: Plan, order: Order) -> None:
        """Take what a buy on its way out may cost off the account's free cash."""
        if order.side is not Side.BUY or order.client_order_id is None:
            return
        price = order.price or self.last_price(session, plan)
        instrument = self._ledgers.of(plan.id).book.instrument
        most = plan.limits.max_order_notional
        amount = most if price is None else instrument.notional(order.quantity, price)
        session.spend(order.client_order_id, amount)

    def last_price(self, session: AccountSession, plan: Plan) -> Decimal | None:
        """The last price of the plan's instrument, where a fresh one is known."""
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        return ticker.last if ticker else None

    def mid(self, session: AccountSession, plan: Plan) -> Decimal | None:
        """The middle of the best bid and ask of the plan's instrument, where a fresh one is known."""
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        if ticker is None or ticker.bid is None or ticker.ask is None:
            return None
        return (ticker.bid + ticker.ask) / 2

    async def _send(self, session: AccountSession, approved: Approved, settled_after: timedelta) -> Outcome:
        try:
            return await session.exchange.submit(approved)
        except ExchangeStoppedError as error:
            session.stopped = str(error)
            return Rejected(error.code or "stopped", str(error))
        except ExchangeError as error:
            return Unknown(str(error), self._clock.now() + settled_after)

    async def _record_outcome(self, session: AccountSession, order: Order, outcome: Outcome) -> Answer:
        if not isinstance(outcome, Unknown):
            session.outcome_known(order.client_order_id or "")
        match outcome:
            case Accepted(order_id):
                known = await self._settle(order, OrderStatus.ACCEPTED, order_id=order_id, reason=None)
                return Answer(known)
            case Rejected(code, reason):
                known = await self._settle(order, OrderStatus.REJECTED, reason=f"{code}: {reason}")
                await self._order_events.ingest(
                    session.account,
                    [classify(_rejection(known))],
                    EventSource.COMMAND,
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


def _rejection(order: Order) -> OrderUpdate:
    """The exchange's refusal as an order event: it has no order id there either, but was sent."""
    return replace(never_sent(order), status=OrderStatus.REJECTED, never_live=False)

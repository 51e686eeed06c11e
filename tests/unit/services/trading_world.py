"""An exchange, a record and a market in memory around `TradingService`, which tell and forget as badly as they may."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from inspect import signature
from random import Random
from types import SimpleNamespace
from typing import Any

from kokex.domain.account import AccountSnapshot, Balance, ExchangeAccount, Ticker
from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.approvals import ApprovalOutcome, PersonsAnswer
from kokex.domain.events import EventSource, OrderEvent, classify
from kokex.domain.grant import Grant
from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import Fill, Order, OrderRequest, OrderStatus, OrderUpdate
from kokex.domain.plan import Plan
from kokex.domain.risk import Approved, ApprovedAmendment
from kokex.ports.exchange import Accepted, Outcome, Rejected, Unknown
from kokex.services.accounts import AccountSession
from kokex.services.halts import Halts
from kokex.services.ledger import Ledgers
from kokex.services.neighbours import Neighbourhood
from kokex.services.risk_picture import RiskPictures
from kokex.services.sending import OrderSending
from kokex.services.trading import TradingService
from tests.builders import START, update
from tests.fakes.approvals import Approvals
from tests.fakes.exchange import CREDENTIALS, account


class Clock:
    """Moves when it is told."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - START).total_seconds()


class Record:
    """`OrderStore`, as much as trading asks."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.grants: dict[tuple[int, int], Grant] = {}

    async def get(self, account_id: int, name: str) -> Order | None:
        return self.orders.get(name)

    async def add(self, order: Order, *, grant_left: Grant | None = None) -> bool:
        name = order.client_order_id or ""
        if name in self.orders:
            return False
        self.orders[name] = order
        if grant_left is not None and order.decision_id is not None:
            self.grants[order.plan_id, order.decision_id] = grant_left
        return True

    async def grant_left(self, plan_id: int, decision_id: int) -> Grant | None:
        return self.grants.get((plan_id, decision_id))

    async def amend(
        self, account_id: int, name: str, change: Amendment, *, grant_left: Grant | None = None
    ) -> bool:
        order = self.orders[name]
        if order.status.closed or change.request_id in {one.request_id for one in order.amendments}:
            return False
        self.orders[name] = replace(order, amendments=(*order.amendments, change))
        if grant_left is not None and change.decision_id is not None:
            self.grants[order.plan_id, change.decision_id] = grant_left
        return True

    async def decide(
        self, account_id: int, name: str, request_id: str, status: AmendmentStatus, reason: str | None = None,
        *, applied: bool = False,
    ) -> bool:  # fmt: skip
        before = self.orders[name]
        self.orders[name] = before.decide(request_id, status, reason, applied=applied)
        return self.orders[name] is not before

    async def settle(self, account_id: int, name: str, status: OrderStatus, **told: Any) -> bool:
        order = self.orders[name]
        if order.status.in_flight:
            self.orders[name] = replace(order, status=status)
        return order.status.in_flight


@dataclass
class Resting:
    """An order as the exchange has it; `told` is how much of it our journal heard."""

    request: OrderRequest
    filled: Decimal = Decimal(0)
    open: bool = True
    told: Decimal = Decimal(0)
    told_open: bool = True
    fills: int = 0
    asked: list[tuple[str, OrderRequest]] = field(default_factory=list)
    answer: tuple[str, str] | None = None

    @property
    def worst(self) -> OrderRequest:
        """The order by the largest that it is or may still become."""
        most = max([self.request, *(made for _, made in self.asked)], key=lambda one: one.quantity)
        return replace(self.request, quantity=most.quantity)


class TradingWorld:
    """Plans of one account on one instrument, and everything that may happen to them."""

    def __init__(self, random: Random, instrument: Instrument, plans: list[Plan], cash: Decimal) -> None:
        self.random, self.instrument = random, instrument
        self.plans = {plan.id: plan for plan in plans}
        self.clock, self.record = Clock(), Record()
        self.approvals = Approvals(self.record)
        self.price = Decimal(2000)
        self.cash = cash
        self.live: dict[str, Resting] = {}
        self.fills: dict[int, list[Fill]] = {plan.id: [] for plan in plans}
        self.let_through: list[OrderRequest] = []
        self.changes: list[OrderRequest] = []
        self.watch: Any = None
        self.lowered = False
        self.trades = 0
        self.start()

    def start(self) -> None:
        """An engine begins, with nothing in memory but what is on record."""
        self.ledgers = Ledgers()
        neighbourhood = Neighbourhood(self.ledgers, self)  # type: ignore[arg-type]
        store: Any = SimpleNamespace(orders=self.record, approvals=self.approvals)
        clock: Any = self.clock
        halts = Halts(clock)
        halts.take([])
        self.halts = halts
        nothing: Any = SimpleNamespace(of=lambda plan_id: None, ingest=self._ingest, staleness=self.staleness)
        asked: dict[str, Any] = {
            "clock": clock,
            "market_data": self,
            "neighbourhood": neighbourhood,
            "halts": halts,
            "ledgers": self.ledgers,
        }
        self.pictures = RiskPictures(
            **{name: asked.get(name, nothing) for name in signature(RiskPictures).parameters}
        )
        sending = OrderSending(store, clock, self.ledgers, self, nothing)  # type: ignore[arg-type]
        owned: Any = SimpleNamespace(prove=self._prove)
        self.trading = TradingService(store, clock, self.ledgers, sending, "test", owned, self.pictures)
        exchange: Any = self
        self.session = AccountSession(account(), CREDENTIALS, exchange, clock, owned=True, reconciled=True)
        for plan in self.plans.values():
            orders = [one for one in self.record.orders.values() if one.plan_id == plan.id]
            pending = [one for one in orders if not one.status.closed]
            through = [one for one in orders if one.status is not OrderStatus.DENIED]
            self.ledgers.open(plan.id, self.instrument, self.fills[plan.id], pending, through)
            neighbourhood.know(plan)
        for order in self.ledgers.pending():
            if order.status.in_flight or order.status.waiting:
                sending.count_cash(self.session, self.plans[order.plan_id], order)
        self.look()

    def look(self) -> None:
        """The exchange says what is free."""
        free = self.cash - self.frozen
        balance = Balance("USDT", self.cash, free, self.frozen)
        self.session.snapshot = AccountSnapshot({"USDT": balance}, {}, self.clock.moment)
        self.session._asked_at = self.clock.monotonic()
        self.session._spent = {
            name: spent
            for name, spent in self.session._spent.items()
            if not spent.known_before(self.clock.monotonic())
        }

    @property
    def frozen(self) -> Decimal:
        """Cash that open buys hold; a market order's is in the price."""
        return sum((self._cash(one.request, one) for one in self._buys()), Decimal(0))

    @property
    def could_freeze(self) -> Decimal:
        """The same, of each the dearest that it is or may still become."""
        return sum(
            (
                max(self._cash(made, one) for made in (one.request, *(made for _, made in one.asked)))
                for one in self._buys()
            ),
            Decimal(0),
        )

    def _buys(self) -> list[Resting]:
        return [one for one in self.live.values() if one.open and one.request.side is Side.BUY]

    def _cash(self, request: OrderRequest, one: Resting) -> Decimal:
        left = max(request.quantity - one.filled, Decimal(0))
        return self.instrument.notional(left, request.price or self.price)

    @property
    def set_aside(self) -> Decimal:
        """Cash that buys would take which wait for a person."""
        buys = [one for number in self.plans for one in self.waiting(number, Side.BUY)]
        return sum(
            (self.instrument.notional(one.quantity, one.price or self.price) for one in buys), Decimal(0)
        )

    # The market and the exchange as the services see them.

    def fresh_ticker(self, owner: ExchangeAccount, inst_id: str) -> Ticker | None:
        return Ticker(inst_id, self.price, None, None, self.clock.moment)

    def mark_price(self, owner: ExchangeAccount, inst_id: str) -> Decimal:
        return self.price

    def staleness(self, *place: Any) -> None:
        return None

    async def account(self) -> AccountSnapshot:
        self.look()
        assert self.session.snapshot is not None
        return self.session.snapshot

    async def submit(self, order: Approved) -> Outcome:
        request = order.request
        assert request.client_order_id not in {one.client_order_id for one in self.let_through}
        self.let_through.append(request)
        fate = self.random.random()
        if fate < 0.1:
            self.watch(request)
            return Rejected("51008", "no")
        reaches = fate < 0.8 or self.random.random() < 0.5
        if reaches:
            self.live[request.client_order_id] = Resting(request)
        self.watch(request)
        if fate < 0.8:
            return Accepted(request.client_order_id)
        return Unknown("no answer", self.clock.moment)

    async def amend(self, change: ApprovedAmendment, request_id: str) -> Outcome:
        """Taken, refused or lost; what was taken is made, or not, when the exchange gets round to it."""
        one = self.live.get(change.request.client_order_id)
        fate = self.random.random()
        self.changes.append(change.request)
        if one is None or not one.open or fate < 0.1:
            self.watch(change.request, amends=True)
            return Rejected("51503", "no")
        if fate < 0.8 or self.random.random() < 0.5:
            one.asked.append((request_id, change.request))
        self.watch(change.request, amends=True)
        return Accepted("") if fate < 0.8 else Unknown("no answer", self.clock.moment)

    def change(self) -> None:
        """The exchange gets round to a change that it took: makes it, or cannot."""
        waiting = [one for one in self.live.values() if one.asked]
        if not waiting:
            return
        one = self.random.choice(waiting)
        request_id, made = one.asked.pop(0)
        if not one.open:
            return
        if self.random.random() < 0.3:
            one.answer = request_id, "-1"
            return
        one.request = replace(made, quantity=max(made.quantity, one.filled))
        one.open = one.filled < one.request.quantity
        one.answer = request_id, "0"

    async def order(self, inst_id: str, *, client_order_id: str) -> OrderUpdate | None:
        one = self.live.get(client_order_id)
        return None if one is None else self._shown(one, None)

    async def look_after_changes(self) -> None:
        """Orders whose change has no outcome on record are asked after, also long after."""
        for order in list(self.record.orders.values()):
            if order.status.open and not self.live[order.client_order_id or ""].asked:
                await self.trading.look_after_amendment(self.session, order)

    async def _prove(self, account_id: int) -> bool:
        return True

    async def _ingest(self, owner: Any, updates: Any, source: Any) -> None:
        for told in updates:
            name = told.update.client_order_id
            event = OrderEvent(
                0, self.record.orders[name].plan_id, 1, told.event_type, told.kind, told.event_key, told.update, source,
                False, self.clock.moment,
            )  # fmt: skip
            assert self.ledgers.apply(event)

    # What happens.

    def trade(self) -> None:
        """An order fills, in part or whole."""
        waiting = [one for one in self.live.values() if one.open]
        if not waiting:
            return
        one = self.random.choice(waiting)
        left = one.request.quantity - one.filled
        part = left if self.random.random() < 0.5 else self.instrument.round_quantity(left / 2) or left
        one.filled += part
        one.fills += 1
        one.open = one.filled < one.request.quantity
        price = one.request.price or self.price
        self.cash -= one.request.side.sign * part * price * self.instrument.contract_value

    def end(self) -> None:
        """An order is canceled at the exchange."""
        waiting = [one for one in self.live.values() if one.open]
        if waiting:
            self.random.choice(waiting).open = False

    def tell(self, most: int = 3) -> None:
        """Our journal hears of some of what happened, in any order among orders."""
        news = [
            one
            for one in self.live.values()
            if one.told != one.filled or one.told_open != one.open or one.answer
        ]
        self.random.shuffle(news)
        for one in news[:most]:
            self._journal(one)

    def judge(self) -> None:
        """Orders of unknown fate are found, or proved never to have lived."""
        for order in self.ledgers.pending():
            name = order.client_order_id or ""
            if order.status is OrderStatus.UNKNOWN:
                status = OrderStatus.ACCEPTED if name in self.live else OrderStatus.EXPIRED
                self.record.orders[name] = replace(self.record.orders[name], status=status)
                self.session.outcome_known(name)
                self.ledgers.of(order.plan_id).settle(name, status, order_id=name, reason=None)

    def _journal(self, one: Resting) -> None:
        request, news = one.request, one.filled - one.told
        made = None
        if news:
            self.trades += 1
            made = Fill(
                request.inst_id, request.client_order_id, str(self.trades), request.side, request.price or self.price,
                news, None, None, None, START + timedelta(seconds=self.trades), request.client_order_id,
            )  # fmt: skip
            self.fills[request.plan_id].append(made)
        one.told, one.told_open = one.filled, one.open
        said = self._shown(one, made)
        one.answer, status, name = None, said.status, request.client_order_id
        self.record.orders[name] = replace(
            self.record.orders[name],
            status=status,
            filled_quantity=one.filled,
            quantity=request.quantity,
            price=request.price,
        )
        told = classify(said)
        event = OrderEvent(
            self.trades, request.plan_id, 1, told.event_type, told.kind, f"{name}:{self.trades}:{status}",
            said, EventSource.STREAM, False, START,
        )  # fmt: skip
        if not self.ledgers.apply(event):
            self.ledgers.of(request.plan_id).recount(self.fills[request.plan_id])
        self.session.outcome_known(name)

    def _shown(self, one: Resting, made: Fill | None) -> OrderUpdate:
        """The order as the exchange has it."""
        request, name = one.request, one.request.client_order_id
        status = OrderStatus.CANCELED
        if one.filled == request.quantity:
            status = OrderStatus.FILLED
        elif one.open:
            status = OrderStatus.PARTIALLY_FILLED if one.filled else OrderStatus.ACCEPTED
        request_id, result = one.answer or (None, None)
        return update(
            inst_id=request.inst_id, order_id=name, client_order_id=name, side=request.side, status=status,
            quantity=request.quantity, price=request.price, filled_quantity=one.filled, fill=made,
            request_id=request_id, amend_result=result,
        )  # fmt: skip

    async def answer(self) -> None:
        """Somebody answers one of the orders that wait, or nobody; what is carried out is tried twice."""
        for asked in await self.approvals.waiting():
            order, name = self.record.orders[asked.client_order_id], asked.client_order_id
            if self.clock.moment >= asked.expires_at:
                await self.trading.waiting.end(self.session, order, ApprovalOutcome.EXPIRED, "over")
            elif self.random.random() < 0.3:
                await self.approvals.answer(name, PersonsAnswer(True, "ann", self.clock.moment))
                plan = self.plans[asked.plan_id]
                for _ in range(2):
                    await self.trading.release(self.session, plan, self.approvals.rows[name], patient=False)
                assert not self.record.orders[name].status.waiting
            elif self.random.random() < 0.1:
                await self.trading.waiting.end(self.session, order, ApprovalOutcome.REFUSED, "no")

    def waiting(self, plan_id: int, side: Side | None = None) -> list[Order]:
        """Orders of the plan that wait for a person."""
        return [
            one
            for one in self.record.orders.values()
            if one.status.waiting and one.plan_id == plan_id and side in (None, one.side)
        ]

    # The truth, by which the gate is judged.

    def reach(self, plan_id: int, side: Side) -> Decimal:
        """What a plan would hold if everything that lives, or waits to, on `side` filled."""
        total = Decimal(0)
        for one in self.live.values():
            if one.request.plan_id != plan_id:
                continue
            total += one.request.side.sign * one.filled
            if one.open and one.request.side is side:
                total += side.sign * (one.worst.quantity - one.filled)
        return total + sum((side.sign * one.quantity for one in self.waiting(plan_id, side)), Decimal(0))

    def worst(self, plan_id: int) -> Decimal:
        """Quote currency of the largest holding, whatever side, that a plan may come to."""
        furthest = max(abs(self.reach(plan_id, side)) for side in Side)
        return self.instrument.notional(furthest, self.price)

    def open_orders(self, plan_id: int) -> int:
        """Orders of the plan that live, or wait to."""
        alive = sum(1 for one in self.live.values() if one.open and one.request.plan_id == plan_id)
        return alive + len(self.waiting(plan_id))

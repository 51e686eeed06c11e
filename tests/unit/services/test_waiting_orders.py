"""Orders that wait for a person, as trading deals with them: let go once, counted all the while, never in an exit's way."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.approvals import ApprovalOutcome, PersonsAnswer
from kokex.domain.errors import StoreError
from kokex.domain.instrument import Instrument, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest, OrderStatus, OrderType
from kokex.domain.plan import Plan
from kokex.domain.risk import Approved
from kokex.domain.stops import Stops
from kokex.ports.exchange import Accepted, Outcome
from kokex.services.answers import Answer, Wish
from kokex.services.approving import ApprovingService
from kokex.services.halts import Halts
from tests.builders import ETH, ETH_SWAP, fill, plan
from tests.unit.services.trading_world import Resting, TradingWorld

ASKING = RiskLimits(approval_notional=Decimal(150), approval_period=timedelta(minutes=5))


class World(TradingWorld):
    """An exchange that takes every order."""

    def __init__(self, instrument: Instrument = ETH, limits: RiskLimits = ASKING, cash: int = 10_000) -> None:
        self.owned = True
        made = plan(inst_id=instrument.inst_id, limits=limits)
        super().__init__(Random(1), instrument, [made], Decimal(cash))
        self.steps = 0

    @property
    def plan(self) -> Plan:
        return self.plans[1]

    async def submit(self, order: Approved) -> Outcome:
        self.let_through.append(order.request)
        self.live[order.request.client_order_id] = Resting(order.request)
        return Accepted(order.request.client_order_id)

    async def _prove(self, account_id: int) -> bool:
        return self.owned

    async def ask(self, side: Side = Side.BUY, quantity: str = "0.1", *, market: bool = False) -> Answer:
        kind, price = (OrderType.MARKET, None) if market else (OrderType.LIMIT, self.price)
        self.steps += 1
        wish = Wish(side, kind, Decimal(quantity), price)
        return await self.trading.submit(self.session, self.plan, 1, self.steps, wish)

    async def approve(self, order: Order, *, patient: bool = False) -> Order:
        name = order.client_order_id or ""
        await self.approvals.answer(name, PersonsAnswer(True, "ann", self.clock.moment))
        return await self.release(order, patient=patient)

    async def release(self, order: Order, *, patient: bool = False) -> Order:
        name = order.client_order_id or ""
        await self.trading.release(self.session, self.plan, self.approvals.rows[name], patient=patient)
        return self.record.orders[name]


async def test_let_go_once() -> None:
    """Not before it is approved, and whoever tries after that comes too late; it counts as made when it goes out."""
    world = World()
    order = (await world.ask()).order
    assert order.status is OrderStatus.AWAITING_APPROVAL
    assert (await world.release(order)).status is OrderStatus.AWAITING_APPROVAL
    world.clock.moment += timedelta(minutes=2)

    sent = await world.approve(order)
    await asyncio.gather(world.release(order), world.release(order))

    assert sent.status is OrderStatus.ACCEPTED
    assert sent.created_at == order.created_at + timedelta(minutes=2)
    assert len(world.let_through) == 1
    (known,) = world.ledgers.pending()
    assert known.status is OrderStatus.ACCEPTED
    ledger = world.ledgers.of(1)
    assert ledger.orders_since(world.clock.moment - timedelta(seconds=60)) == 1
    assert ledger.pace.today(world.clock.moment) == 1


async def test_it_goes_out_as_it_was_asked_for() -> None:
    """Every field of it: an approved order brings its stops along."""
    world = World(ETH_SWAP)
    wish = Wish(
        Side.BUY,
        OrderType.POST_ONLY,
        Decimal(1),
        Decimal(2000),
        reduce_only=False,
        stops=Stops(Decimal(1900), Decimal(2200)),
    )
    order = (await world.trading.submit(world.session, world.plan, 1, 0, wish)).order
    await world.approve(order)
    (sent,) = world.let_through
    name = order.client_order_id or ""
    assert sent == OrderRequest(
        name, 1, ETH_SWAP.inst_id, wish.side, wish.order_type, wish.quantity, wish.price, stops=wish.stops
    )
    assert {one.name for one in fields(OrderRequest)} == {
        "client_order_id",
        "plan_id",
        "inst_id",
        "side",
        "order_type",
        "quantity",
        "price",
        "reduce_only",
        "stops",
    }, "a new field of an order has to survive the waiting, too"


async def test_it_counts_but_not_against_itself() -> None:
    """The last order, the last cash and the only price there is room for: taken while it waits, and its own when it goes out."""
    world = World(limits=replace(ASKING, max_open_orders=1, repeat_distance=Decimal("0.01")), cash=200)
    order = (await world.ask()).order
    assert world.session.free_cash("USDT") == 0
    assert (await world.ask(quantity="0.01")).code == "too_many_open_orders"
    world.start()
    assert world.session.free_cash("USDT") == 0
    assert (await world.ask(quantity="0.01")).code == "too_many_open_orders"

    assert (await world.approve(order)).status is OrderStatus.ACCEPTED


async def test_nothing_goes_out_after_its_time() -> None:
    """Also what was approved in time."""
    world = World()
    order = (await world.ask()).order
    world.clock.moment += timedelta(minutes=5) - timedelta(milliseconds=1)
    name = order.client_order_id or ""
    await world.approvals.answer(name, PersonsAnswer(True, "ann", world.clock.moment))
    world.clock.moment += timedelta(milliseconds=1)
    assert (await world.release(order)).status is OrderStatus.AWAITING_APPROVAL
    assert not world.let_through


async def test_what_is_not_known_is_waited_for_a_while() -> None:
    """And then it is a denial."""
    world = World()
    order = (await world.ask()).order
    world.session.reconciled = False
    assert (await world.approve(order, patient=True)).status is OrderStatus.AWAITING_APPROVAL

    denied = await world.release(order)

    assert denied.status is OrderStatus.DENIED
    assert (denied.reason or "").startswith("not_reconciled: ")
    assert not world.ledgers.pending()


async def test_a_market_order_is_not_sent_at_another_price() -> None:
    """The collar is around the price at which it was asked for."""
    world = World()
    order = (await world.ask(market=True)).order
    world.price = Decimal(2101)
    denied = await world.approve(order, patient=True)
    assert (denied.reason or "").startswith("price_collar: 2000 when the order was asked for")


async def test_an_account_that_may_be_anothers() -> None:
    """What is asked for then is over at once; what waits is left to its owner."""
    world = World()
    order = (await world.ask()).order
    world.owned = False
    lost = await world.ask()
    assert (lost.code, lost.order.status) == ("account_elsewhere", OrderStatus.EXPIRED)
    assert (await world.approve(order)).status is OrderStatus.AWAITING_APPROVAL
    world.owned = True
    assert (await world.release(order)).status is OrderStatus.ACCEPTED


async def test_a_plan_that_is_at_work_no_longer() -> None:
    """Its waiting orders are left alone here."""
    world = World()
    order = (await world.ask()).order
    world.ledgers.drop(1)
    assert (await world.approve(order)).status is OrderStatus.AWAITING_APPROVAL
    assert not world.let_through


async def test_an_exit_takes_the_place_of_what_waits() -> None:
    """Selling more than is held waits; the exit that follows goes out at once, and what waited is not wanted any more."""
    world = World(ETH_SWAP, replace(ASKING, allow_short=True))
    world.fills[1] = [fill(quantity=Decimal(3), inst_id=ETH_SWAP.inst_id)]
    world.start()
    turn = (await world.ask(Side.SELL, "4", market=True)).order
    assert turn.status is OrderStatus.AWAITING_APPROVAL

    exit_ = (await world.ask(Side.SELL, "3", market=True)).order

    assert exit_.status is OrderStatus.ACCEPTED
    ended = world.record.orders[turn.client_order_id or ""]
    assert ended.status is OrderStatus.CANCELED
    assert "took its place" in (ended.reason or "")
    adding = (await world.ask(Side.BUY, "4", market=True)).order
    assert adding.status is OrderStatus.AWAITING_APPROVAL


@pytest.mark.parametrize("answer", [True, False, None])
async def test_the_service_carries_out_what_was_said(answer: bool | None) -> None:
    """Not before it knows the halts, for plans at work only, and once."""
    world = World()
    order = (await world.ask()).order
    name = order.client_order_id or ""
    if answer is not None:
        await world.approvals.answer(name, PersonsAnswer(answer, "ann", world.clock.moment))
    else:
        world.clock.moment += timedelta(minutes=5)
    clock: Any = world.clock
    halts = Halts(clock)
    store: Any = SimpleNamespace(approvals=world.approvals, orders=world.record)
    service = ApprovingService(store, clock, halts, world.trading)
    at_work: list[Any] = []
    plans = SimpleNamespace(at_work=lambda: at_work)

    async def look() -> OrderStatus:
        async with asyncio.TaskGroup() as tasks:
            await service._look(plans, tasks)
        return world.record.orders[name].status

    at_work.append((world.plan, world.session))
    assert await look() is OrderStatus.AWAITING_APPROVAL
    halts.take([])
    at_work.clear()
    assert await look() is OrderStatus.AWAITING_APPROVAL
    at_work.append((world.plan, world.session))
    expected = {
        True: (OrderStatus.ACCEPTED, ApprovalOutcome.SENT),
        False: (OrderStatus.REJECTED, ApprovalOutcome.REFUSED),
        None: (OrderStatus.EXPIRED, ApprovalOutcome.EXPIRED),
    }[answer]
    assert (await look(), world.approvals.rows[name].outcome) == expected
    assert (await look(), world.approvals.rows[name].outcome) == expected
    assert answer or world.approvals.told == [name]
    assert len(world.let_through) == (1 if answer else 0)


@pytest.mark.parametrize("error", [StoreError("refused"), ZeroDivisionError("a fault")])
async def test_what_goes_wrong_with_one_answer_ends_nothing(error: Exception) -> None:
    """The order waits on, and is sent once when all is well."""
    world = World()
    order = (await world.ask()).order
    name = order.client_order_id or ""
    await world.approvals.answer(name, PersonsAnswer(True, "ann", world.clock.moment))
    clock: Any = world.clock
    halts = Halts(clock)
    halts.take([])
    store: Any = SimpleNamespace(approvals=world.approvals, orders=world.record)
    service = ApprovingService(store, clock, halts, world.trading)
    plans: Any = SimpleNamespace(at_work=lambda: [(world.plan, world.session)])
    settle = world.approvals.settle

    async def broken(*told: Any, **more: Any) -> Any:
        raise error

    world.approvals.settle = broken  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        await service._look(plans, tasks)
    assert world.record.orders[name].status is OrderStatus.AWAITING_APPROVAL
    world.approvals.settle = settle  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        await service._look(plans, tasks)
    assert world.record.orders[name].status is OrderStatus.ACCEPTED
    assert len(world.let_through) == 1

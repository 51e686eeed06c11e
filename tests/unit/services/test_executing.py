"""Parent orders beside everything else that a plan does: whoever ends one, nothing of it is left, and nothing of it turns a holding."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.account import ExchangeAccount, Ticker
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.grant import Grant
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.parent_order import MOST_CHILDREN, ParentOrder, ParentStatus, Style
from kokex.domain.plan import Plan, PlanStatus
from kokex.domain.risk import Approved, ApprovedAmendment
from kokex.ports.exchange import Accepted, Outcome
from kokex.ports.parent_orders import ParentRecord
from kokex.ports.risk import HaltRecord
from kokex.services.accounts import AccountSession
from kokex.services.answers import Wish
from kokex.services.closing import PositionClosing
from kokex.services.executing import ExecutingService, ParentAnswer, ParentWish
from kokex.services.trading import TradingService
from kokex.services.turn_budget import TurnBudget
from tests.builders import ETH_SWAP, START, plan
from tests.unit.services.trading_world import Resting, TradingWorld

ROOMY = RiskLimits(
    max_order_notional=Decimal(100_000),
    max_position_notional=Decimal(100_000),
    allow_short=True,
)
TURN = 7
MINUTES = timedelta(minutes=10)


class Parents:
    """`ParentOrderStore` in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, ParentOrder] = {}

    async def add(self, parent: ParentOrder, grant_left: Grant) -> ParentRecord | None:
        await asyncio.sleep(0)
        number = len(self.rows) + 1
        self.rows[number] = parent
        return ParentRecord(number, parent)

    async def working(self, plan_id: int) -> list[ParentRecord]:
        return [one for one in await self.latest(plan_id, limit=100) if one.parent.status == "working"]

    async def latest(self, plan_id: int, *, limit: int) -> list[ParentRecord]:
        return [ParentRecord(number, one) for number, one in self.rows.items()]

    async def end(self, number: int, status: ParentStatus, reason: str) -> None:
        self.rows[number] = replace(self.rows[number], status=status, reason=reason)


class World(TradingWorld):
    """An exchange that takes every order, in a market that stands; a submission can be held until `go`."""

    def __init__(self, limits: RiskLimits = ROOMY) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()
        made = plan(inst_id=ETH_SWAP.inst_id, limits=limits)
        super().__init__(Random(1), ETH_SWAP, [made], Decimal(1_000_000))
        self.parents = Parents()
        self.cancels: list[str] = []
        self.begin_engine()
        self.steps = 0

    def begin_engine(self) -> None:
        """The services of an engine that starts."""
        self.start()
        store: Any = SimpleNamespace(orders=self, parent_orders=self.parents)
        trading: TradingService = self.trading
        market: Any = self
        clock: Any = self.clock
        self.executing = ExecutingService(store, clock, self.ledgers, market, trading, self.pictures)

    @property
    def plan(self) -> Plan:
        return self.plans[1]

    def at_work(self) -> Iterable[tuple[Plan, AccountSession]]:
        return [(self.plan, self.session)]

    async def of_decision(self, plan_id: int, decision_id: int) -> list[Order]:
        return [one for one in self.record.orders.values() if one.decision_id == decision_id]

    async def grant_left(self, plan_id: int, decision_id: int) -> Grant | None:
        return None

    def fresh_ticker(self, owner: ExchangeAccount, inst_id: str) -> Ticker | None:
        return Ticker(inst_id, self.price, self.price - 1, self.price + 1, self.clock.moment)

    async def submit(self, order: Approved) -> Outcome:
        self.let_through.append(order.request)
        self.asked.set()
        await self.go.wait()
        name = order.request.client_order_id
        self.live[name] = Resting(order.request)
        return Accepted(name)

    async def amend(self, change: ApprovedAmendment, request_id: str) -> Outcome:
        self.changes.append(change.request)
        return Accepted("")

    async def cancel(self, inst_id: str, name: str) -> Outcome:
        self.cancels.append(name)
        self.live[name].open = False
        self._journal(self.live[name])
        return Accepted(name)

    async def trade_now(self, side: Side, quantity: int) -> None:
        """An order of the turn's own that fills at once."""
        self.steps += 1
        wish = Wish(side, OrderType.MARKET, Decimal(quantity))
        answer = await self.trading.submit(self.session, self.plan, TURN, self.steps, wish)
        assert answer.code is None, answer
        self.fill(answer.order.client_order_id or "")

    def fill(self, name: str) -> None:
        one = self.live[name]
        one.filled, one.open = one.request.quantity, False
        self._journal(one)

    def budget(self) -> TurnBudget:
        return TurnBudget(1, TURN, Grant(frozenset(Side), Decimal(100_000), 20))

    async def begin(
        self,
        side: Side,
        quantity: int,
        style: Style = Style.ICEBERG,
        budget: TurnBudget | None = None,
        **how: Any,
    ) -> ParentAnswer:
        given = {"limit_price": self.price, "visible": Decimal(1)} if style is Style.ICEBERG else {}
        wish = ParentWish(side, Decimal(quantity), style, MINUTES, **(given | how))
        self.steps += 1
        budget = budget or self.budget()
        return await self.executing.begin(self.session, self.plan, self.steps, wish, budget)

    def children(self) -> list[Order]:
        return [one for one in self.record.orders.values() if (one.step or 0) >= MOST_CHILDREN]

    @property
    def held(self) -> Decimal:
        return self.ledgers.of(1).book.quantity


async def test_what_was_to_reduce_opens_nothing() -> None:
    """The holding goes in another way meanwhile: the parent's child orders do not turn it."""
    world = World()
    await world.trade_now(Side.BUY, 2)
    assert (await world.begin(Side.SELL, 2)).record is not None
    await world.trade_now(Side.SELL, 2)
    await world.executing.look(world)
    assert world.held == 0
    assert world.children() == []
    assert "reduce" in str(world.executing.held_up(1))


async def test_an_opening_parent_opens() -> None:
    world = World()
    await world.begin(Side.SELL, 2)
    await world.executing.look(world)
    assert [one.status for one in world.children()] == [OrderStatus.ACCEPTED]


async def test_closing_the_position_ends_parent_orders() -> None:
    """No part of one buys again what was sold, or sells what is held no more."""
    world = World()
    await world.trade_now(Side.BUY, 3)
    await world.begin(Side.BUY, 5)
    await world.executing.look(world)
    clock: Any = SimpleNamespace(monotonic=world.clock.monotonic, sleep=asyncio.sleep)
    closing = PositionClosing(clock, world.ledgers.of(1), world.trading, world.pictures, world.executing)
    done = await closing.close(world.session, world.plan, (TURN, 99), None, world.budget())
    assert done.answer is not None and done.answer.code is None
    assert world.parents.rows[1].status is ParentStatus.STOPPED
    world.clock.moment += timedelta(seconds=5)
    await world.executing.look(world)
    (child,) = world.children()
    assert world.record.orders[child.client_order_id or ""].status is OrderStatus.CANCELED


async def test_a_stop_waits_for_the_child_that_is_on_its_way_and_withdraws_it() -> None:
    """Asked to stop while the exchange has not answered yet: stopped means that nothing more comes."""
    world = World()
    await world.begin(Side.BUY, 3)
    world.go.clear()
    looking = asyncio.create_task(world.executing.look(world))
    await world.asked.wait()
    stopping = asyncio.create_task(world.executing.stop(world.plan, world.session, 1))
    for _ in range(5):
        await asyncio.sleep(0)
    world.go.set()
    assert await stopping
    await looking
    (child,) = world.children()
    assert world.cancels == [child.client_order_id]
    await world.executing.look(world)
    assert len(world.children()) == 1


async def test_a_child_whose_parent_an_engine_left_ended_is_withdrawn() -> None:
    """A crash between the end of the parent and the cancellation leaves an order of nobody: the next engine withdraws it."""
    world = World()
    await world.begin(Side.BUY, 3)
    await world.executing.look(world)
    await world.parents.end(1, ParentStatus.STOPPED, "stopped")
    world.begin_engine()
    await world.executing.look(world)
    (child,) = world.children()
    assert world.cancels == [child.client_order_id]


async def test_a_parent_ended_on_record_is_worked_no_more() -> None:
    """As by a stop of the plan between two looks, with a start right after it."""
    world = World()
    await world.begin(Side.BUY, 3)
    await world.parents.end(1, ParentStatus.STOPPED, "its plan was stopped")
    await world.executing.look(world)
    assert world.children() == []


async def test_a_plan_stopped_while_a_child_was_to_go_out_sends_none() -> None:
    """The plan is asked after at the moment of the deed, not at the beginning of the look."""
    world = World()
    await world.begin(Side.BUY, 3)
    working = world.parents.working

    async def stopped_meanwhile(plan_id: int) -> list[ParentRecord]:
        world.plans[1] = replace(world.plan, status=PlanStatus.STOPPED)
        return await working(plan_id)

    world.parents.working = stopped_meanwhile  # type: ignore[method-assign]
    await world.executing.look(world)
    assert world.children() == []


async def test_a_halt_ends_parent_orders_also_between_two_slices() -> None:
    """A halt that is lifted before the next slice is due leaves nothing that trades on."""
    world = World()
    await world.begin(Side.BUY, 3, Style.TWAP, slices=3)
    halt = Halt(HaltScope.PLATFORM, None, HaltLevel.HALTED, "look first", "ann", START)
    world.halts.take([HaltRecord(1, halt)])
    await world.executing.look(world)
    world.halts.take([])
    await world.executing.look(world)
    assert world.children() == []
    assert world.parents.rows[1].reason == "the platform was halted by ann: look first"


async def test_before_the_halts_are_known_nothing_is_ended() -> None:
    world = World()
    await world.begin(Side.BUY, 3)
    world.halts._records = None
    await world.executing.look(world)
    assert world.parents.rows[1].status is ParentStatus.WORKING
    assert world.children() == []


async def test_two_parents_at_once_spend_the_grant_twice() -> None:
    """Tools may run side by side; what a turn may add is spent by one after the other."""
    world = World()
    worth = ETH_SWAP.notional(Decimal(3), world.price)
    budget = TurnBudget(1, TURN, Grant(frozenset(Side), worth + 1, 20))
    answers = await asyncio.gather(
        world.begin(Side.BUY, 3, budget=budget), world.begin(Side.BUY, 3, budget=budget)
    )
    assert sorted(str(one.code) for one in answers) == ["None", "grant_used"]
    assert budget.left.notional == 1


async def test_parent_orders_leave_orders_for_exits() -> None:
    """A post-only order that follows the market uses half of a minute's orders at most, and is not withdrawn for that."""
    world = World(replace(ROOMY, max_orders_per_minute=6))
    await world.begin(Side.BUY, 3, Style.POST_ONLY)
    for _ in range(6):
        await world.executing.look(world)
        for order in world.children():
            change = world.ledgers.of(1).pending[order.client_order_id or ""].amending
            if change is not None:
                one = world.live[order.client_order_id or ""]
                one.request, one.answer = world.changes[-1], (change.request_id, "0")
                world._journal(one)
        world.price += 1
        world.clock.moment += timedelta(seconds=2)
    assert len(world.children()) + len(world.changes) == 3
    assert world.cancels == []
    assert "half" in str(world.executing.held_up(1))
    await world.trade_now(Side.SELL, 1)


async def test_a_fault_ends_its_parent_order_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the engine: the other parent order goes on, and the record says what happened."""
    world = World()
    await world.begin(Side.BUY, 3)
    await world.begin(Side.BUY, 2)
    whole = world.executing._progress

    async def faulty(record: ParentRecord) -> Any:
        if record.number == 1:
            raise ZeroDivisionError("no span")
        return await whole(record)

    monkeypatch.setattr(world.executing, "_progress", faulty)
    await world.executing.look(world)
    assert world.parents.rows[1].reason == "broken off by a fault of KOKEX: ZeroDivisionError: no span"
    assert world.parents.rows[2].status is ParentStatus.WORKING
    assert len(world.children()) == 1


async def test_what_ends_a_holding_twice_at_once_turns_it_never() -> None:
    """The agent and the trailing stop in the same moment: whoever comes second is denied, or sends nothing."""
    world = World()
    await world.trade_now(Side.BUY, 2)
    market: Any = SimpleNamespace(monotonic=world.clock.monotonic, sleep=asyncio.sleep)
    closing = PositionClosing(market, world.ledgers.of(1), world.trading, world.pictures, world.executing)
    wish = Wish(Side.SELL, OrderType.MARKET, Decimal(2))
    get = world.record.get

    async def stopped_out_meanwhile(account_id: int, name: str) -> Order | None:
        world.record.get = get  # type: ignore[method-assign]
        await world.trading.stop_out(world.session, world.plan, 1 << 30, wish)
        return await get(account_id, name)

    world.record.get = stopped_out_meanwhile  # type: ignore[method-assign]
    done = await closing.close(world.session, world.plan, (TURN, 99), None, world.budget())
    assert done.answer is not None and done.answer.code == "reduce_only"
    again = await world.trading.stop_out(world.session, world.plan, (1 << 30) + 1, wish)
    assert again.code == "reduce_only"
    assert [one.side for one in world.let_through] == [Side.BUY, Side.SELL]


@pytest.mark.parametrize("error", [StoreUnavailableError("no answer"), asyncio.CancelledError()])
async def test_a_parent_that_is_on_record_is_worked_although_nobody_heard_so(error: BaseException) -> None:
    """The answer was lost, or the turn's time was over: it is found on record at once, not by the next engine hours later."""
    world = World()
    await world.begin(Side.BUY, 3)
    keep = world.parents.add

    async def unanswered(parent: ParentOrder, grant_left: Grant) -> ParentRecord | None:
        await keep(parent, grant_left)
        raise error

    world.parents.add = unanswered  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        await world.begin(Side.BUY, 2)
    world.parents.add = keep  # type: ignore[method-assign]
    await world.begin(Side.BUY, 4)
    await world.executing.look(world)
    assert len(world.children()) == 3

"""A day's trading through a fault, and the comparison at its end: our record against the exchange's own."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from kokex.bootstrap import Engine
from kokex.domain.decision import Turn
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import Plan
from kokex.paper.faults import FaultPlan
from kokex.ports.toolbox import Toolbox
from tests.integration.paper.client import RestClient
from tests.world import (
    LIMITS,
    PATIENCE,
    Platform,
    eventually,
    market,
    paper_account,
    paper_world,
    running_engine,
)

LOT = Decimal("0.5")
SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"
_ASK_AGAIN_S = 0.1
OUT_OF_ORDER = "order of events"
"""How a difference begins that is one of order alone."""


class Hand:
    """An agent whose turn stays open: the test acts through its tools, whenever it wants."""

    def __init__(self) -> None:
        self.tools: Toolbox | None = None

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.tools = toolbox
        await asyncio.Event().wait()


class Day:
    """One plan on one account of a paper exchange, with its engine at work."""

    def __init__(self, world: Platform, engine: Engine, hand: Hand, plan: Plan) -> None:
        self.world = world
        self.engine = engine
        self.plan = plan
        self._hand = hand
        self.patience = PATIENCE
        """Seconds that each step may take."""

    @property
    def exchange(self) -> Any:
        """The exchange in process."""
        return self.world.server.exchange

    @property
    def tools(self) -> Toolbox:
        """The agent's tools."""
        assert self._hand.tools is not None
        return self._hand.tools

    async def place(
        self, side: Side, order_type: OrderType, quantity: Decimal = LOT, below: str = "0"
    ) -> Mapping[str, Any]:
        """Have an order placed; denied while the account is not reconciled, it is asked for again.

        Args:
            below: how far under the last price, in percent, where the order has a price.
        """
        price = None
        if order_type is not OrderType.MARKET:
            mark = Decimal(self.exchange.marks[self.plan.inst_id])
            price = (mark * (1 - Decimal(below) / 100)).quantize(Decimal("0.01"))

        async def through() -> Mapping[str, Any] | None:
            answer = await self.tools.place_order(side, order_type, quantity, price)
            if answer["status"] != "denied":
                return answer
            await asyncio.sleep(_ASK_AGAIN_S)
            return None

        placed: Mapping[str, Any] = await eventually(
            through, f"an order to {side} that the gate lets through", seconds=self.patience
        )
        return placed

    async def buy(self, quantity: Decimal = LOT) -> None:
        """Buy at market until the exchange has it: an order that never arrived is made anew."""
        while True:
            answer = await self.place(Side.BUY, OrderType.MARKET, quantity)

            async def settled(name: str = answer["client_order_id"]) -> bool:
                orders = {order.client_order_id: order for order in await self.world.orders(self.plan)}
                return orders[name].status.closed or self._known(name)

            await eventually(settled, "the buy's fate", seconds=self.patience)
            if self._known(answer["client_order_id"]):
                return

    def _known(self, name: str) -> bool:
        return any(order.client_order_id == name for order in self._orders())

    async def cancel(self, answer: Mapping[str, Any]) -> None:
        """Have an order canceled, and see that it is: asked for again until the exchange has ended it."""

        async def ended() -> bool:
            [*_, order] = [
                one for one in self._orders() if one.client_order_id == answer["client_order_id"]
            ] or [None]
            if order is not None and order.is_open:
                await self.tools.cancel_order(answer["client_order_id"])
                await asyncio.sleep(_ASK_AGAIN_S)
            return order is None or not order.is_open

        await eventually(ended, f"the end of {answer['client_order_id']}", seconds=self.patience)

    async def trade(self) -> None:
        """Buy, sell some of it, rest two orders, cancel one, and let the market go on."""
        await self.buy()
        resting = await self.place(Side.BUY, OrderType.LIMIT, below="2")
        await self.place(Side.BUY, OrderType.LIMIT, below="0.05")
        await self.place(Side.SELL, OrderType.MARKET, Decimal("0.2"))
        await self.cancel(resting)
        self.world.step(2)

    async def trade_contracts(self) -> None:
        """On a perpetual: go long, rest an order, turn short, buy some of it back, cancel the order."""
        await self.buy(Decimal(3))
        resting = await self.place(Side.BUY, OrderType.LIMIT, Decimal(2), below="2")
        await self.place(Side.SELL, OrderType.MARKET, Decimal(5))
        await self.buy(Decimal(1))
        await self.cancel(resting)
        self.world.step(2)

    @asynccontextmanager
    async def by_hand(self) -> AsyncIterator[RestClient]:
        """The exchange as its own website: the account's owner acts beside the plan."""
        async with aiohttp.ClientSession() as session:
            server = self.world.server
            yield RestClient(session, server, server.config.accounts[0])

    # -- the comparison

    async def differences(self) -> list[str]:
        """In what our record is not the exchange's, in sentences; empty where it is, once and to the last digit."""
        found = await self._event_differences()
        orders = await self.world.orders(self.plan)
        taken = [order for order in orders if order.status not in _NEVER_TAKEN]
        theirs = Counter(order.client_order_id for order in self._orders())
        ours = Counter(order.client_order_id for order in taken)
        if theirs != ours:
            found.append(f"orders: the exchange has {dict(theirs)}, we {dict(ours)}")
        found.extend(
            f"{order.client_order_id} is {order.status}" for order in taken if order.status.in_flight
        )
        for order in self._orders():
            mine = next((one for one in taken if one.client_order_id == order.client_order_id), None)
            if mine is not None and mine.status.value != _STATUSES.get(order.state, order.state):
                found.append(f"{order.client_order_id}: {order.state} there, {mine.status} here")
        found.extend(await self._holding_differences())
        session = self.engine.services.sessions.by_id(self.plan.account_id)
        if session is None or not session.reconciled:
            found.append("the account is not reconciled")
        return found

    async def _event_differences(self) -> list[str]:
        theirs, ours = _by_order(self.world.pushed()), _by_order(await self.world.journalled(self.plan))
        known = {str(order.order_id) for order in self._orders()}
        ours = {name: events for name, events in ours.items() if name in known}
        found = []
        for name in sorted(set(theirs) | set(ours)):
            there, here = theirs.get(name, []), ours.get(name, [])
            if there != here:
                what = OUT_OF_ORDER if sorted(there) == sorted(here) else "events"
                found.append(f"{what} of {name}: the exchange has {there}, the journal {here}")
        return found

    async def _holding_differences(self) -> list[str]:
        books, book = self.world.books(), await self.world.book(self.plan)
        mark = Decimal(books["marks"][self.plan.inst_id])
        positions = {one["inst_id"]: Decimal(one["contracts"]) for one in books["positions"]}
        balances = {name: Decimal(amount) for name, amount in books["balances"].items() if Decimal(amount)}
        on_spot = self.plan.inst_id == SPOT
        held = balances.get("ETH", Decimal(0)) if on_spot else positions.get(SWAP, Decimal(0))
        found = []
        if book.quantity != held:
            found.append(f"held: {held} there, {book.quantity} here")
        if book.pnl(mark) != Decimal(books["pnl"]):
            found.append(f"profit: {books['pnl']} there, {book.pnl(mark)} here")
        ledger = self.engine.services.ledgers.get(self.plan.id)
        if ledger is None or ledger.book.quantity != held:
            found.append(f"held: {held} there, {ledger and ledger.book.quantity} in the gate's ledger")
        account = await self.world.application.store.account_journal.book(self.plan.account_id)
        known = {name: report.total for name, report in account.balances.items() if report.total}
        if known != balances:
            found.append(f"balances: {balances} there, {known} here")
        taken = {one.inst_id: one.quantity for one in account.positions if one.quantity}
        if taken != positions:
            found.append(f"positions: {positions} there, {taken} here")
        return found

    async def at_the_end(self, seconds: float) -> list[str]:
        """What still differs after `seconds`; empty as soon as nothing does."""
        try:
            await eventually(self._agree, seconds=seconds)
        except AssertionError:
            return await self.differences() or ["they agreed too late"]
        return []

    async def _agree(self) -> bool:
        return not await self.differences()

    def _orders(self) -> list[Any]:
        [account] = self.exchange.accounts.values()
        return list(self.exchange.records.orders_of(account.uid))


_NEVER_TAKEN = (OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.EXPIRED)
_STATUSES = {"live": "accepted"}


def _by_order(events: list[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    orders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for order_id, state, trade_id in events:
        orders[order_id].append((state, trade_id))
    return dict(orders)


@asynccontextmanager
async def day(
    database_url: str, folder: Path, inst_id: str = SPOT, before: FaultPlan | None = None
) -> AsyncIterator[Day]:
    """A plan at work, reconciled, its agent's tools at hand; `before` is armed before its engine starts."""
    hand = Hand()
    listed = (SPOT,) if inst_id == SPOT else (SPOT, inst_id)
    config = market(accounts=(paper_account(USDT="100000"),), warmup_candles=300, instruments=listed)
    limits = replace(LIMITS, max_orders_per_minute=1000, max_open_orders=100, allow_short=inst_id != SPOT)
    async with paper_world(database_url, folder, config) as world:
        plan = await world.plan(inst_id=inst_id, limits=limits)
        if before is not None:
            world.server.faults.arm_plan(before)
        async with running_engine(world.application, hand) as (engine, _):
            await eventually(lambda: hand.tools, "the agent's turn")
            yield Day(world, engine, hand, plan)

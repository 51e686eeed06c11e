"""What a run has under its hands, and the steps of a scenario on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import singledispatchmethod
from typing import Any

from kokex.domain.account import ExchangeAccount
from kokex.domain.errors import StoreError
from kokex.domain.ids import order_origin
from kokex.domain.order import OrderType
from kokex.domain.plan import Plan, PlanStatus
from kokex.paper.ledger.account import Account
from kokex.paper.matching.order import Order
from kokex.paper.server import PaperServer
from tests.simulation import scenario as words
from tests.simulation.agent import Script, ScriptedAgent, quantity
from tests.simulation.laboratory import Laboratory
from tests.simulation.life import EngineLife
from tests.simulation.scenario import SPOT


class Stage:
    """An exchange, an engine that comes and goes, plans, and their owner's hands.

    Attributes:
        scripts: of each plan's agent, by plan number.
        amended: plans of which an order was made larger by hand.
        counts: what happened.
        life: the engine; None while there is none.
        birth: the next engine, on its way.
    """

    def __init__(self, server: PaperServer, laboratory: Laboratory) -> None:
        self.server = server
        self.laboratory = laboratory
        self.plans: list[Plan] = []
        self.owners: list[ExchangeAccount] = []
        self.scripts: dict[int, Script] = {}
        self.amended: set[int] = set()
        self.counts: Counter[str] = Counter()
        self.life: EngineLife | None = None
        self.birth: asyncio.Task[None] | None = None

    # -- engines

    def bear(self) -> None:
        """Start an engine."""
        self.life = EngineLife(self.laboratory.settings, ScriptedAgent(self.scripts))
        self.counts["engines"] += 1

    async def kill(self) -> None:
        """Have the engine die, whatever it is at; one on its way is not born."""
        if self.birth is not None:
            self.birth.cancel()
            self.birth = None
        if self.life is not None:
            life, self.life = self.life, None
            life.kill()
            self.counts["kills"] += 1
            await life.bury()

    async def close(self) -> None:
        """End the engine in peace."""
        life, self.life = self.life, None
        if self.birth is not None:
            self.birth.cancel()
        if life is not None:
            await life.stop()

    def trading(self) -> bool:
        """Whether every plan is at work and in line with the exchange. Looks after an engine that could not start, too."""
        if self.life is not None and self.life.stillborn:
            self.bear()
        return self.life is not None and self.life.trades(
            {plan.id: plan.account_id for plan in self.plans}, self._touched()
        )

    def _touched(self) -> set[int]:
        """Accounts on which an order that was made by hand has filled."""
        fills = self.server.exchange.records.fills
        return {
            owner.id
            for number, owner in enumerate(self.owners)
            if any(order_origin(fill.client_order_id) is None for fill in fills[self.account(number).uid])
        }

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.bear()

    # -- the market and the owner's hands

    def account(self, number: int) -> Account:
        """The exchange's own account."""
        found = self.server.exchange.find_account(f"key-{number}")
        assert found is not None
        return found

    def close_candle(self) -> None:
        """Let the market go on until the candle closes."""
        exchange = self.server.exchange
        interval = exchange.feed.interval_ms
        exchange.advance((exchange.now_ms // interval + 1) * interval)
        self.server.publisher.flush(force=True)

    def _change(self, account: int, which: int, change: Callable[[Order], dict[str, Any]]) -> None:
        exchange, owner = self.server.exchange, self.account(account)
        orders = exchange.records.open_orders(owner.uid)
        if not orders:
            return
        order = orders[which % len(orders)]
        fields = {"instId": order.instrument.inst_id, "ordId": str(order.order_id), **change(order)}
        command = exchange.desk.amend if "newSz" in fields else exchange.desk.cancel
        answer = exchange.run(lambda: command(owner, fields))
        origin = order_origin(order.client_order_id)
        if "newSz" in fields and answer["sCode"] == "0" and origin is not None:
            self.amended.add(origin.plan_id)
        self.counts["changes by hand"] += 1
        self.server.publisher.flush(force=True)

    # -- steps

    @singledispatchmethod
    async def do(self, step: Any) -> None:
        """Take one step of a scenario."""
        raise TypeError(f"{step!r} is no step")

    @do.register
    async def _(self, step: words.Trade) -> None:
        self.scripts[self.plans[step.plan].id].waiting.append(step.deeds)

    @do.register
    async def _(self, step: words.Ticks) -> None:
        exchange = self.server.exchange
        for _ in range(step.count):
            exchange.advance(exchange.feed.next_at_ms)
        self.server.publisher.flush(force=True)

    @do.register
    async def _(self, step: words.Candle) -> None:
        self.close_candle()

    @do.register
    async def _(self, step: words.Wait) -> None:
        await asyncio.sleep(step.seconds)

    @do.register
    async def _(self, step: words.ByHand) -> None:
        exchange, place = self.server.exchange, step.place
        fields = {
            "instId": step.inst_id,
            "tdMode": "cash" if step.inst_id == SPOT else "cross",
            "side": place.side.value,
            "ordType": place.order_type.value,
            "sz": str(quantity(step.inst_id, place.size)),
            "tgtCcy": "base_ccy" if step.inst_id == SPOT else "",
        }
        if place.order_type is not OrderType.MARKET:
            price = exchange.marks[step.inst_id] * (1000 + place.above) / 1000
            fields["px"] = str(price.quantize(Decimal("0.01")))
        answer = exchange.run(lambda: exchange.desk.place(self.account(step.account), fields))
        self.counts["orders by hand" if answer["sCode"] == "0" else "orders by hand refused"] += 1
        self.server.publisher.flush(force=True)

    @do.register
    async def _(self, step: words.HandCancel) -> None:
        self._change(step.account, step.which, lambda order: {})

    @do.register
    async def _(self, step: words.HandAmend) -> None:
        self._change(step.account, step.which, lambda order: _larger(order, step.grow))

    @do.register
    async def _(self, step: words.Disconnect) -> None:
        self.server._sockets.disconnect_all()
        self.counts["disconnects"] += 1

    @do.register
    async def _(self, step: words.Kill) -> None:
        await self.kill()
        self.birth = asyncio.get_running_loop().create_task(self._later(step.seconds))

    @do.register
    async def _(self, step: words.CutDatabase) -> None:
        await asyncio.to_thread(self.laboratory.end_sessions)
        self.counts["database cuts"] += 1

    @do.register
    async def _(self, step: words.StopDatabase) -> None:
        await asyncio.to_thread(self.laboratory.restart_database)
        self.counts["database crashes"] += 1

    @do.register
    async def _(self, step: words.Strike) -> None:
        self.server.faults.arm(step.fault)

    @do.register
    async def _(self, step: words.Pause) -> None:
        plans, plan_id = self.laboratory.store.plans, self.plans[step.plan].id
        try:
            paused = (await plans.get(plan_id)).status is PlanStatus.PAUSED
            await plans.set_status(plan_id, PlanStatus.RUNNING if paused else PlanStatus.PAUSED)
        except StoreError:
            return  # the database is away: so is the wish
        self.counts["pauses and resumes"] += 1


def _larger(order: Order, grow: int) -> dict[str, Any]:
    """Fields of an amendment; none, which is a cancellation, where nothing would be left."""
    item = order.instrument
    size = item.size(order.lots) + quantity(item.inst_id, grow)
    return {"newSz": str(size), "reqId": f"r{order.updated_ms}{abs(grow)}"} if size > 0 else {}

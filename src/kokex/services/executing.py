"""Parent orders in the engine: each is worked by child orders, and every one of those passes the same gate as every order.

The parent as a whole passes the gate when it is asked for (but for the size of a single order), and is spent of the turn's grant then. A
child that the gate would not let through now is not asked for; it waits for its time. What is kept is the parent and its orders: after a
restart the work goes on from there, and no child is sent twice, for each has its own number.

A parent that was let through because it reduces has children that only reduce, whatever became of the holding meanwhile. A child order
whose parent is over is withdrawn, whoever ended the parent, and when.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

import structlog

from kokex.domain.account import Ticker
from kokex.domain.errors import ExchangeError, KokexError
from kokex.domain.halt import HaltLevel
from kokex.domain.instrument import Side
from kokex.domain.order import OrderRequest
from kokex.domain.parent_order import (
    Deed,
    End,
    Move,
    ParentOrder,
    ParentStatus,
    Progress,
    Send,
    Style,
    Touch,
    Withdraw,
    is_child,
    next_deed,
    progress_of,
)
from kokex.domain.plan import Plan
from kokex.domain.risk import Approved, DenialCode, Denied, RiskState, check, check_reducing
from kokex.domain.risk.question import Question
from kokex.ports.clock import Clock
from kokex.ports.parent_orders import ParentRecord
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.answers import Wish
from kokex.services.halting import PlansAtWork
from kokex.services.ledger import Ledgers
from kokex.services.market_data import MarketDataService
from kokex.services.parent_limits import but_for_size, needs_approval, no_room, whole
from kokex.services.risk_picture import RiskPictures
from kokex.services.trading import TradingService
from kokex.services.turn_budget import TurnBudget

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.25
"""How often parent orders are looked at."""
LONGEST: Final = timedelta(hours=24)
"""The longest time of a parent order."""
MOST_WORKING: Final = 5
"""Parent orders of one plan at a time."""
_CANCEL_AGAIN_SECONDS: Final = 3.0
_ENDED_BY: Final = frozenset({DenialCode.HALTED, DenialCode.ACCOUNT_HALTED})
"""Denials after which a person looks first; others may pass."""


@dataclass(frozen=True, slots=True)
class ParentWish:
    """What an agent asks for; see `ParentOrder`."""

    side: Side
    quantity: Decimal
    style: Style
    lasts: timedelta
    limit_price: Decimal | None = None
    slices: int | None = None
    visible: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ParentAnswer:
    """What became of a wish: the parent's record, or code and sentence of the refusal."""

    record: ParentRecord | None
    code: str | None = None
    reason: str | None = None


class ExecutingService:
    """Works parent orders."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledgers: Ledgers,
        market_data: MarketDataService,
        trading: TradingService,
        pictures: RiskPictures,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._market_data = market_data
        self._trading = trading
        self._pictures = pictures
        self._working: dict[int, dict[int, ParentRecord]] = {}
        self._held_up: dict[int, str] = {}
        self._withdrawn: dict[str, float] = {}
        self._deeds = asyncio.Lock()

    async def run(self, plans: PlansAtWork) -> None:
        """Serve until cancelled."""
        while True:
            await self.look(plans)
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self, plans: PlansAtWork) -> None:
        """See to every parent order of the plans at work, once. What goes wrong with one is its own trouble alone."""
        at_work = {plan.id for plan, _ in plans.at_work()}
        self._working = {one: known for one, known in self._working.items() if one in at_work}
        if not self._pictures.halts_known:
            return
        for plan_id in sorted(at_work):
            await asyncio.sleep(0)  # events between: two hundred plans at once take milliseconds
            try:
                async with self._deeds:
                    numbers = list(await self._known(plan_id))
                for number in numbers:
                    await self._look_at(plan_id, number, plans)
                await self._tidy(plan_id, plans)
            except KokexError as error:
                log.warning("parent orders not looked after now", plan=plan_id, reason=str(error))

    async def settled(self) -> None:
        """Return once nothing is being done about any parent order: what was begun with the plan as it was is over."""
        async with self._deeds:
            return

    async def begin(
        self, session: AccountSession, plan: Plan, step: int, wish: ParentWish, budget: TurnBudget
    ) -> ParentAnswer:
        """Take a parent order, if the gate lets it through as a whole. The same (plan, decision, step) a second time begins nothing.

        Raises:
            StoreUnavailableError: nothing was begun.
        """
        await budget.read(self._store)
        async with self._deeds:
            known = await self._known(plan.id)
        for record in await self._store.parent_orders.latest(plan.id, limit=100):
            if (record.parent.decision_id, record.parent.step) == (budget.turn_id, step):
                return ParentAnswer(record, "already_submitted")
        async with session.submitting:  # the grant is spent by one at a time
            if len(known) >= MOST_WORKING:
                return ParentAnswer(None, "too_many_parent_orders", f"{len(known)} parent orders are at work")
            touch = _touch(self._market_data.fresh_ticker(session.account, plan.inst_id))
            state = self._pictures.state(session, plan, self._ledgers.of(plan.id), budget.left)
            request = whole(plan, wish.side, wish.quantity, wish.limit_price or touch.opposite(wish.side))
            verdict = check(request, but_for_size(plan.limits), state)
            if isinstance(verdict, Denied):
                return ParentAnswer(None, verdict.code.value, verdict.reason)
            asked = Question(request, plan.limits, state)
            refusal = needs_approval(asked)
            if refusal is not None:
                return ParentAnswer(None, DenialCode.NEEDS_APPROVAL.value, refusal)
            return await self._keep(plan, step, wish, budget, verdict, reduces=asked.reduces)

    async def stop(self, plan: Plan, session: AccountSession, number: int) -> bool:
        """End a parent order and ask for the cancellation of what it has open; False where it is not at work."""
        async with self._deeds:
            record = (await self._known(plan.id)).get(number)
            if record is None:
                return False
            await self._stop(plan, session, record, "stopped")
        return True

    async def stop_all(self, plan: Plan, session: AccountSession, why: str) -> None:
        """The same of every parent order of the plan: nothing of them goes out after this."""
        async with self._deeds:
            for record in list((await self._known(plan.id)).values()):
                await self._stop(plan, session, record, why)

    async def working(self, plan: Plan) -> list[ParentRecord]:
        """The plan's parent orders at work, oldest first.

        Raises:
            StoreUnavailableError: they were not read yet, and cannot be now.
        """
        return list((await self._known(plan.id)).values())

    def held_up(self, number: int) -> str | None:
        """Why a parent order does not go on now."""
        return self._held_up.get(number)

    async def _keep(
        self, plan: Plan, step: int, wish: ParentWish, budget: TurnBudget, verdict: Approved, *, reduces: bool
    ) -> ParentAnswer:
        now = self._clock.now()
        parent = ParentOrder(
            plan_id=plan.id,
            decision_id=budget.turn_id,
            step=step,
            side=wish.side,
            quantity=wish.quantity,
            style=wish.style,
            started_at=now,
            ends_at=now + wish.lasts,
            limit_price=wish.limit_price,
            slices=wish.slices,
            visible=wish.visible,
            reduces=reduces,
        )
        left = budget.left.spend(verdict.added)
        record = None
        try:
            record = await self._store.parent_orders.add(parent, left)
        finally:
            if record is None:  # it may be on record although nobody heard so
                self._working.pop(plan.id, None)
        if record is None:
            return ParentAnswer(None, "already_submitted", "the turn asked for this parent order before")
        budget.left = left
        self._working.setdefault(plan.id, {})[record.number] = record
        log.info("parent order begun", plan=plan.id, number=record.number, style=parent.style.value)
        return ParentAnswer(record)

    async def _known(self, plan_id: int) -> dict[int, ParentRecord]:
        """The plan's parent orders at work, as on record: read anew while there are any, for a stop of the plan ends them there.

        To be called under the lock of deeds: nothing is ended meanwhile.
        """
        known = self._working.get(plan_id)
        if known is not None and not known:
            return known
        before = set(known or ())
        kept = {one.number: one for one in await self._store.parent_orders.working(plan_id)}
        known = self._working.setdefault(plan_id, {})
        known |= kept
        for number in before - kept.keys():
            known.pop(number, None)
        return known

    async def _look_at(self, plan_id: int, number: int, plans: PlansAtWork) -> None:
        async with self._deeds:
            record = self._working.get(plan_id, {}).get(number)
            here = _here(plan_id, plans)
            if record is None or here is None:
                return
            try:
                await self._work(*here, record)
            except KokexError as error:
                log.warning("parent order not worked now", plan=plan_id, number=number, reason=str(error))
            except Exception as error:
                log.exception("parent order broken off", plan=plan_id, number=number)
                said = f"broken off by a fault of KOKEX: {type(error).__name__}: {error}"
                await self._end(record, End(ParentStatus.STOPPED, said))

    async def _work(self, plan: Plan, session: AccountSession, record: ParentRecord) -> None:
        ledger = self._ledgers.of(plan.id)
        state = self._pictures.state(session, plan, ledger)
        for halt in state.halts:
            if halt.level is HaltLevel.HALTED:
                said = f"{halt.where} was halted by {halt.by}: {halt.reason}"
                await self._end(record, End(ParentStatus.STOPPED, said))
                return
        progress = await self._progress(record)
        touch = _touch(self._market_data.fresh_ticker(session.account, plan.inst_id))
        deed = next_deed(record.parent, progress, ledger.book.instrument, touch, self._clock.now())
        await self._do(plan, session, record, progress, deed)

    async def _tidy(self, plan_id: int, plans: PlansAtWork) -> None:
        async with self._deeds:
            here = _here(plan_id, plans)
            if here is not None:
                await self._withdraw_orphans(*here)

    async def _stop(self, plan: Plan, session: AccountSession, record: ParentRecord, why: str) -> None:
        progress = await self._progress(record)
        await self._end(record, End(ParentStatus.STOPPED, f"{why}; {progress.filled} was filled"))
        await self._withdraw_orphans(plan, session)

    async def _withdraw_orphans(self, plan: Plan, session: AccountSession) -> None:
        """Child orders whose parent is over, as where it ended while they were on their way, or an engine did."""
        working = await self._known(plan.id)
        ledger = self._ledgers.get(plan.id)
        if ledger is None:
            return
        for name, order in list(ledger.pending.items()):
            if not is_child(order) or order.status.in_flight:
                continue
            if not any(one.parent.owns(order) for one in working.values()):
                try:
                    await self._withdraw(plan, session, name)
                except ExchangeError as error:
                    log.warning("child order not withdrawn yet", order=name, reason=str(error))

    async def _progress(self, record: ParentRecord) -> Progress:
        parent = record.parent
        orders = await self._store.orders.of_decision(parent.plan_id, parent.decision_id)
        return progress_of(parent, orders)

    async def _do(
        self, plan: Plan, session: AccountSession, record: ParentRecord, progress: Progress, deed: Deed
    ) -> None:
        match deed:
            case Send(quantity, order_type, price):
                await self._send(
                    plan, session, record, progress, Wish(record.parent.side, order_type, quantity, price)
                )
            case Move(name, price):
                if self._waits(plan, session, record):
                    return
                moved = await self._trading.amend(session, plan, name, None, price)
                if moved.code is not None:
                    self._held_up[record.number] = f"{moved.code}: {moved.reason}"
                    await self._withdraw(plan, session, name)
            case Withdraw(name):
                await self._withdraw(plan, session, name)
            case End():
                await self._end(record, deed)

    async def _withdraw(self, plan: Plan, session: AccountSession, name: str) -> None:
        """Ask for a child order's cancellation, and again where nothing came of it."""
        now = self._clock.monotonic()
        self._withdrawn = {one: at for one, at in self._withdrawn.items() if now - at < _CANCEL_AGAIN_SECONDS}
        if name not in self._withdrawn:
            self._withdrawn[name] = now
            await self._trading.cancel(session, plan, name)

    async def _send(
        self, plan: Plan, session: AccountSession, record: ParentRecord, progress: Progress, wish: Wish
    ) -> None:
        """One child order, if the gate would let it through: asked before, so that a denial of the moment leaves no trail of orders."""
        parent = record.parent
        if self._waits(plan, session, record):
            return
        request = OrderRequest(
            "", plan.id, plan.inst_id, wish.side, wish.order_type, wish.quantity, wish.price
        )
        gate = check_reducing if parent.reduces else check
        verdict = gate(request, plan.limits, self._state(plan, session))
        if isinstance(verdict, Denied):
            reason = f"{verdict.code.value}: {verdict.reason}"
            if verdict.code in _ENDED_BY:
                await self._end(record, End(ParentStatus.STOPPED, reason))
            else:
                self._hold_up(record, reason)
            return
        self._held_up.pop(record.number, None)
        origin = parent.decision_id, parent.child_step(progress.children)
        await self._trading.work(session, plan, origin, wish, reduces=parent.reduces)

    def _state(self, plan: Plan, session: AccountSession) -> RiskState:
        return self._pictures.state(session, plan, self._ledgers.of(plan.id))

    def _waits(self, plan: Plan, session: AccountSession, record: ParentRecord) -> bool:
        """Whether parent orders have had their share of the plan's orders for now."""
        reason = no_room(plan.limits, self._state(plan, session))
        if reason is not None:
            self._hold_up(record, reason)
        return reason is not None

    def _hold_up(self, record: ParentRecord, reason: str) -> None:
        if self._held_up.get(record.number) != reason:
            self._held_up[record.number] = reason
            log.info("parent order held up", plan=record.parent.plan_id, number=record.number, reason=reason)

    async def _end(self, record: ParentRecord, end: End) -> None:
        held_up = self._held_up.pop(record.number, None)
        reason = (
            end.reason
            if held_up is None or end.status is ParentStatus.DONE
            else f"{end.reason}; at last {held_up}"
        )
        await self._store.parent_orders.end(record.number, end.status, reason)
        self._working.get(record.parent.plan_id, {}).pop(record.number, None)
        log.info("parent order over", plan=record.parent.plan_id, number=record.number, reason=reason)


def _here(plan_id: int, plans: PlansAtWork) -> tuple[Plan, AccountSession] | None:
    """The plan as its user wants it at this moment."""
    return next(((plan, session) for plan, session in plans.at_work() if plan.id == plan_id), None)


def _touch(ticker: Ticker | None) -> Touch:
    return Touch(None, None) if ticker is None else Touch(ticker.bid, ticker.ask)

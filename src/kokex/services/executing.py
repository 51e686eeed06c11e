"""Parent orders in the engine: each is worked by child orders, and every one of those passes the same gate as every order.

The parent as a whole passes the gate when it is asked for (but for the size of a single order), and is spent of the turn's grant then. A
child that the gate would not let through now is not asked for; it waits for its time. What is kept is the parent and its orders: after a
restart the work goes on from there, and no child is sent twice, for each has its own number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

import structlog

from kokex.domain.account import Ticker
from kokex.domain.errors import KokexError
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderRequest, OrderType
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
    next_deed,
    progress_of,
)
from kokex.domain.plan import Plan
from kokex.domain.risk import Approved, DenialCode, Denied, check
from kokex.domain.risk.question import Question
from kokex.ports.clock import Clock
from kokex.ports.parent_orders import ParentRecord
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.answers import Wish
from kokex.services.halting import PlansAtWork
from kokex.services.ledger import Ledgers
from kokex.services.market_data import MarketDataService
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
_NO_LIMIT: Final = Decimal("Infinity")
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

    async def run(self, plans: PlansAtWork) -> None:
        """Serve until cancelled."""
        while True:
            at_work = {plan.id: (plan, session) for plan, session in plans.at_work()}
            self._working = {one: known for one, known in self._working.items() if one in at_work}
            for plan, session in at_work.values():
                try:
                    await self._look(plan, session)
                except KokexError as error:
                    log.warning("parent orders not looked after now", plan=plan.id, reason=str(error))
            await self._clock.sleep(LOOK_SECONDS)

    async def begin(
        self, session: AccountSession, plan: Plan, step: int, wish: ParentWish, budget: TurnBudget
    ) -> ParentAnswer:
        """Take a parent order, if the gate lets it through as a whole. The same (plan, decision, step) a second time begins nothing.

        Raises:
            StoreUnavailableError: nothing was begun.
        """
        await budget.read(self._store)
        ledger = self._ledgers.of(plan.id)
        touch = _touch(self._market_data.fresh_ticker(session.account, plan.inst_id))
        known = await self._known(plan.id)
        for record in await self._store.parent_orders.latest(plan.id, limit=100):
            if (record.parent.decision_id, record.parent.step) == (budget.turn_id, step):
                return ParentAnswer(record, "already_submitted")
        if len(known) >= MOST_WORKING:
            return ParentAnswer(None, "too_many_parent_orders", f"{len(known)} parent orders are at work")
        price = wish.limit_price or touch.opposite(wish.side)
        state = self._pictures.state(session, plan, ledger, budget.left)
        request = _whole(plan, wish, price)
        verdict = check(request, _but_for_size(plan.limits), state)
        if isinstance(verdict, Denied):
            return ParentAnswer(None, verdict.code.value, verdict.reason)
        refusal = _needs_approval(Question(request, plan.limits, state), plan.limits)
        if refusal is not None:
            return ParentAnswer(None, DenialCode.NEEDS_APPROVAL.value, refusal)
        return await self._keep(plan, step, wish, budget, verdict)

    async def stop(self, plan: Plan, session: AccountSession, number: int) -> bool:
        """End a parent order and ask for the cancellation of what it has open; False where it is not at work."""
        record = (await self._known(plan.id)).get(number)
        if record is None:
            return False
        progress = await self._progress(record)
        if progress.resting is not None and progress.resting.client_order_id is not None:
            await self._trading.cancel(session, plan, progress.resting.client_order_id)
        await self._end(record, End(ParentStatus.STOPPED, f"stopped; {progress.filled} was filled"))
        return True

    def held_up(self, number: int) -> str | None:
        """Why a parent order does not go on now."""
        return self._held_up.get(number)

    async def _keep(
        self, plan: Plan, step: int, wish: ParentWish, budget: TurnBudget, verdict: Approved
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
        )
        left = budget.left.spend(verdict.added)
        record = await self._store.parent_orders.add(parent, left)
        if record is None:
            return ParentAnswer(None, "already_submitted", "the turn asked for this parent order before")
        budget.left = left
        self._working.setdefault(plan.id, {})[record.number] = record
        log.info("parent order begun", plan=plan.id, number=record.number, style=parent.style.value)
        return ParentAnswer(record)

    async def _known(self, plan_id: int) -> dict[int, ParentRecord]:
        """The plan's parent orders at work; read once, when the plan comes to work here."""
        if plan_id not in self._working:
            kept = await self._store.parent_orders.working(plan_id)
            self._working.setdefault(plan_id, {one.number: one for one in kept})
        return self._working[plan_id]

    async def _look(self, plan: Plan, session: AccountSession) -> None:
        for record in list((await self._known(plan.id)).values()):
            progress = await self._progress(record)
            instrument = self._ledgers.of(plan.id).book.instrument
            touch = _touch(self._market_data.fresh_ticker(session.account, plan.inst_id))
            deed = next_deed(record.parent, progress, instrument, touch, self._clock.now())
            await self._do(plan, session, record, progress, deed)

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
        request = OrderRequest(
            "", plan.id, plan.inst_id, wish.side, wish.order_type, wish.quantity, wish.price
        )
        state = self._pictures.state(session, plan, self._ledgers.of(plan.id))
        verdict = check(request, plan.limits, state)
        if isinstance(verdict, Denied):
            reason = f"{verdict.code.value}: {verdict.reason}"
            if verdict.code in _ENDED_BY:
                await self._end(record, End(ParentStatus.STOPPED, reason))
            elif self._held_up.get(record.number) != reason:
                self._held_up[record.number] = reason
                log.info("parent order held up", plan=plan.id, number=record.number, reason=reason)
            return
        self._held_up.pop(record.number, None)
        step = parent.child_step(progress.children)
        await self._trading.submit(session, plan, parent.decision_id, step, wish)

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


def _whole(plan: Plan, wish: ParentWish, price: Decimal | None) -> OrderRequest:
    """The parent as if it were one order."""
    order_type = OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderRequest("", plan.id, plan.inst_id, wish.side, order_type, wish.quantity, price)


def _but_for_size(limits: RiskLimits) -> RiskLimits:
    """`limits` without those of a single order's size: the child orders keep those."""
    return replace(limits, max_order_notional=_NO_LIMIT, max_order_share=None, max_single_order_ratio=None)


def _needs_approval(asked: Question, limits: RiskLimits) -> str | None:
    """A person is asked about large orders; parts of them must not be a way around that."""
    most = limits.approval_notional
    if most is None or asked.reduces or asked.notional <= most:
        return None
    return (
        f"orders above {most} wait for a person, and this one comes to {asked.notional:f} as a whole; "
        "ask for it with place_order, or for less"
    )


def _touch(ticker: Ticker | None) -> Touch:
    return Touch(None, None) if ticker is None else Touch(ticker.bid, ticker.ask)

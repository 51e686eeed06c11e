"""Whatever is asked, filled, lost or forgotten: no limit is exceeded by what the exchange was sent."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest, OrderType
from kokex.domain.risk import draw_grant, gate
from kokex.services import trading
from kokex.services.answers import Wish
from kokex.services.ledger import PlanLedger
from kokex.services.turn_budget import TurnBudget
from tests.builders import ETH, ETH_SWAP, plan
from tests.unit.services.trading_world import TradingWorld

CALLS = 1000
LIVES = int(os.environ.get("KOKEX_RISK_LIVES", "15"))
"""Of `CALLS` calls each; 100 lives are 100,000 calls."""


def _limits(random: Random, *, short: bool) -> RiskLimits:
    return RiskLimits(
        max_order_notional=Decimal(random.randint(50, 2000)),
        max_position_notional=Decimal(random.randint(200, 6000)),
        max_open_orders=random.randint(1, 8),
        max_orders_per_minute=random.randint(2, 60),
        max_orders_per_day=random.choice((None, random.randint(20, 400))),
        cash_reserve=Decimal(random.randint(0, 3000)),
        allow_short=short and random.random() < 0.6,
        sides=random.choice((frozenset(Side), frozenset({Side.BUY}))),
        max_account_notional=Decimal(random.randint(500, 9000)),
        capital=random.choice((None, Decimal(random.randint(100, 6000)))),
        max_single_order_ratio=random.choice((None, Decimal("0.2"), Decimal("0.7"))),
        approval_notional=random.choice((None, None, Decimal(random.randint(0, 1000)))),
        approval_period=timedelta(seconds=random.choice((5, 300))),
    )


class Judge:
    """Asks the exchange's truth at the moment each order reaches it."""

    def __init__(self, world: TradingWorld) -> None:
        self.world = world
        self.sent: dict[int, list[float]] = {number: [] for number in world.plans}
        self.day: Counter[tuple[int, int]] = Counter()
        world.watch = self.see

    def see(self, request: OrderRequest, *, amends: bool = False) -> None:
        """`request` as it went out: a new order, or what an open one may become from now on."""
        world, limits = self.world, self.world.plans[request.plan_id].limits
        now = world.clock.monotonic()
        self.sent[request.plan_id] = [at for at in self.sent[request.plan_id] if at > now - 60] + [now]
        self.day[request.plan_id, int(now // 86400)] += 1
        assert len(self.sent[request.plan_id]) <= limits.max_orders_per_minute
        assert self.day[request.plan_id, int(now // 86400)] <= (limits.max_orders_per_day or 10**9)
        value = world.instrument.notional(request.quantity, max(request.price or world.price, world.price))
        assert value <= limits.max_order_notional or (amends and world.lowered)
        assert world.open_orders(request.plan_id) <= limits.max_open_orders
        reached = world.reach(request.plan_id, request.side)
        if request.side.sign * reached > 0 and not (amends and world.lowered):
            assert request.side in limits.sides
            assert world.instrument.notional(abs(reached), world.price) <= limits.max_position_notional
            total = sum(world.worst(number) for number in world.plans)
            assert total <= (limits.max_account_notional or total)
            assert limits.capital is None or world.worst(request.plan_id) <= limits.capital
            ratio, own = limits.max_single_order_ratio, limits.capital or limits.max_position_notional
            assert ratio is None or value <= ratio * own
        if not limits.allow_short:
            assert world.reach(request.plan_id, Side.SELL) >= 0
        if world.instrument.kind is InstrumentKind.SPOT and request.side is Side.BUY:
            free = world.cash - world.could_freeze - world.set_aside
            assert free >= limits.cash_reserve or (amends and world.lowered)
        if limits.approval_notional is not None and value > limits.approval_notional:
            assert self._approved(request) or (amends and world.lowered) or self._exits(request)

    def _approved(self, request: OrderRequest) -> bool:
        """A person said so, and its time was not over."""
        asked = self.world.approvals.rows.get(request.client_order_id)
        return bool(
            asked and asked.answer and asked.answer.approved and asked.expires_at > self.world.clock.moment
        )

    def _exits(self, request: OrderRequest) -> bool:
        """What is left of it is at most what the plan knows that it holds."""
        held = self.world.ledgers.of(request.plan_id).book.quantity
        left = request.quantity - self.world.record.orders[request.client_order_id].filled_quantity
        return request.side.sign * held < 0 and left <= abs(held)


async def _live(seed: int, changing: float = 0.25) -> tuple[int, Counter[str]]:
    """Args: changing: share of changes among what is asked."""
    random = Random(seed)
    instrument = random.choice((ETH, ETH_SWAP))
    plans = [
        plan(
            id=number,
            inst_id=instrument.inst_id,
            limits=_limits(random, short=instrument is ETH_SWAP),
        )
        for number in (1, 2)
    ]
    world = TradingWorld(random, instrument, plans, Decimal(random.randint(1000, 20_000)))
    Judge(world)
    codes: Counter[str] = Counter()
    turn, steps, budgets = 1, 0, {}
    for _ in range(CALLS):
        world.clock.moment += timedelta(seconds=random.choice((0.01, 0.5, 3, 120)))
        chosen = world.plans[random.choice((1, 2))]
        if random.random() < 0.1:
            turn, steps, budgets = turn + 1, 0, {}
        if chosen.id not in budgets:
            budgets[chosen.id] = world.pictures.budget(world.session, chosen, turn)
            whole = world.pictures.state(world.session, chosen, world.ledgers.of(chosen.id))
            drawn = draw_grant(chosen.limits, whole, chosen.agent.max_tool_calls)
            assert budgets[chosen.id].left == drawn
        asking = _change if random.random() < changing else _ask
        await asking(world, random, turn, steps, chosen.id, budgets[chosen.id], codes)
        steps += random.random() < 0.9
        for _ in range(random.randint(0, 2)):
            random.choice((world.trade, world.end, world.tell, world.look, world.change))()
        if random.random() < 0.05:
            world.judge()
            await world.answer()
            await world.look_after_changes()
        if random.random() < 0.01:
            world.tell(most=10**6)
            world.start()
            budgets = {
                number: TurnBudget(number, turn, world.pictures.budget(world.session, one, turn).left)
                for number, one in world.plans.items()
            }
    return len(world.let_through), codes


def _lives(count: int, changing: float = 0.25) -> tuple[int, Counter[str]]:
    """Orders that were let through, and answers by their codes."""
    through, codes = 0, Counter[str]()
    for seed in range(count):
        some, answers = asyncio.run(_live(seed, changing))
        through += some
        codes += answers
    return through, codes


async def _ask(
    world: TradingWorld,
    random: Random,
    turn: int,
    step: int,
    plan_id: int,
    budget: TurnBudget,
    codes: Counter[str],
) -> None:
    """An order of any kind, now and then an absurd one."""
    market = random.random() < 0.3
    price = None if market else world.price * Decimal(random.randint(95, 105)) / 100
    quantity = Decimal(random.randint(1, 100)) / 100 * random.choice((1, 1, 1, 30))
    if world.instrument is ETH_SWAP:
        quantity *= 10
    if random.random() < 0.02:
        quantity = random.choice((Decimal("NaN"), Decimal(-1), Decimal("1e30"), Decimal("0.0000001")))
    kind = OrderType.MARKET if market else OrderType.LIMIT
    wish = Wish(random.choice(list(Side)), kind, quantity, price)
    answer = await world.trading.submit(world.session, world.plans[plan_id], turn, step, wish, budget)
    codes["waits" if answer.code is None and answer.order.status.waiting else answer.code or "none"] += 1


async def _change(
    world: TradingWorld,
    random: Random,
    turn: int,
    step: int,
    plan_id: int,
    budget: TurnBudget,
    codes: Counter[str],
) -> None:
    """A change of any order of the plan, open, on its way, or long over."""
    known = [one for one in world.record.orders.values() if one.plan_id == plan_id]
    resting = [one for one in known if one.status.open and one.order_type == "limit"]
    if not known:
        return
    before = random.choice(resting if resting and random.random() < 0.9 else known[-6:])
    name = before.client_order_id or ""
    grown = before.quantity * random.randint(1, 40) / 20 if before.quantity.is_finite() else before.quantity
    quantity = random.choice((None, world.instrument.round_quantity(grown), Decimal("1e9"), Decimal("NaN")))
    price = random.choice((None, world.price * Decimal(random.randint(94, 106)) / 100))
    world.lowered = (
        before.quantity.is_finite()
        and (quantity is None or (quantity.is_finite() and quantity <= before.quantity))
        and before.price is not None
        and (price is None or before.side.sign * (price - before.price) <= 0)
    )
    chosen = world.plans[plan_id]
    told = await world.trading.amend(
        world.session, chosen, name, quantity, price, origin=(turn, step), budget=budget
    )
    codes[f"change {told.code or 'none'}"] += 1
    if told.change is not None and told.code is None and random.random() < 0.2:
        again = await world.trading.amend(
            world.session, chosen, name, quantity, price, origin=(turn, step), budget=budget
        )
        codes[f"change {again.code}"] += 1


def test_no_limit_is_ever_exceeded() -> None:
    """Two plans of one account, orders in flight and unknown, restarts in between, asked again under the same name."""
    through, codes = _lives(LIVES)
    assert through > 70 * LIVES
    for code in (
        "position_too_large",
        "order_too_large",
        "too_many_open_orders",
        "grant_used",
        "already_submitted",
        "waits",
        "change none",
        "change already_submitted",
        "change amendment_undecided",
        "change position_too_large",
        "change order_too_large",
        "change unknown",
        "change not_amendable",
    ):
        assert codes[code], code


def _not_counted(ledger: PlanLedger, order: Order, price: Decimal | None = None) -> None:
    if not order.status.waiting:
        _ADD(ledger, order, price)


_ADD = PlanLedger.add
FAULTS = {
    "waiting orders do not count": (PlanLedger, "add", _not_counted),
    "nobody is asked": (trading, "needs_approval", lambda *asked: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_approval_mode_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge counts what waits, and knows who was asked."""
    where, name, instead = FAULTS[fault]
    monkeypatch.setattr(where, name, instead)
    with pytest.raises(AssertionError):
        _lives(10)


@pytest.mark.parametrize("rule", ["exposure", "pace", "account_exposure", "single_order", "cash"])
def test_a_gate_without_a_rule_is_caught(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge sees what each rule is for."""
    kept = tuple(one for one in gate.RULES if one.__name__ != rule)
    assert len(kept) == len(gate.RULES) - 1
    monkeypatch.setattr(gate, "RULES", kept)
    with pytest.raises(AssertionError):
        _lives(10)

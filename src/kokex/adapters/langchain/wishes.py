"""What the built-in policy asks for, once it knows what it wants to hold: one order, or a batch at better and better prices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from kokex.adapters.langchain.readings import Market, RestingOrder, Rules
from kokex.adapters.langchain.sizing import SizingSettings, Target
from kokex.domain.capital import BatchRules, CapitalSettings, largest_order, lay_out
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.order import OrderType

_TOUCH = Decimal("0.001")
"""A resting order further than this share from its place is moved."""
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a turn looks at. `free_cash` and `free_base` are None where the account does not tell.

    Attributes:
        stopped_at: when the plan's trailing stop last ended a holding.
    """

    market: Market
    held: Decimal
    rules: Rules
    resting: tuple[RestingOrder, ...]
    free_cash: Decimal | None
    free_base: Decimal | None
    capital: CapitalSettings = field(default_factory=CapitalSettings)
    stopped_at: datetime | None = None

    def reach(self, side: Side) -> Decimal:
        """The holding if all that rests on `side` were to fill."""
        pending = sum((order.remaining for order in self.resting if order.side is side), _NOTHING)
        return self.held + side.sign * pending

    def without_questions(self) -> Situation:
        """Without orders against the holding that wait for a person: no exit stands behind them, a later order takes their place."""
        stay = [one for one in self.resting if not (one.waiting and one.side.sign * self.held < 0)]
        return replace(self, resting=tuple(stay))

    @property
    def step(self) -> Decimal:
        """Between the prices of a batch: at least as far as the gate wants two orders apart."""
        return max(self.capital.batch_step, self.rules.limits.repeat_distance or _NOTHING)


@dataclass(frozen=True, slots=True)
class Wish:
    """An order worth asking for."""

    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None


def wishes(situation: Situation, aim: Target, settings: SizingSettings, *, urgent: bool) -> list[Wish]:
    """The orders that bring the holding nearer to `aim` within the limits; none where none is worth it.

    A plan with batches enters by orders that rest; what has to be left at once is left by one that takes.
    """
    if aim.quantity * situation.held >= 0:
        situation = situation.without_questions()
    side, missing = _missing(situation, aim)
    if not missing:
        return []
    rules, market = situation.rules, situation.market
    leaving = not aim.quantity and side.sign * situation.held < 0
    if not leaving and rules.instrument.notional(missing, market.last) < _least(situation, aim, settings):
        return []
    batched = situation.capital.avg_orders_per_batch > 1
    taking = (aim.strong and (leaving or not batched)) or (leaving and urgent)
    touch = rules.instrument.round_price(market.bid if side is Side.BUY else market.ask)
    counted = max(market.ask, market.last, market.last if taking else touch)
    quantity = _affordable(side, missing, situation, settings, counted)
    most = _most(side, missing, situation)
    if batched and not taking:
        batch = lay_out(side, quantity, touch, _batch_rules(situation, counted, most))
        return [Wish(side, OrderType.POST_ONLY, one.quantity, one.price) for one in batch.orders]
    quantity = rules.instrument.round_quantity(
        min(quantity, rules.instrument.quantity_for(max(most, _NOTHING), counted))
    )
    if quantity < rules.instrument.min_quantity:
        return []
    return [
        Wish(side, OrderType.MARKET, quantity, None)
        if taking
        else Wish(side, OrderType.POST_ONLY, quantity, touch)
    ]


def out_of_place(order: RestingOrder, situation: Situation, aim: Target) -> str | None:
    """Why a resting order is not where it is wanted; None where it is. A batch reaches as far as its steps."""
    ahead = (aim.quantity > situation.held) - (aim.quantity < situation.held)
    if order.side.sign != ahead:
        return f"no {order.side.value} is wanted now"
    touch = situation.market.bid if order.side is Side.BUY else situation.market.ask
    reach = (1 + situation.step) ** (situation.capital.avg_orders_per_batch - 1) * (1 + _TOUCH) - 1
    if order.price is not None and abs(order.price - touch) > reach * touch:
        return f"its price {order.price} is away from the touch at {touch}"
    return None


def _missing(situation: Situation, aim: Target) -> tuple[Side, Decimal]:
    if aim.quantity > situation.reach(Side.BUY):
        return Side.BUY, aim.quantity - situation.reach(Side.BUY)
    if aim.quantity < situation.reach(Side.SELL):
        return Side.SELL, situation.reach(Side.SELL) - aim.quantity
    return Side.BUY, _NOTHING


def _least(situation: Situation, aim: Target, settings: SizingSettings) -> Decimal:
    """What is worth an order: a share of the position limit, or of what a given size comes to."""
    rules = situation.rules
    whole = rules.limits.max_position_notional
    if aim.sized:
        larger = max(abs(aim.quantity), abs(situation.held))
        whole = min(whole, rules.instrument.notional(larger, situation.market.last))
    return whole * settings.band


def _affordable(
    side: Side, missing: Decimal, situation: Situation, settings: SizingSettings, price: Decimal
) -> Decimal:
    """`missing`, cut to what is there to spend or to sell."""
    rules = situation.rules
    if rules.instrument.kind is not InstrumentKind.SPOT:
        return missing
    if side is Side.SELL:
        quantity = min(missing, situation.reach(Side.SELL))
        return quantity if situation.free_base is None else min(quantity, situation.free_base)
    if situation.free_cash is None:
        return missing
    free = (situation.free_cash - rules.limits.cash_reserve) * (1 - settings.headroom)
    return min(missing, rules.instrument.quantity_for(max(free, _NOTHING), price))


def _most(side: Side, missing: Decimal, situation: Situation) -> Decimal:
    """Worth of the largest order; the ratio of the capital does not bind what only reduces."""
    rules = situation.rules
    reduces = side.sign * situation.held < 0 and missing <= abs(situation.held)
    if reduces:
        return largest_order(replace(rules.limits, max_single_order_ratio=None), None)
    return largest_order(rules.limits, rules.own_capital)


def _batch_rules(situation: Situation, counted: Decimal, most: Decimal) -> BatchRules:
    limits, last = situation.rules.limits, situation.market.last
    free = max(limits.max_open_orders - len(situation.resting), 1)
    collar = limits.price_collar * Decimal("0.99")
    return BatchRules(
        instrument=situation.rules.instrument,
        orders=min(situation.capital.avg_orders_per_batch, free),
        step=situation.step,
        most=most,
        last=counted,
        lowest=last * (1 - collar),
        highest=last * (1 + collar),
    )

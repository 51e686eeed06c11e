"""The built-in policy: a small trader without a language model, deterministic and readable.

It reads the forecast and the plan's state with the tools, compares the holding with the one that the forecast argues for
(`sizing`), and asks for at most one order a turn, through the same risk gate as everyone. It does not know the gate's answer
in advance. Its reasons are the numbers that it used.

It cannot chase its own events: a fill that reaches the target, or an order that the exchange would not have, ends in a hold until the
next forecast; an order canceled after a while at the touch is asked for once more, in a turn of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from kokex.adapters.langchain.answering import answer, only_asked
from kokex.adapters.langchain.readings import (
    Market,
    Outlook,
    ReadingError,
    RestingOrder,
    Rules,
    read_free_base,
    read_free_cash,
    read_holding,
    read_market,
    read_outlook,
    read_resting,
    read_rules,
)
from kokex.adapters.langchain.sizing import SizingSettings, Target, View, target, view
from kokex.adapters.langchain.tools import TurnTools, outcome, refused
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.events import OrderEvent, OrderEventKind
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.order import OrderType
from kokex.domain.plan import TradingTool, TriggerKind

_TOUCH = Decimal("0.001")
"""A resting order further than this share from the touch is moved."""
_MOST_CANCELS = 5
_OLD_NEWS = (TriggerKind.ORDER_EVENT, TriggerKind.USER, TriggerKind.RISK_EVENT)
_NOT_GRANTED = "this plan was not granted the tool"
_AT_ONCE = 20
"""An order that lived less than the interval's length over this was refused by the exchange, not withdrawn by us."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a turn looks at. `free_cash` and `free_base` are None where the account does not tell."""

    market: Market
    held: Decimal
    rules: Rules
    resting: tuple[RestingOrder, ...]
    free_cash: Decimal | None
    free_base: Decimal | None

    def reach(self, side: Side) -> Decimal:
        """The holding if all that rests on `side` were to fill."""
        pending = sum((order.remaining for order in self.resting if order.side is side), Decimal(0))
        return self.held + side.sign * pending


@dataclass(frozen=True, slots=True)
class Wish:
    """An order worth asking for."""

    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class BuiltInPolicy:
    """Decides turns without a language model.

    With `exits_only` it stands in for a model that is down: it reduces or closes what the forecast no longer argues for, withdraws
    orders that would add to the holding, and never asks for one that would.
    """

    settings: SizingSettings = field(default_factory=SizingSettings)
    exits_only: bool = False

    async def decide(self, turn: Turn, tools: TurnTools) -> Decision:
        """One turn to its decision: at most one order, and the withdrawal of orders that are out of place."""
        said = await answer(turn, tools)
        if only_asked(turn):
            return _decision(" ".join(said), tools)
        said += _happenings(turn)
        try:
            situation = await _look(turn, tools)
            if self.exits_only:
                said += await _withdraw_entries(situation, tools)
            outlook = read_outlook(await tools.call("query_prediction_data", {}))
        except ReadingError as error:
            return _decision(" ".join([*said, f"Nothing to decide on: {error}."]), tools)
        if _stale(turn, outlook, situation.market):
            old = f"The forecast of {outlook.origin_time:%Y-%m-%d %H:%M} UTC is too old to act on."
            return _decision(" ".join([*said, old]), tools)
        seen = view(outlook, situation.market, situation.rules, self.settings)
        aim = target(seen, situation.held, situation.market, situation.rules, self.settings)
        said.append(_reading(outlook, seen))
        if self.exits_only:
            aim = _no_further(aim, situation.held)
        elif _fresh(turn):
            said += await _withdraw(turn, situation, aim, tools)
        said.append(await self._approach(turn, situation, aim, tools))
        return _decision(" ".join(said), tools)

    async def _approach(self, turn: Turn, situation: Situation, aim: Target, tools: TurnTools) -> str:
        """Ask for what is missing to `aim`; what was done, as a sentence."""
        refusal = _refused_at_once(turn)
        wish = self._wish(situation, aim, urgent=refusal is not None or _withdrawn(turn))
        unit = situation.rules.instrument.base_currency
        if situation.rules.instrument.kind is InstrumentKind.SWAP:
            unit = "contracts"
        if wish is None:
            working = len(situation.resting)
            waiting = f", orders still working: {working}" if working else ""
            return f"Hold {situation.held} {unit}{waiting}: {aim.because}."
        growing = wish.side.sign * situation.held >= 0
        barred = _barred(turn) if growing else None
        if barred is not None:
            return f"Hold {situation.held} {unit}: {barred}."
        if refusal is not None and (growing or refusal.update.order_type == OrderType.MARKET.value):
            return f"Hold {situation.held} {unit} until the next forecast: the exchange would not keep {_named(refusal)}."
        price = f" at {wish.price}" if wish.price is not None else ""
        asked = f"{wish.side.value} {wish.quantity} {unit} {wish.order_type.value}{price}"
        if not tools.may(TradingTool.PLACE_ORDER):
            return f"Hold {situation.held} {unit}: would {asked} because {aim.because}, but {_NOT_GRANTED} place_order."
        result = await tools.call(
            "place_order",
            {
                "side": wish.side.value,
                "order_type": wish.order_type.value,
                "quantity": f"{wish.quantity:f}",
                "price": None if wish.price is None else f"{wish.price:f}",
            },
        )
        verdict = outcome(result)
        if "error" in result:
            return f"Asked to {asked} because {aim.because}: {verdict}, {result['error']}."
        return f"Asked to {asked} because {aim.because}: {verdict}."

    def _wish(self, situation: Situation, aim: Target, *, urgent: bool) -> Wish | None:
        """The one order that brings the holding nearer to `aim` within the limits; None where none is worth it."""
        rules, market = situation.rules, situation.market
        if aim.quantity > situation.reach(Side.BUY):
            side, missing = Side.BUY, aim.quantity - situation.reach(Side.BUY)
        elif aim.quantity < situation.reach(Side.SELL):
            side, missing = Side.SELL, situation.reach(Side.SELL) - aim.quantity
        else:
            return None
        leaving = not aim.quantity and side.sign * situation.held < 0
        if not leaving:
            least = rules.limits.max_position_notional * self.settings.band
            if rules.instrument.notional(missing, market.last) < least:
                return None
        taking = aim.strong or (leaving and urgent)
        touch = market.bid if side is Side.BUY else market.ask
        price = None if taking else rules.instrument.round_price(touch)
        quantity = self._within_limits(
            side, missing, situation, max(market.ask, market.last, price or market.last)
        )
        if quantity < rules.instrument.min_quantity:
            return None
        return Wish(side, OrderType.MARKET if taking else OrderType.POST_ONLY, quantity, price)

    def _within_limits(self, side: Side, missing: Decimal, situation: Situation, price: Decimal) -> Decimal:
        """`missing`, cut to what one order may be and what is there to spend or to sell; in whole lots."""
        rules = situation.rules
        room = 1 - self.settings.headroom
        most = rules.limits.max_order_notional * room
        quantity = missing
        if rules.instrument.kind is InstrumentKind.SPOT:
            if side is Side.BUY and situation.free_cash is not None:
                most = min(most, (situation.free_cash - rules.limits.cash_reserve) * room)
            if side is Side.SELL:
                quantity = min(quantity, situation.reach(Side.SELL))
                quantity = quantity if situation.free_base is None else min(quantity, situation.free_base)
        return rules.instrument.round_quantity(
            min(quantity, rules.instrument.quantity_for(max(most, Decimal(0)), price))
        )


async def _look(turn: Turn, tools: TurnTools) -> Situation:
    market = read_market(await tools.call("get_current_price", {}))
    rules = read_rules(await tools.call("get_trading_limits", {}), turn.plan.inst_id)
    # Orders before the holding: one that fills between the two counts twice then, and never not at all.
    resting = read_resting(await tools.call("get_pending_orders", {}))
    held = read_holding(await tools.call("get_positions", {}))
    balance = await tools.call("get_account_balance", {})
    return Situation(
        market=market,
        held=held,
        rules=rules,
        resting=tuple(resting),
        free_cash=read_free_cash(balance),
        free_base=read_free_base(balance, rules.instrument.base_currency),
    )


async def _withdraw(turn: Turn, situation: Situation, aim: Target, tools: TurnTools) -> list[str]:
    """Cancel orders of earlier turns that point away from `aim` or have been left behind by the market."""
    sentences: list[str] = []
    for order in situation.resting:
        if not order.open or order.turn_id == turn.id or len(sentences) == _MOST_CANCELS:
            continue
        why = _out_of_place(order, situation, aim)
        if why and not tools.may(TradingTool.CANCEL_ORDER):
            sentences.append(f"Leave {order.client_order_id} ({why}): {_NOT_GRANTED} cancel_order.")
        elif why:
            result = await tools.call("cancel_order", {"client_order_id": order.client_order_id})
            verdict = f"{outcome(result)}, {result.get('error')}" if refused(result) else "asked"
            sentences.append(f"Cancel {order.client_order_id} ({why}): {verdict}.")
    return sentences


async def _withdraw_entries(situation: Situation, tools: TurnTools) -> list[str]:
    """Cancel resting orders that would add to the holding; those that reduce it stay."""
    sentences: list[str] = []
    if not tools.may(TradingTool.CANCEL_ORDER):
        return sentences
    for order in situation.resting:
        if order.open and order.side.sign * situation.held >= 0 and len(sentences) < _MOST_CANCELS:
            result = await tools.call("cancel_order", {"client_order_id": order.client_order_id})
            verdict = f"{outcome(result)}, {result.get('error')}" if refused(result) else "asked"
            sentences.append(f"Cancel {order.client_order_id} (it would add to the holding): {verdict}.")
    return sentences


def _no_further(aim: Target, held: Decimal) -> Target:
    """`aim`, but no holding larger than the one there is, and none on the other side."""
    quantity = max(min(aim.quantity, max(held, Decimal(0))), min(held, Decimal(0)))
    if quantity == aim.quantity:
        return aim
    return Target(
        quantity, f"{aim.because}, and nothing may be added now", strong=aim.strong and quantity != held
    )


def _out_of_place(order: RestingOrder, situation: Situation, aim: Target) -> str | None:
    ahead = (aim.quantity > situation.held) - (aim.quantity < situation.held)
    if order.side.sign != ahead:
        return f"no {order.side.value} is wanted now"
    touch = situation.market.bid if order.side is Side.BUY else situation.market.ask
    if order.price is not None and abs(order.price - touch) > _TOUCH * touch:
        return f"its price {order.price} is away from the touch at {touch}"
    return None


def _events(turn: Turn) -> list[OrderEvent]:
    if _fresh(turn):
        return []
    return [event for trigger in turn.triggers for event in trigger.events if not event.external]


def _fresh(turn: Turn) -> bool:
    """Whether the market has something new to say, rather than what became of orders and account, or a question."""
    return any(trigger.kind not in _OLD_NEWS and not trigger.kind.of_account for trigger in turn.triggers)


def _barred(turn: Turn) -> str | None:
    """Why nothing is added in this turn, whatever the forecast says; None where it may be."""
    kinds = {trigger.kind for trigger in turn.triggers}
    if TriggerKind.MARGIN in kinds:
        return "the exchange warns that a position is near its liquidation"
    if TriggerKind.RISK_EVENT in kinds and not _fresh(turn):
        return "what may be done has just changed, and the market has nothing new to say"
    return None


def _happenings(turn: Turn) -> list[str]:
    """What happened to the account, in a sentence."""
    counts = Counter(
        f"{record.event.kind.value} {record.event.inst_id or record.event.currency}"
        for trigger in turn.triggers
        for record in trigger.account_events
    )
    told = ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in counts.items())
    return [f"Woken by {told}."] if told else []


def _refused_at_once(turn: Turn) -> OrderEvent | None:
    """The last order that the exchange rejected, or canceled almost as soon as it had come; None where there is none."""
    soon = timedelta(seconds=turn.plan.interval.seconds / _AT_ONCE)
    for event in reversed(_events(turn)):
        lived = event.update.occurred_at - event.update.created_at
        if event.kind is OrderEventKind.REJECTED or (event.kind is OrderEventKind.CANCELED and lived < soon):
            return event
    return None


def _withdrawn(turn: Turn) -> bool:
    return any(event.kind is OrderEventKind.CANCELED for event in _events(turn))


def _stale(turn: Turn, outlook: Outlook, market: Market) -> bool:
    """Whether the market has moved on by more than two intervals since the forecast (both by the exchange's clock)."""
    if outlook.origin_time is None or market.occurred_at is None:
        return False
    return market.occurred_at - outlook.origin_time > 2 * turn.plan.interval.duration


def _named(event: OrderEvent) -> str:
    reason = f" ({event.update.cancel_reason})" if event.update.cancel_reason else ""
    return f"{event.update.client_order_id or event.update.order_id}{reason}"


def _reading(outlook: Outlook, seen: View) -> str:
    return (
        f"{outlook.forecaster}: probability_up {outlook.probability_up:.2f} over {outlook.horizon} candles, expected {seen.expected:+.2%} "
        f"from here with a spread of {outlook.spread:.2%}, against fees of {seen.round_trip:.2%}."
    )


def _decision(reason: str, tools: TurnTools) -> Decision:
    return Decision(Action.ACT if tools.acted else Action.HOLD, reason, tool_calls=tools.calls)

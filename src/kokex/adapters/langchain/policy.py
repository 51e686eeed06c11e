"""The built-in policy: a small trader without a language model, deterministic and readable.

It reads the forecast and the plan's state with the tools, compares the holding with the one that the forecast argues for
(`sizing`), and asks for at most one order a turn, or one batch (`wishes`), through the same risk gate as everyone. It does not know the
gate's answer in advance. Its reasons are the numbers that it used.

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
    Suggestion,
    read_free_base,
    read_free_cash,
    read_holding,
    read_market,
    read_outlook,
    read_resting,
    read_rules,
    read_stopped_at,
    read_suggestion,
)
from kokex.adapters.langchain.sizing import SizingSettings, Target, View, target, view, worth_it
from kokex.adapters.langchain.tools import TurnTools, outcome, refused
from kokex.adapters.langchain.wishes import Situation, Wish, out_of_place, wishes
from kokex.domain.capital import SizingMethod
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.events import OrderEvent, OrderEventKind
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.order import OrderType
from kokex.domain.plan import TradingTool, TriggerKind

_MOST_CANCELS = 5
_OLD_NEWS = (TriggerKind.ORDER_EVENT, TriggerKind.USER, TriggerKind.RISK_EVENT)
_NOT_GRANTED = "this plan was not granted the tool"
_AT_ONCE = 20
"""An order that lived less than the interval's length over this was refused by the exchange, not withdrawn by us."""


@dataclass(frozen=True, slots=True)
class BuiltInPolicy:
    """Decides turns without a language model.

    With `exits_only` it stands in for a model that is down: it reduces or closes what the forecast no longer argues for, withdraws
    orders that would add to the holding, and never asks for one that would.
    """

    settings: SizingSettings = field(default_factory=SizingSettings)
    exits_only: bool = False

    async def decide(self, turn: Turn, tools: TurnTools) -> Decision:
        """One turn to its decision: at most one order or batch, and the withdrawal of orders that are out of place."""
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
        said.append(_reading(outlook, seen))
        try:
            given = await self._given(turn, situation, seen, tools)
        except ReadingError as error:
            return _decision(" ".join([*said, f"No size to go by: {error}."]), tools)
        aim = target(seen, situation.held, situation.market, situation.rules, self.settings, given)
        if self.exits_only or _stopped_since(outlook, situation):
            aim = _no_further(aim, situation.held)
        if not self.exits_only and _fresh(turn):
            said += await _withdraw(turn, situation, aim, tools)
        said.append(await self._approach(turn, situation, aim, tools))
        return _decision(" ".join(said), tools)

    async def _given(
        self, turn: Turn, situation: Situation, seen: View, tools: TurnTools
    ) -> Suggestion | None:
        """The size by the plan's own method; None where the policy's own scale holds, or where nothing is to be held."""
        no_short = seen.direction < 0 and not situation.rules.limits.allow_short
        if turn.plan.capital.sizing is SizingMethod.EDGE or no_short or not worth_it(seen, self.settings):
            return None
        side = Side.BUY if seen.direction > 0 else Side.SELL
        return read_suggestion(await tools.call("get_position_size", {"side": side.value}))

    async def _approach(self, turn: Turn, situation: Situation, aim: Target, tools: TurnTools) -> str:
        """Ask for what is missing to `aim`; what was done, as a sentence."""
        refusal = _refused_at_once(turn)
        urgent = refusal is not None or _withdrawn(turn)
        asked_for = wishes(situation, aim, self.settings, urgent=urgent)
        unit = situation.rules.instrument.base_currency
        if situation.rules.instrument.kind is InstrumentKind.SWAP:
            unit = "contracts"
        if not asked_for:
            working = len(situation.resting)
            waiting = f", orders still working: {working}" if working else ""
            return f"Hold {situation.held} {unit}{waiting}: {aim.because}."
        wish = asked_for[0]
        growing = wish.side.sign * situation.held >= 0
        barred = _barred(turn) if growing else None
        if barred is not None:
            return f"Hold {situation.held} {unit}: {barred}."
        if refusal is not None and (growing or refusal.update.order_type == OrderType.MARKET.value):
            return f"Hold {situation.held} {unit} until the next forecast: the exchange would not keep {_named(refusal)}."
        asked = _in_words(asked_for, unit)
        if not tools.may(TradingTool.PLACE_ORDER):
            return f"Hold {situation.held} {unit}: would {asked} because {aim.because}, but {_NOT_GRANTED} place_order."
        verdicts = await _ask(asked_for, tools)
        return f"Asked to {asked} because {aim.because}: {'; '.join(verdicts)}."


async def _ask(wanted: list[Wish], tools: TurnTools) -> list[str]:
    """Ask for each until one is refused; what became of them, in words."""
    verdicts: list[str] = []
    for wish in wanted:
        result = await tools.call(
            "place_order",
            {
                "side": wish.side.value,
                "order_type": wish.order_type.value,
                "quantity": f"{wish.quantity:f}",
                "price": None if wish.price is None else f"{wish.price:f}",
            },
        )
        if "error" in result:
            return [*verdicts, f"{outcome(result)}, {result['error']}"]
        verdicts.append(outcome(result))
    return verdicts


def _in_words(wanted: list[Wish], unit: str) -> str:
    first = wanted[0]
    price = f" at {first.price}" if first.price is not None else ""
    if len(wanted) == 1:
        return f"{first.side.value} {first.quantity} {unit} {first.order_type.value}{price}"
    parts = ", ".join(f"{wish.quantity} at {wish.price}" for wish in wanted)
    return f"{first.side.value} in {len(wanted)} orders, {first.order_type.value}, {unit}: {parts}"


async def _look(turn: Turn, tools: TurnTools) -> Situation:
    market = read_market(await tools.call("get_current_price", {}))
    rules = read_rules(await tools.call("get_trading_limits", {}), turn.plan.inst_id)
    # Orders before the holding: one that fills between the two counts twice then, and never not at all.
    resting = read_resting(await tools.call("get_pending_orders", {}))
    positions = await tools.call("get_positions", {})
    held = read_holding(positions)
    balance = await tools.call("get_account_balance", {})
    return Situation(
        market=market,
        held=held,
        rules=rules,
        resting=tuple(resting),
        free_cash=read_free_cash(balance),
        free_base=read_free_base(balance, rules.instrument.base_currency),
        capital=turn.plan.capital,
        stopped_at=read_stopped_at(positions),
    )


async def _withdraw(turn: Turn, situation: Situation, aim: Target, tools: TurnTools) -> list[str]:
    """Cancel orders of earlier turns that point away from `aim` or have been left behind by the market."""
    sentences: list[str] = []
    for order in situation.resting:
        if not order.open or order.turn_id == turn.id or len(sentences) == _MOST_CANCELS:
            continue
        why = out_of_place(order, situation, aim)
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
        adds = (order.open or order.waiting) and order.side.sign * situation.held >= 0
        if adds and len(sentences) < _MOST_CANCELS:
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


def _stopped_since(outlook: Outlook, situation: Situation) -> bool:
    """Whether the trailing stop ended a holding after this forecast was made: what it says was tried."""
    if situation.stopped_at is None or outlook.origin_time is None:
        return False
    return outlook.origin_time <= situation.stopped_at


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

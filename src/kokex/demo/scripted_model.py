"""The demo's "language model": a script. It understands no language and knows nothing that is not in its messages.

It reads what woke the turn and the results of the tools that it asked for, and answers with tool calls and, at the end, with
`FinalAnswer`, all of whose figures are those of the results. Its rule is the one that the plan's owner wrote into the prompt
(`options.PROMPT`). Now and then it does what real models do wrong: see `Mischief`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import Enum
from random import Random
from typing import Any, Final

from kokex.demo.conversation import Calls, Conversation, Words

NAME: Final = "scripted-trader"
BUY_FROM: Final = Decimal("0.52")
SELL_UP_TO: Final = Decimal("0.48")
"""Of `probability_up`."""
_SURE: Final = Decimal("0.05")
"""This far from a half it takes the other side of the book; nearer it offers."""
_SHARE: Final = Decimal("0.8")
"""Of the largest order allowed that it asks for."""
_GREED: Final = 40
"""Largest orders allowed that it asks for at once when it is greedy."""
_TOUCH: Final = Decimal("0.001")
"""A resting order further than this share from the touch is withdrawn."""
_WELL: Final = 12
"""Turns in which all goes well, to one of each kind of mischief."""
_READINGS: Final = (
    "get_current_price",
    "get_trading_limits",
    "get_positions",
    "get_pending_orders",
    "query_prediction_data",
)


class Mischief(Enum):
    """What goes wrong with real models."""

    GREEDY = "an order far over the limit"
    MALFORMED = "arguments that are no JSON"
    WRONG_TOOL = "a tool that does not exist"
    BUSY = "HTTP 429"


class Temper:
    """Which turns go wrong, and how: each kind once in sixteen turns, in an order drawn from the seed; greed early. One turn at a time is asked for."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._bag: list[Mischief | None] = []
        self._owed = True
        self._turn: int | None = None
        self._drawn: Mischief | None = None

    def of(self, turn: int | None, woken_by: frozenset[str]) -> Mischief | None:
        """What goes wrong in this turn; the same however often it is asked."""
        if turn is None or turn != self._turn:
            self._turn, self._drawn = turn, self._draw(woken_by)
        return self._drawn

    def _draw(self, woken_by: frozenset[str]) -> Mischief | None:
        """Nothing where the owner asks. Greed waits for a turn in which it trades."""
        if "user" in woken_by:
            return None
        if not self._bag:
            self._bag = [*Mischief, *[None] * _WELL]
            self._random.shuffle(self._bag)
        drawn = self._bag.pop()
        trades = "forecast" in woken_by
        if drawn is Mischief.GREEDY and not trades:
            self._owed, drawn = True, None
        elif drawn is None and trades and self._owed:
            self._owed, drawn = False, Mischief.GREEDY
        return drawn


def reply(told: Conversation, mischief: Mischief | None = None) -> Calls:
    """The next calls of the conversation; the last of a turn is `FinalAnswer`."""
    if not told.spoken and mischief is Mischief.MALFORMED:
        return (("query_historical_kline_data", '{"limit": 24'),)
    if not told.spoken and mischief is Mischief.WRONG_TOOL:
        return (("buy_now", '{"amount": "all"}'),)
    if "user" in told.woken_by:
        return _explain(told)
    if "forecast" in told.woken_by:
        return _trade(told, greedy=mischief is Mischief.GREEDY)
    return _watch(told)


def _explain(told: Conversation) -> Calls:
    """Answer the owner with the numbers of the record."""
    if "get_past_decisions" not in told.results:
        asked = json.dumps({"limit": 20, "only_with_orders": True})
        return (("get_past_decisions", asked), ("get_positions", "{}"))
    refusal = told.refusal("get_past_decisions")
    if refusal is not None:
        return _final("hold", f"My record cannot be read now: {refusal}.")
    past = told.newest("get_past_decisions")
    questions = [str(one.get("message_of_the_owner", "")) for one in told.facts["woken_by"]]
    side = "sell" if re.search(r"\b(sell|sold)\b", " ".join(questions), re.IGNORECASE) else "buy"
    found = _filled(past.get("decisions", ()), side)
    holding = told.newest("get_positions")
    now = f"Now I hold {holding.get('quantity')} {holding.get('quantity_unit')}."
    if found is None:
        return _final("hold", f"Among my latest decisions none has a {side} order that was filled. {now}")
    decision, order = found
    unit, quote = past.get("quantity_unit"), past.get("unit")
    done = f"{'bought' if side == 'buy' else 'sold'} {order['filled_quantity']} {unit}"
    words = [
        f"In decision {decision['decision']} I {done} at {order['average_price']} {quote} on average, because: {decision['reason']}"
    ]
    fees = ", ".join(f"{amount} {currency}" for currency, amount in decision.get("fees", {}).items())
    if fees:
        words.append(f"Its fees: {fees}.")
    if decision.get("pnl_after_fees") is not None:
        words.append(
            f"By now its fills have made {decision['pnl_after_fees']} {quote} after fees, at a last price of {past.get('last')} {quote}."
        )
    return _final("hold", " ".join([*words, now]), confidence=0.9)


def _filled(decisions: Sequence[Words], side: str) -> tuple[Words, Words] | None:
    """The newest decision with a filled order of that side, and the order."""
    for decision in decisions:
        for order in decision.get("orders", ()):
            if order["side"] == side and order.get("average_price"):
                return decision, order
    return None


def _trade(told: Conversation, *, greedy: bool) -> Calls:
    """A forecast came: one order at most, and one far over the limit before it where it is greedy."""
    missing = told.missing(*_READINGS)
    if missing:
        return missing
    refusal = told.refusal(*_READINGS)
    if refusal is not None:
        return _final("hold", f"I cannot judge: {refusal}.")
    return _approach(told, greedy=greedy)


def _approach(told: Conversation, *, greedy: bool) -> Calls:
    """Everything is read."""
    sight = _Sight.of(told)
    asked = told.results.get("place_order", ())
    if greedy and not asked:
        return (sight.order("buy", sight.most_order * _GREED / sight.last, "market"),)
    if len(asked) > int(greedy):
        return _concluded(asked[-1], sight)
    wish = None if told.newest("get_pending_orders").get("orders") else sight.wish()
    if wish is not None:
        return (wish,)
    return _withdrawal(told) or _waiting(told, sight)


def _waiting(told: Conversation, sight: _Sight) -> Calls:
    """The turn's end without an order of its own."""
    if told.results.get("cancel_order"):
        return _final("act", f"{sight.words} I asked to cancel an order that the market had left behind.")
    if told.newest("get_pending_orders").get("orders"):
        return _final("hold", f"{sight.words} An order of mine still waits.")
    asked = told.results.get("place_order", ())
    denied = f" The gate denied my order: {asked[-1]['code']}." if asked and "code" in asked[-1] else ""
    return _final("hold", f"{sight.words} {sight.holding}{denied}", mind=True)


def _concluded(result: Words, sight: _Sight) -> Calls:
    status = result.get("status") or result.get("code")
    order = f"{result.get('side')} {result.get('quantity')} {result.get('order_type')}"
    if "error" in result:
        return _final("hold", f"{sight.words} I asked to {order}: {status}, {result['error']}.", mind=True)
    return _final("act", f"{sight.words} So I asked to {order}: {status}.", mind=True)


def _watch(told: Conversation) -> Calls:
    """An order event or a candle: look whether what rests is still right."""
    names = ("get_current_price", "get_positions", "get_pending_orders")
    missing = told.missing(*names)
    if missing:
        return missing
    refusal = told.refusal(*names)
    if refusal is not None:
        return _final("hold", f"I cannot see: {refusal}.")
    withdrawal = _withdrawal(told)
    if withdrawal:
        return withdrawal
    price, held = told.newest("get_current_price"), told.newest("get_positions")
    words = [_happened(told)]
    if told.results.get("cancel_order"):
        words.append("I asked to cancel an order that the market had left behind.")
    words.append(f"The last price is {price['last']} {price.get('unit')}.")
    worth = f", worth {held['value']} {held.get('unit')}" if held.get("value") else ""
    words.append(f"I hold {held['quantity']} {held.get('quantity_unit')}{worth}.")
    return _final("act" if told.results.get("cancel_order") else "hold", " ".join(words))


def _happened(told: Conversation) -> str:
    events = [event for one in told.facts.get("woken_by", ()) for event in one.get("latest_events", ())]
    if not events:
        return "A candle closed."
    last = events[-1]
    at = f" at {last['average_price']} on average" if last.get("average_price") else ""
    return f"{last['event_type']}: {last['filled_quantity']} of {last['quantity']} filled{at}."


def _withdrawal(told: Conversation) -> Calls:
    """The cancellation of one resting order that is away from the touch; none twice."""
    if told.results.get("cancel_order"):
        return ()
    price = told.newest("get_current_price")
    for order in told.newest("get_pending_orders").get("orders", ()):
        touch = Decimal(str(price.get("bid" if order["side"] == "buy" else "ask") or price["last"]))
        if order.get("price") and abs(Decimal(order["price"]) - touch) > _TOUCH * touch:
            return (("cancel_order", json.dumps({"client_order_id": order["client_order_id"]})),)
    return ()


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the results of `_READINGS` say. Prices in quote currency, quantities in base currency."""

    last: Decimal
    bid: Decimal
    ask: Decimal
    held: Decimal
    most_order: Decimal
    most_position: Decimal
    lot: Decimal
    least: Decimal
    probability_up: Decimal
    words: str
    holding: str

    @classmethod
    def of(cls, told: Conversation) -> _Sight:
        price, limits, held, _, forecast = (told.newest(name) for name in _READINGS)
        number: Callable[[Any], Decimal] = lambda value: Decimal(str(value))  # noqa: E731
        words = (
            f"{forecast['forecaster']}: probability_up {forecast['probability_up']:.4f} over {forecast['horizon']} candles, "
            f"expected_return {forecast['expected_return']:.4f} with a spread of {forecast['spread']:.4f}; "
            f"the last price is {price['last']} {price['unit']}."
        )
        return cls(
            last=number(price["last"]),
            bid=number(price.get("bid") or price["last"]),
            ask=number(price.get("ask") or price["last"]),
            held=number(held["quantity"]),
            most_order=number(limits["max_order_notional"]),
            most_position=number(limits["max_position_notional"]),
            lot=number(limits["lot_size"]),
            least=number(limits["min_quantity"]),
            probability_up=number(forecast["probability_up"]),
            words=words,
            holding=f"I hold {held['quantity']} {held['quantity_unit']}.",
        )

    def wish(self) -> tuple[str, str] | None:
        """The order that the owner's rule asks for; None where it asks for none."""
        if self.probability_up >= BUY_FROM:
            room = min(self.most_order, self.most_position - self.held * self.last) * _SHARE
            side, quantity = "buy", room / self.ask
        elif self.probability_up <= SELL_UP_TO:
            side, quantity = "sell", min(self.held, self.most_order * _SHARE / self.last)
        else:
            return None
        if self._lots(quantity) < self.least:
            return None
        sure = abs(self.probability_up - Decimal("0.5")) >= _SURE
        return self.order(side, quantity, "market" if sure else "post_only")

    def order(self, side: str, quantity: Decimal, order_type: str) -> tuple[str, str]:
        """A call of `place_order`."""
        arguments = {
            "side": side,
            "order_type": order_type,
            "quantity": f"{self._lots(quantity):f}",
            "reason": self.words,
        }
        if order_type != "market":
            arguments["price"] = f"{self.bid if side == 'buy' else self.ask:f}"
        return "place_order", json.dumps(arguments)

    def _lots(self, quantity: Decimal) -> Decimal:
        return (quantity / self.lot).to_integral_value(ROUND_DOWN) * self.lot


def _final(action: str, reason: str, *, confidence: float = 0.6, mind: bool = False) -> Calls:
    answer: dict[str, Any] = {"action": action, "confidence": confidence, "reason": reason}
    if mind:
        answer["change_of_mind"] = (
            f"A probability_up from {BUY_FROM} on, or of {SELL_UP_TO} and less, in the next forecast."
        )
    return (("FinalAnswer", json.dumps(answer)),)

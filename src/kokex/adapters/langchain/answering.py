"""The built-in policy's answer to a message: what the record says of its decisions. It understands nothing else of the words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kokex.adapters.langchain.tools import TurnTools
from kokex.domain.decision import Turn
from kokex.domain.plan import TriggerKind

_LOOKED_AT = 20
_LONGEST_REASON = 600
_SIDES = {
    "buy": re.compile(r"\b(buy|buys|buying|bought|long)\b|买", re.IGNORECASE),
    "sell": re.compile(r"\b(sell|sells|selling|sold|short)\b|卖", re.IGNORECASE),
}


def only_asked(turn: Turn) -> bool:
    """Whether nothing but messages from the user woke the turn."""
    return all(trigger.kind is TriggerKind.USER for trigger in turn.triggers)


async def answer(turn: Turn, tools: TurnTools) -> list[str]:
    """Sentences that answer the messages that woke the turn; none where none did."""
    words = [trigger.text or "" for trigger in turn.triggers if trigger.kind is TriggerKind.USER]
    if not words:
        return []
    sentences = ["The built-in policy cannot talk; this is what its record says."]
    ordered = await tools.call("get_past_decisions", {"limit": _LOOKED_AT, "only_with_orders": True})
    found = _meant(ordered.get("decisions") or [], words[-1])
    sentences += _decision(found, ordered) if found else ["It has asked for no order yet."]
    newest = await tools.call("get_past_decisions", {"limit": 1})
    latest = next(iter(newest.get("decisions") or []), None)
    if latest and (found is None or latest["decision"] != found["decision"]):
        sentences += ["The latest decision:", *_decision(latest, newest)]
    holding = await tools.call("get_positions", {})
    if holding.get("quantity") is not None:
        worth = f", worth {holding['value']} {holding.get('unit')}" if holding.get("value") else ""
        sentences.append(f"The plan holds {holding['quantity']} {holding.get('quantity_unit')}{worth} now.")
    return sentences


def _meant(decisions: list[dict[str, Any]], words: str) -> dict[str, Any] | None:
    """The newest decision with an order of the side that the message names; the newest with any order where it names none."""
    sides = {side for side, pattern in _SIDES.items() if pattern.search(words)}
    for one in decisions:
        if not sides or any(order["side"] in sides for order in one["orders"]):
            return one
    return None


def _decision(one: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    quote, base = told.get("unit"), told.get("quantity_unit")
    sentences = [f"Decision {one['decision']} of {one['started_at']} was woken by {one['woken_by']}."]
    if one["action"] is None:
        sentences.append(f"It ended without a decision: {one['reason']}.")
    else:
        sentences.append(f"It came to {one['action']}, because: {one['reason'][:_LONGEST_REASON]}")
    for order in one["orders"]:
        price = f" at {order['price']} {quote}" if order["price"] else ""
        filled = ""
        if order["average_price"]:
            filled = f", filled {order['filled_quantity']} at {order['average_price']} {quote} on average"
        why = f" ({order['reason']})" if order["reason"] else ""
        sentences.append(
            f"Order {order['client_order_id']}: {order['side']} {order['quantity']} {base} {order['order_type']}{price}, "
            f"{order['status']}{filled}{why}."
        )
    if one["fees"]:
        sentences.append(
            "Fees: " + ", ".join(f"{amount} {name}" for name, amount in one["fees"].items()) + "."
        )
    if one["pnl_after_fees"] is not None:
        sentences.append(
            f"Profit or loss of its fills by now: {one['pnl_after_fees']} {quote} after fees, at a last price of {told.get('last')} {quote}."
        )
    return sentences

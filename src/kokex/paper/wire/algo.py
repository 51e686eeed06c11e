"""Algo orders and attachments on the wire (OKX v5, "algo trading")."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.algo.terms import Attachment, Leg
from kokex.paper.decimals import optional_text, text

_encode = msgspec.json.Encoder().encode

_ABSENT: dict[str, Any] = {
    "amendPxOnTriggerType": "0",
    "chaseType": "",
    "chaseVal": "",
    "clOrdId": "",
    "isTradeBorrowMode": "",
    "linkedOrd": {"ordId": ""},
    "maxChaseType": "",
    "maxChaseVal": "",
    "quickMgnType": "",
    "triggerParams": [],
}
"""Fields of features that the paper exchange does not have."""


def render_algo_push(order: AlgoOrder, now_ms: int) -> bytes:
    """One item of orders-algo or algo-advance, as JSON."""
    return _encode(algo_push(order, now_ms))


def algo_push(order: AlgoOrder, now_ms: int) -> dict[str, Any]:
    """The fields of one item of orders-algo or algo-advance."""
    fields = algo_row(order)
    fields["notionalUsd"] = text(_notional(order))
    fields["reqId"] = order.request_id
    fields["amendResult"] = order.amend_result
    if order.is_advanced:
        fields["pTime"] = str(now_ms)
        fields["count"] = str(len(order.order_ids)) if order.slicing is not None else ""
    return fields


def algo_row(order: AlgoOrder) -> dict[str, Any]:
    """An algo order as the REST endpoints answer it."""
    item = order.instrument
    fields: dict[str, Any] = {
        "instType": item.inst_type,
        "instId": item.inst_id,
        "ccy": order.currency,
        "algoId": str(order.algo_id),
        "algoClOrdId": order.client_id,
        "ordId": str(order.order_ids[-1]) if order.order_ids else "",
        "ordIdList": [str(number) for number in order.order_ids],
        "ordType": order.order_type,
        "side": order.side,
        "posSide": order.position_side if item.is_swap else "net",
        "tdMode": order.trade_mode,
        "tgtCcy": order.target_currency,
        "sz": _size(order),
        "closeFraction": "1" if order.whole_position else "",
        "state": order.state,
        "lever": optional_text(order.leverage),
        "reduceOnly": "true" if order.reduce_only else "false",
        "cxlOnClosePos": "true" if order.ends_with_position else "false",
        "tag": order.tag,
        "last": text(order.placed_price),
        "actualSz": text(item.size(order.actual_lots)),
        "actualPx": optional_text(order.actual_price),
        "actualSide": order.actual_side,
        "triggerTime": "" if order.triggered_ms is None else str(order.triggered_ms),
        "failCode": order.fail_code,
        "attachAlgoOrds": [attachment_row(part) for part in order.attached],
        "tradeQuoteCcy": "" if item.is_swap else item.quote,
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
        **_leg(order.take_profit, "tpTriggerPx", "tpTriggerPxType", "tpOrdPx"),
        **_leg(order.stop_loss, "slTriggerPx", "slTriggerPxType", "slOrdPx"),
        **_leg(order.trigger, "triggerPx", "triggerPxType", "ordPx"),
        "advanceOrdType": order.immediate,
    }
    fields.update(_trail(order))
    fields.update(_slicing(order))
    fields.update(_ABSENT)
    return fields


def attachment_row(part: Attachment) -> dict[str, str]:
    """One item of `attachAlgoOrds` of an order."""
    trail = part.trail
    return {
        "attachAlgoId": str(part.attachment_id),
        "attachAlgoClOrdId": part.client_id,
        **_leg(part.take_profit, "tpTriggerPx", "tpTriggerPxType", "tpOrdPx"),
        **_leg(part.stop_loss, "slTriggerPx", "slTriggerPxType", "slOrdPx"),
        "tpOrdKind": "condition",
        "tpTriggerRatio": "",
        "slTriggerRatio": "",
        "callbackRatio": "" if trail is None else optional_text(trail.ratio),
        "callbackSpread": "" if trail is None else optional_text(trail.spread),
        "activePx": "" if trail is None else optional_text(trail.active_price),
        "sz": "",
        "amendPxOnTriggerType": "0",
        "failCode": "",
        "failReason": "",
    }


def _leg(leg: Leg | None, trigger: str, kind: str, price: str) -> dict[str, str]:
    if leg is None:
        return {trigger: "", kind: "", price: ""}
    order_price = "-1" if leg.order_price is None else text(leg.order_price)
    return {trigger: text(leg.trigger_price), kind: leg.source, price: order_price}


def _trail(order: AlgoOrder) -> dict[str, str]:
    trail = order.trail
    return {
        "callbackRatio": "" if trail is None else optional_text(trail.ratio),
        "callbackSpread": "" if trail is None else optional_text(trail.spread),
        "activePx": "" if trail is None else optional_text(trail.active_price),
        "moveTriggerPx": "" if trail is None else optional_text(trail.trigger_price),
    }


def _slicing(order: AlgoOrder) -> dict[str, str]:
    slicing = order.slicing
    iceberg = slicing is not None and order.order_type == "smart_iceberg"
    return {
        "szLimit": "" if slicing is None else text(order.instrument.size(slicing.slice_lots)),
        "pxLimit": "" if slicing is None else optional_text(slicing.limit_price),
        "pxVar": "" if slicing is None else optional_text(slicing.ratio),
        "pxSpread": "" if slicing is None else optional_text(slicing.spread),
        "timeInterval": "" if slicing is None or iceberg else str(slicing.interval_ms // 1000),
        "lmtOrderNumber": str(slicing.splits) if slicing is not None and iceberg else "",
        "aggressiveness": "" if slicing is None else slicing.aggressiveness,
    }


def _size(order: AlgoOrder) -> str:
    if order.whole_position:
        return ""
    return text(order.instrument.size(order.lots) if order.budget is None else order.budget)


def _notional(order: AlgoOrder) -> Decimal:
    if order.budget is not None:
        return order.budget
    return order.placed_price * order.instrument.lot_value * order.lots

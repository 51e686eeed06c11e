"""Orders and fills on the wire.

OKX v5: the orders channel describes *this update's* fill and writes an unfilled `avgPx` as "0"; over REST the same
names mean the last fill and an unfilled `avgPx` is "".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from kokex.paper.decimals import text
from kokex.paper.ledger.account import FillRecord
from kokex.paper.matching.order import Order
from kokex.paper.wire.algo import attachment_row

_encode = msgspec.json.Encoder().encode

_ABSENT: dict[str, Any] = {
    "attachAlgoClOrdId": "",
    "isTpLimit": "false",
    "linkedAlgoOrd": {"algoId": ""},
    "pxType": "",
    "pxUsd": "",
    "pxVol": "",
    "quickMgnType": "",
    "slOrdPx": "",
    "slTriggerPx": "",
    "slTriggerPxType": "",
    "stpId": "",
    "tpOrdPx": "",
    "tpTriggerPx": "",
    "tpTriggerPxType": "",
}
"""Fields of features that the paper exchange does not have, and older names of `attachAlgoOrds`, which OKX blanks."""

_ABSENT_IN_PUSH: dict[str, Any] = {
    **_ABSENT,
    "code": "0",
    "fillFwdPx": "",
    "fillIdxPx": "",
    "fillMarkVol": "",
    "fillPxUsd": "",
    "fillPxVol": "",
    "msg": "",
}

NO_FILL: Final[Mapping[str, str]] = {
    "fillPx": "",
    "fillSz": "0",
    "tradeId": "",
    "fillTime": "",
    "execType": "",
    "fillFee": "0",
    "fillFeeCcy": "",
    "fillPnl": "0",
    "fillNotionalUsd": "",
    "fillMarkPx": "",
}
"""A push that tells of no execution."""

_CANCEL_REASONS = {
    "1": "Order canceled by user",
    "13": "Order canceled: FOK order could not be filled completely",
    "14": "Order canceled: IOC order was partially canceled",
    "20": "Order canceled by cancel all after",
    "31": "Order canceled: the post-only order would take liquidity",
    "32": "Order canceled: self trade prevention",
}


def render_push(order: Order, last_price: Decimal) -> bytes:
    """One item of the orders channel, as JSON."""
    return _encode(push_fields(order, last_price))


def push_fields(order: Order, last_price: Decimal) -> dict[str, Any]:
    """The fields of one item of the orders channel."""
    fields = _common(order)
    fields["avgPx"] = _average(order) or "0"
    fields["lastPx"] = text(last_price)
    fields["amendResult"] = order.amend_result
    fields["amendSource"] = order.amend_source
    fields["reqId"] = order.request_id
    fields["notionalUsd"] = text(_notional(order, last_price))
    fields.update(_this_fill(order))
    fields.update(_ABSENT_IN_PUSH)
    return fields


def order_row(order: Order) -> dict[str, Any]:
    """An order as the REST endpoints answer it."""
    fields = _common(order)
    fields["avgPx"] = _average(order)
    fields["cancelSourceReason"] = _CANCEL_REASONS.get(order.cancel_source, "") if order.cancel_source else ""
    fill = order.last_fill
    instrument = order.instrument
    fields["fillPx"] = text(instrument.price(fill.ticks)) if fill else ""
    fields["fillSz"] = text(instrument.size(fill.lots)) if fill else "0"
    fields["fillTime"] = str(fill.at_ms) if fill else ""
    fields["tradeId"] = fill.trade_id if fill else ""
    fields.update(_ABSENT)
    return fields


def fill_row(fill: FillRecord) -> dict[str, Any]:
    """An execution as `trade/fills` answers it; its fee is its own, not cumulative."""
    return {
        "instType": fill.inst_type,
        "instId": fill.inst_id,
        "tradeId": fill.trade_id,
        "ordId": str(fill.order_id),
        "clOrdId": fill.client_order_id,
        "billId": str(fill.bill_id),
        "subType": fill.sub_kind,
        "tag": fill.tag,
        "fillPx": text(fill.price),
        "fillSz": text(fill.quantity),
        "fillIdxPx": text(fill.mark),
        "fillPnl": text(fill.pnl),
        "fillPxVol": "",
        "fillPxUsd": "",
        "fillMarkVol": "",
        "fillFwdPx": "",
        "fillMarkPx": text(fill.mark) if fill.inst_type == "SWAP" else "",
        "side": fill.side,
        "posSide": fill.position_side,
        "execType": fill.exec_type,
        "feeCcy": fill.fee_currency,
        "fee": text(fill.fee),
        "feeRate": text(fill.fee_rate),
        "fillTime": str(fill.filled_ms),
        "ts": str(fill.recorded_ms),
    }


def _common(order: Order) -> dict[str, Any]:
    instrument = order.instrument
    settle = instrument.quote if instrument.is_swap else ""
    return {
        "instType": instrument.inst_type,
        "instId": instrument.inst_id,
        "ordId": str(order.order_id),
        "clOrdId": order.client_order_id,
        "tag": order.tag,
        "px": "" if order.ticks is None else text(instrument.price(order.ticks)),
        "sz": _size(order),
        "ordType": order.order_type,
        "side": order.side,
        "posSide": order.position_side if instrument.is_swap else "net",
        "tdMode": order.trade_mode,
        "ccy": order.currency,
        "tgtCcy": order.target_currency,
        "state": order.state,
        "accFillSz": text(instrument.size(order.filled_lots)),
        "fee": text(order.fee),
        "feeCcy": order.fee_currency,
        "rebate": "0",
        "rebateCcy": settle or (instrument.quote if order.is_buy else instrument.base),
        "pnl": text(order.pnl),
        "lever": "" if order.leverage is None else text(order.leverage),
        "reduceOnly": "true" if order.reduce_only else "false",
        "category": order.category,
        "cancelSource": order.cancel_source,
        "stpMode": order.stp_mode,
        "source": order.source,
        "algoId": str(order.algo_id) if order.algo_id else "",
        "algoClOrdId": order.algo_client_id,
        "attachAlgoOrds": [attachment_row(part) for part in order.attached],
        "tradeQuoteCcy": "" if instrument.is_swap else instrument.quote,
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def _size(order: Order) -> str:
    return text(order.instrument.size(order.lots) if order.budget is None else order.budget)


def _average(order: Order) -> str:
    average = order.average_price
    return "" if average is None else text(average)


def _notional(order: Order, last_price: Decimal) -> Decimal:
    if order.budget is not None:
        return order.budget
    price = last_price if order.ticks is None else order.instrument.price(order.ticks)
    return price * order.instrument.lot_value * order.lots


def _this_fill(order: Order) -> dict[str, Any]:
    fill = order.last_fill
    instrument = order.instrument
    if not order.fill_in_update or fill is None:
        return dict(NO_FILL)
    return {
        "fillPx": text(instrument.price(fill.ticks)),
        "fillSz": text(instrument.size(fill.lots)),
        "tradeId": fill.trade_id,
        "fillTime": str(fill.at_ms),
        "execType": fill.exec_type,
        "fillFee": text(fill.fee),
        "fillFeeCcy": fill.fee_ccy,
        "fillPnl": text(fill.pnl),
        "fillNotionalUsd": text(instrument.notional(fill.ticks, fill.lots)),
        "fillMarkPx": text(fill.mark) if instrument.is_swap else "",
    }

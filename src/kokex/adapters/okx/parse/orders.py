"""Orders and fills, pushed or asked for."""

from __future__ import annotations

import msgspec

from kokex.adapters.okx import wire, wire_reports
from kokex.adapters.okx.parse.scalars import Payload, guarded, known, moment, number, price, size
from kokex.adapters.okx.parse.words import SIDES, position_side
from kokex.domain.account_reports import FillReport
from kokex.domain.ids import is_stop_name
from kokex.domain.order import WOULD_HAVE_TAKEN, Fill, OrderStatus, OrderUpdate

_order_decoder = msgspec.json.Decoder(wire.OrderRow)
_fill_decoder = msgspec.json.Decoder(wire.FillRow)
_fill_push_decoder = msgspec.json.Decoder(wire_reports.FillPush)

_STATUSES = {
    "live": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "mmp_canceled": OrderStatus.CANCELED,
}
_MAKER = {"M": True, "T": False}

_POST_ONLY_WOULD_TAKE = "31"

_CANCEL_SOURCES = {
    "0": "the exchange",
    "1": "the user",
    "2": "too little margin for a reduce-only order",
    "3": "the exchange's risk control",
    "4": "the borrowing limit",
    "6": "auto-deleveraging",
    "7": "delivery",
    "13": "a fill-or-kill order that could not fill whole",
    "14": "the rest of an immediate-or-cancel order",
    "15": "the price band",
    "17": "the position was closed already",
    "20": "the cancel-all-after timer",
    "21": "the position of a stop was closed",
    "22": "a newer reduce-only order",
    "23": "a newer reduce-only order",
    "27": "a price more than 5 % away",
    "31": WOULD_HAVE_TAKEN,
    "32": "self-trade prevention",
    "33": "too many matches at once",
}


@guarded
def parse_order_push(payload: Payload) -> OrderUpdate:
    """One item of an `orders` push: the order, and the execution that this push reports.

    {"instType":"SWAP","instId":"BTC-USDT-SWAP","ordId":"26","clOrdId":"s1","px":"60000","sz":"3","ordType":"limit",
     "side":"buy","state":"partially_filled","accFillSz":"1","avgPx":"60000","tradeId":"900001","fillPx":"60000",
     "fillSz":"1","fillTime":"1795000005000","execType":"M","fillFee":"-0.12","fillFeeCcy":"USDT","fee":"-0.12",
     "feeCcy":"USDT","cTime":"1795000000000","uTime":"1795000005001"}
    """
    row = _order_decoder.decode(payload)
    return _order_update(row, bytes(payload), _pushed_fill(row))


@guarded
def parse_order_row(payload: Payload) -> OrderUpdate:
    """One REST row of an order. Its fill fields tell of the last fill again, so no fill is reported."""
    row = _order_decoder.decode(payload)
    return _order_update(row, bytes(payload), None)


def _order_update(row: wire.OrderRow, raw: bytes, fill: Fill | None) -> OrderUpdate:
    if b"\\" in raw and "\0" in f"{row.inst_id}{row.ord_id}{row.cl_ord_id}{row.trade_id}":
        raise ValueError("a NUL in a name, which no database keeps")
    status = _STATUSES[row.state]
    filled = size(row.acc_fill_sz)
    amended = row.amend_result or None
    updated_at = row.u_time or row.c_time or ""
    return OrderUpdate(
        inst_id=row.inst_id,
        order_id=row.ord_id,
        client_order_id=_name(row),
        side=SIDES[row.side],
        order_type=row.ord_type or "",
        status=status,
        quantity=filled if _sized_in_quote(row) else number(row.sz),
        price=price(row.px),
        filled_quantity=filled,
        average_price=price(row.avg_px),
        fee=known(row.fee),
        fee_currency=row.fee_ccy or None,
        created_at=moment(row.c_time or updated_at),
        occurred_at=moment(updated_at),
        fill=fill,
        request_id=row.req_id or None if amended else None,
        amend_result=amended,
        cancel_reason=_cancel_reason(row) if status is OrderStatus.CANCELED else None,
        never_live=row.cancel_source == _POST_ONLY_WOULD_TAKE,
        position_side=position_side(row.pos_side),
        raw=raw,
    )


def _sized_in_quote(row: wire.OrderRow) -> bool:
    """Whether `sz` is in quote currency, no quantity of ours; what has filled is then all that is known.

    OKX v5: a market buy of spot or margin is sized in quote by default, of spot unless `tgtCcy` says base.
    """
    if row.ord_type != "market" or row.inst_type not in ("SPOT", "MARGIN"):
        return False
    return row.tgt_ccy == "quote_ccy" or (not row.tgt_ccy and row.side == "buy")


def _pushed_fill(row: wire.OrderRow) -> Fill | None:
    # A liquidation's trade id is "0" here; unfilled orders have "" or "0" everywhere.
    quantity = size(row.fill_sz)
    if not quantity:
        return None
    return Fill(
        inst_id=row.inst_id,
        order_id=row.ord_id,
        trade_id=None if row.trade_id in ("", "0", None) else row.trade_id,
        side=SIDES[row.side],
        price=number(row.fill_px),
        quantity=quantity,
        fee=known(row.fill_fee),
        fee_currency=row.fill_fee_ccy or None,
        maker=_MAKER.get(row.exec_type or ""),
        occurred_at=moment(row.fill_time or row.u_time or ""),
        client_order_id=_name(row),
    )


def _name(row: wire.OrderRow) -> str | None:
    """Our name for it. What a stop became has none of its own (OKX v5); where the stop is ours it goes by that one's."""
    if row.cl_ord_id:
        return row.cl_ord_id
    return row.algo_cl_ord_id if is_stop_name(row.algo_cl_ord_id) else None


def _cancel_reason(row: wire.OrderRow) -> str | None:
    if not row.cancel_source:
        return row.cancel_source_reason or None
    source = _CANCEL_SOURCES.get(row.cancel_source)
    if source is None:
        return row.cancel_source_reason or f"canceled by the exchange for its reason {row.cancel_source}"
    return f"canceled by {source}"


@guarded
def parse_fill(payload: Payload) -> Fill:
    """One row of `trade/fills`."""
    row = _fill_decoder.decode(payload)
    return Fill(
        inst_id=row.inst_id,
        order_id=row.ord_id,
        trade_id=None if row.trade_id in ("", "0", None) else row.trade_id,
        side=SIDES[row.side],
        price=number(row.fill_px),
        quantity=number(row.fill_sz),
        fee=known(row.fee),
        fee_currency=row.fee_ccy or None,
        maker=_MAKER.get(row.exec_type or ""),
        occurred_at=moment(row.fill_time or row.ts or ""),
        client_order_id=row.cl_ord_id or None,
        bill_id=row.bill_id or None,
    )


@guarded
def parse_fill_push(payload: Payload) -> FillReport:
    """An item of the `fills` channel: no fee, no ledger entry; a taker's matches at one price are one.

    {"instId":"BTC-USDT-SWAP","ordId":"26","clOrdId":"0","tradeId":"900002","fillPx":"60000","fillSz":"2","side":"buy",
     "execType":"T","count":"3","ts":"1795000006000"}
    """
    row = _fill_push_decoder.decode(payload)
    fill = Fill(
        inst_id=row.inst_id,
        order_id=row.ord_id,
        trade_id=None if row.trade_id in ("", "0", None) else row.trade_id,
        side=SIDES[row.side],
        price=number(row.fill_px),
        quantity=number(row.fill_sz),
        fee=None,
        fee_currency=None,
        maker=_MAKER.get(row.exec_type or ""),
        occurred_at=moment(row.ts),
        client_order_id=None if row.cl_ord_id in ("", "0", None) else row.cl_ord_id,
    )
    return FillReport(fill, int(row.count or 1), bytes(payload))

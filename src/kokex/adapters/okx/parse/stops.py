"""Stops, which OKX calls algo orders: pushed or asked for."""

from __future__ import annotations

import msgspec

from kokex.adapters.okx import wire_reports
from kokex.adapters.okx.parse.scalars import Payload, guarded, moment, price
from kokex.adapters.okx.parse.words import SIDES
from kokex.domain.account_reports import StopReport, StopState

_decoder = msgspec.json.Decoder(wire_reports.StopRow)

_STATES = {
    "live": StopState.LIVE,
    "pause": StopState.LIVE,
    "effective": StopState.TRIGGERED,
    "partially_effective": StopState.TRIGGERED,
    # Not in OKX's list of states; others have met them.
    "order_placed": StopState.TRIGGERED,
    "filled": StopState.TRIGGERED,
    "canceled": StopState.CANCELED,
    "order_failed": StopState.FAILED,
    "partially_failed": StopState.FAILED,
}
_NO_FAILURE = frozenset({"", "0"})


@guarded
def parse_stop(payload: Payload, *, snapshot: bool = False) -> StopReport:
    """One stop as it stands.

    {"algoId":"581878926302093312","instId":"BTC-USDT-SWAP","ordType":"conditional","side":"sell","state":"effective",
     "sz":"3","slTriggerPx":"59000","tpTriggerPx":"","triggerPx":"","ordIdList":["2600000000000000009"],
     "triggerTime":"1795000009000","uTime":"1795000009001"}

    Args:
        snapshot: it is part of a list that was asked for, not news.
    """
    row = _decoder.decode(payload)
    state = _STATES[row.state]
    orders = tuple(row.ord_id_list or ()) or ((row.ord_id,) if row.ord_id else ())
    return StopReport(
        stop_id=row.algo_id,
        client_stop_id=row.algo_cl_ord_id or None,
        inst_id=row.inst_id,
        side=SIDES[row.side],
        order_type=row.ord_type or "",
        state=state,
        quantity=None if row.tgt_ccy == "quote_ccy" else price(row.sz),
        occurred_at=moment(row.u_time or row.trigger_time or row.p_time or row.c_time or ""),
        trigger_price=price(row.trigger_px) or price(row.move_trigger_px),
        stop_loss_price=price(row.sl_trigger_px),
        take_profit_price=price(row.tp_trigger_px),
        order_ids=orders,
        reason=_reason(row.fail_code) if state is StopState.FAILED else None,
        snapshot=snapshot,
        raw=bytes(payload),
    )


def _reason(code: str | None) -> str:
    if code is None or code in _NO_FAILURE:
        return "OKX could not place its order and does not say why"
    return f"OKX could not place its order: error {code}"

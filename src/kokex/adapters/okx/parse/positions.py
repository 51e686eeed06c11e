"""Positions and margin warnings, pushed or asked for."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from kokex.adapters.okx import wire_reports
from kokex.adapters.okx.parse.scalars import Payload, guarded, known, moment, number, price, size
from kokex.adapters.okx.parse.words import position_side
from kokex.domain.account_reports import MarginWarning, PositionReport
from kokex.domain.instrument import PositionSide

_decoder = msgspec.json.Decoder(wire_reports.PositionReportRow)
_TRADED = "SWAP"


@guarded
def parse_position_report(
    payload: Payload, *, snapshot: bool = False, cause: str | None = None
) -> PositionReport | None:
    """A position in a swap; None for one in something that KOKEX does not trade (margin, futures, options).

    {"instType":"SWAP","instId":"BTC-USDT-SWAP","mgnMode":"cross","posSide":"net","pos":"-3","avgPx":"60000",
     "markPx":"60010","liqPx":"","mgnRatio":"42.5","lever":"3","upl":"-0.3","realizedPnl":"1.2","tradeId":"900002",
     "uTime":"1795000006001","pTime":"1795000006050"}

    Args:
        snapshot: it is part of a full picture, not news.
        cause: why it changed, where that was told beside it.
    """
    row = _decoder.decode(payload)
    if row.inst_type != _TRADED:
        return None
    side = position_side(row.pos_side)
    return PositionReport(
        inst_id=row.inst_id,
        margin_mode=row.mgn_mode or "",
        side=side,
        quantity=_signed(number(row.pos), side),
        average_price=price(row.avg_px),
        occurred_at=moment(row.u_time or row.p_time or ""),
        mark_price=price(row.mark_px),
        liquidation_price=price(row.liq_px),
        margin_ratio=known(row.mgn_ratio),
        leverage=known(row.lever),
        unrealised_pnl=known(row.upl),
        realised_pnl=known(row.realized_pnl),
        trade_id=row.trade_id or None,
        cause=cause,
        snapshot=snapshot,
        raw=bytes(payload),
    )


@guarded
def parse_margin_warning(payload: Payload) -> MarginWarning | None:
    """An item of `liquidation-warning`; None for a position in something that KOKEX does not trade."""
    row = _decoder.decode(payload)
    if row.inst_type != _TRADED:
        return None
    side = position_side(row.pos_side)
    return MarginWarning(
        inst_id=row.inst_id,
        margin_mode=row.mgn_mode or "",
        side=side,
        quantity=_signed(size(row.pos), side),
        occurred_at=moment(row.p_time or row.u_time or ""),
        margin_ratio=known(row.mgn_ratio),
        mark_price=price(row.mark_px),
        liquidation_price=price(row.liq_px),
        raw=bytes(payload),
    )


def _signed(quantity: Decimal, side: PositionSide) -> Decimal:
    return -abs(quantity) if side is PositionSide.SHORT else quantity

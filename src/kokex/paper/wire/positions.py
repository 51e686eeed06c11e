"""Positions on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kokex.paper.decimals import optional_text, quotient, text
from kokex.paper.exchange.valuation import watched_price
from kokex.paper.ledger.account import Account, Position
from kokex.paper.ledger.margin import liquidation_price, maintenance_margin, margin_state


@dataclass(frozen=True, slots=True)
class View:
    """Prices and time at which an account is shown."""

    marks: Mapping[str, Decimal]
    """By instrument."""
    prices: Mapping[str, Decimal]
    """USDT value by currency."""
    now_ms: int


def position_row(account: Account, position: Position, view: View) -> dict[str, Any]:
    """`account/positions` and one item of the positions channel."""
    instrument = position.instrument
    mark = view.marks[instrument.inst_id]
    flat = position.lots == 0
    state = margin_state(account, view.marks)
    upl = position.unrealised(mark)
    margin = position.initial_margin(mark)
    isolated = position.margin_mode == "isolated"
    maintenance = maintenance_margin(position, mark)
    lots = position.lots if position.side == "net" else abs(position.lots)
    backing = margin + upl if isolated else state.cross_equity
    return {
        "instType": instrument.inst_type,
        "instId": instrument.inst_id,
        "mgnMode": position.margin_mode,
        "posId": str(position.position_id),
        "posSide": position.side,
        "pos": text(instrument.size(lots)),
        "posCcy": "",
        "availPos": text(instrument.size(abs(position.lots))) if position.side != "net" else "",
        "avgPx": "" if flat else text(position.average_price),
        "nonSettleAvgPx": "",
        "markPx": text(mark),
        "last": text(mark),
        "idxPx": text(watched_price(view.marks, instrument, "index")),
        "usdPx": "1",
        "upl": text(upl),
        "uplRatio": text(quotient(upl, margin)) if margin else "0",
        "uplLastPx": text(upl),
        "uplRatioLastPx": text(quotient(upl, margin)) if margin else "0",
        "lever": text(position.leverage),
        "liqPx": optional_text(liquidation_price(position, state, mark)),
        "margin": text(margin) if isolated else "",
        "imr": "" if isolated else text(margin),
        "mmr": text(maintenance),
        "mgnRatio": ratio(backing, maintenance if isolated else state.maintenance),
        "notionalUsd": text(position.notional(mark)),
        "adl": "1",
        "ccy": instrument.quote,
        "tradeId": position.last_trade_id,
        "interest": "",
        "realizedPnl": text(position.realised),
        "settledPnl": "",
        "pnl": text(position.pnl),
        "fee": text(position.fee),
        "fundingFee": text(position.funding),
        "liqPenalty": text(position.penalty),
        "bePx": "",
        "baseBal": "",
        "quoteBal": "",
        "baseBorrowed": "",
        "baseInterest": "",
        "quoteBorrowed": "",
        "quoteInterest": "",
        "liab": "",
        "liabCcy": "",
        "optVal": "",
        "deltaBS": "",
        "deltaPA": "",
        "gammaBS": "",
        "gammaPA": "",
        "thetaBS": "",
        "thetaPA": "",
        "vegaBS": "",
        "vegaPA": "",
        "spotInUseAmt": "",
        "spotInUseCcy": "",
        "clSpotInUseAmt": "",
        "maxSpotInUseAmt": "",
        "bizRefId": "",
        "bizRefType": "",
        "pendingCloseOrdLiabVal": "",
        "closeOrderAlgo": [],
        "cTime": str(position.created_ms),
        "uTime": str(position.updated_ms),
        "pTime": str(view.now_ms),
    }


def warning_row(account: Account, position: Position, view: View) -> dict[str, Any]:
    """One item of the liquidation-warning channel."""
    row = position_row(account, position, view)
    names = (
        "cTime",
        "ccy",
        "instId",
        "instType",
        "lever",
        "markPx",
        "mgnMode",
        "mgnRatio",
        "pTime",
        "pos",
        "posCcy",
        "posId",
        "posSide",
        "uTime",
    )
    return {name: row[name] for name in names}


def brief_position(position: Position) -> dict[str, Any]:
    """A position in the balance_and_position channel."""
    lots = position.lots if position.side == "net" else abs(position.lots)
    return {
        "posId": str(position.position_id),
        "tradeId": position.last_trade_id,
        "instId": position.instrument.inst_id,
        "instType": position.instrument.inst_type,
        "mgnMode": position.margin_mode,
        "posSide": position.side,
        "pos": text(position.instrument.size(lots)),
        "ccy": position.instrument.quote,
        "posCcy": "",
        "avgPx": "" if not position.lots else text(position.average_price),
        "nonSettleAvgPx": "",
        "settledPnl": "",
        "uTime": str(position.updated_ms),
    }


def ratio(equity: Decimal, maintenance: Decimal) -> str:
    """`mgnRatio`, empty where nothing needs margin."""
    return text(quotient(equity, maintenance)) if maintenance else ""

"""Positions on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

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


_UNUSED: Final = (
    *("posCcy", "nonSettleAvgPx", "interest", "settledPnl", "bePx"),
    *("baseBal", "quoteBal", "baseBorrowed", "baseInterest", "quoteBorrowed", "quoteInterest"),
    *("liab", "liabCcy", "pendingCloseOrdLiabVal"),
    *("optVal", "deltaBS", "deltaPA", "gammaBS", "gammaPA", "thetaBS", "thetaPA", "vegaBS", "vegaPA"),
    *("spotInUseAmt", "spotInUseCcy", "clSpotInUseAmt", "maxSpotInUseAmt"),
    *("bizRefId", "bizRefType"),
)
"""Always there, and empty for a perpetual that is margined in its quote currency."""

_WARNED: Final = (
    *("cTime", "ccy", "instId", "instType", "lever", "markPx", "mgnMode", "mgnRatio"),
    *("pTime", "pos", "posCcy", "posId", "posSide", "uTime"),
)
"""What a liquidation warning tells of a position."""


def position_row(account: Account, position: Position, view: View) -> dict[str, Any]:
    """`account/positions` and one item of the positions channel."""
    mark = view.marks[position.instrument.inst_id]
    return {
        **dict.fromkeys(_UNUSED, ""),
        **_holding(position),
        **_value(position, mark, view),
        **_margin(account, position, mark, view),
        **_results(position),
        "closeOrderAlgo": [],
        "cTime": str(position.created_ms),
        "uTime": str(position.updated_ms),
        "pTime": str(view.now_ms),
    }


def _holding(position: Position) -> dict[str, Any]:
    """What is held."""
    instrument = position.instrument
    one_way = position.side == "net"
    return {
        "instType": instrument.inst_type,
        "instId": instrument.inst_id,
        "mgnMode": position.margin_mode,
        "posId": str(position.position_id),
        "posSide": position.side,
        "pos": _quantity(position),
        "availPos": "" if one_way else _quantity(position),
        "avgPx": _average_price(position),
        "lever": text(position.leverage),
        "ccy": instrument.quote,
        "tradeId": position.last_trade_id,
    }


def _value(position: Position, mark: Decimal, view: View) -> dict[str, Any]:
    """Prices, and what the position is worth and has gained at them. Paper has one price: last is mark."""
    upl = position.unrealised(mark)
    margin = position.initial_margin(mark)
    share = text(quotient(upl, margin)) if margin else "0"
    return {
        "markPx": text(mark),
        "last": text(mark),
        "idxPx": text(watched_price(view.marks, position.instrument, "index")),
        "usdPx": "1",
        "upl": text(upl),
        "uplRatio": share,
        "uplLastPx": text(upl),
        "uplRatioLastPx": share,
        "notionalUsd": text(position.notional(mark)),
    }


def _margin(account: Account, position: Position, mark: Decimal, view: View) -> dict[str, Any]:
    """What backs the position, and how near it is to liquidation."""
    state = margin_state(account, view.marks)
    margin = position.initial_margin(mark)
    maintenance = maintenance_margin(position, mark)
    if position.margin_mode == "isolated":
        mode = {
            "margin": text(margin),
            "imr": "",
            "mgnRatio": ratio(margin + position.unrealised(mark), maintenance),
        }
    else:
        mode = {"margin": "", "imr": text(margin), "mgnRatio": ratio(state.cross_equity, state.maintenance)}
    return {
        "liqPx": optional_text(liquidation_price(position, state, mark)),
        "mmr": text(maintenance),
        "adl": "1",
        **mode,
    }


def _results(position: Position) -> dict[str, Any]:
    """What it has brought and cost so far."""
    return {
        "realizedPnl": text(position.realised),
        "pnl": text(position.pnl),
        "fee": text(position.fee),
        "fundingFee": text(position.funding),
        "liqPenalty": text(position.penalty),
    }


def _quantity(position: Position) -> str:
    """Contracts: signed where one position holds both directions."""
    lots = position.lots if position.side == "net" else abs(position.lots)
    return text(position.instrument.size(lots))


def _average_price(position: Position) -> str:
    return text(position.average_price) if position.lots else ""


def warning_row(account: Account, position: Position, view: View) -> dict[str, Any]:
    """One item of the liquidation-warning channel."""
    row = position_row(account, position, view)
    return {name: row[name] for name in _WARNED}


def brief_position(position: Position) -> dict[str, Any]:
    """A position in the balance_and_position channel."""
    return {
        "posId": str(position.position_id),
        "tradeId": position.last_trade_id,
        "instId": position.instrument.inst_id,
        "instType": position.instrument.inst_type,
        "mgnMode": position.margin_mode,
        "posSide": position.side,
        "pos": _quantity(position),
        "ccy": position.instrument.quote,
        "posCcy": "",
        "avgPx": _average_price(position),
        "nonSettleAvgPx": "",
        "settledPnl": "",
        "uTime": str(position.updated_ms),
    }


def ratio(equity: Decimal, maintenance: Decimal) -> str:
    """`mgnRatio`, empty where nothing needs margin."""
    return text(quotient(equity, maintenance)) if maintenance else ""

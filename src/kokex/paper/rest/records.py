"""What an account has been through: bills, closed positions, and the empty funding account."""

from __future__ import annotations

from typing import Any

from kokex.paper.decimals import text
from kokex.paper.gateway.limits import Limit
from kokex.paper.ledger.account import Position
from kokex.paper.rest.call import Call, Data, Route
from kokex.paper.rest.paging import page
from kokex.paper.wire.account import bill_row


def bills(call: Call) -> Data:
    """Every change of a balance, newest first."""
    ccy, kind, sub = call.text("ccy"), call.text("type"), call.text("subType")
    inst_type, inst_id = call.text("instType"), call.text("instId")
    rows = [
        bill
        for bill in call.exchange.records.bills[call.account.uid]
        if ccy in ("", bill.currency)
        and kind in ("", bill.kind)
        and sub in ("", bill.sub_kind)
        and inst_type in ("", bill.inst_type)
        and inst_id in ("", bill.inst_id)
    ]
    shown = page(call, rows, number=lambda bill: bill.bill_id, moment=lambda bill: bill.at_ms)
    return [bill_row(bill) for bill in shown]


def currencies(call: Call) -> Data:
    """Currencies of the listed products; nothing can be deposited or withdrawn."""
    names = {name for item in call.exchange.instruments.values() for name in (item.base, item.quote)}
    chosen = call.chosen("ccy") or names
    return [_currency(name) for name in sorted(names & chosen)]


def _currency(name: str) -> dict[str, Any]:
    return {
        "burningFeeRate": "",
        "canDep": False,
        "canInternal": False,
        "canWd": False,
        "ccy": name,
        "chain": f"{name}-Paper",
        "ctAddr": "",
        "depEstOpenTime": "",
        "depQuotaFixed": "",
        "depQuoteDailyLayer2": "",
        "fee": "0",
        "logoLink": "",
        "mainNet": True,
        "maxFee": "0",
        "maxFeeForCtAddr": "",
        "maxWd": "0",
        "minDep": "0",
        "minDepArrivalConfirm": "1",
        "minFee": "0",
        "minFeeForCtAddr": "",
        "minInternal": "0",
        "minWd": "0",
        "minWdUnlockConfirm": "1",
        "name": name,
        "needTag": False,
        "usedDepQuotaFixed": "",
        "usedWdQuota": "0",
        "wdEstOpenTime": "",
        "wdQuota": "0",
        "wdTickSz": "8",
    }


def asset_balances(call: Call) -> Data:
    """The funding account, which the paper exchange keeps empty."""
    return []


def positions_history(call: Call) -> Data:
    """Perpetual positions that are closed now, newest first."""
    kind, inst_id = call.text("instType"), call.text("instId")
    closed = [
        position
        for position in call.account.positions.values()
        if not position.lots
        and position.closed_lots
        and kind in ("", position.instrument.inst_type)
        and inst_id in ("", position.instrument.inst_id)
    ]
    closed.sort(key=lambda position: position.updated_ms, reverse=True)
    return [_closed_row(position) for position in closed[: call.limit()]]


def _closed_row(position: Position) -> dict[str, str]:
    instrument = position.instrument
    opened = position.opened_cost / position.opened_lots
    return {
        "instType": instrument.inst_type,
        "instId": instrument.inst_id,
        "mgnMode": position.margin_mode,
        "type": "2",
        "cTime": str(position.created_ms),
        "uTime": str(position.updated_ms),
        "openAvgPx": text(round(opened, 12)),
        "closeAvgPx": text(round(position.closed_value / position.closed_lots, 12)),
        "posId": str(position.position_id),
        "openMaxPos": text(instrument.size(position.opened_lots)),
        "closeTotalPos": text(instrument.size(position.closed_lots)),
        "realizedPnl": text(position.realised),
        "settledPnl": "",
        "fee": text(position.fee),
        "fundingFee": text(position.funding),
        "liqPenalty": text(position.penalty),
        "pnl": text(position.pnl),
        "pnlRatio": "",
        "posSide": position.side,
        "lever": text(position.leverage),
        "direction": position.direction,
        "triggerPx": "",
        "uly": instrument.family,
        "ccy": instrument.quote,
    }


ROUTES = {
    ("GET", "account/bills"): Route(bills, Limit(5, 1.0, scope="user"), private=True),
    ("GET", "account/bills-archive"): Route(bills, Limit(5, scope="user"), private=True),
    ("GET", "account/positions-history"): Route(positions_history, Limit(10, scope="user"), private=True),
    ("GET", "asset/currencies"): Route(currencies, Limit(6, 1.0, scope="user"), private=True),
    ("GET", "asset/balances"): Route(asset_balances, Limit(6, 1.0, scope="user"), private=True),
}

"""Private account data and settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.paper.decimals import ONE, ZERO, text
from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.exchange.request import positive
from kokex.paper.gateway.limits import Limit
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Position
from kokex.paper.ledger.margin import free_cash, margin_state
from kokex.paper.rest.call import Call, Data, Route
from kokex.paper.rest.paging import page
from kokex.paper.rest.public import instruments
from kokex.paper.wire.account import balance, bill_row, config_row, leverage_row, position_row


def account_balance(call: Call) -> Data:
    """Non-zero currencies, or those asked for."""
    return [balance(call.account, call.view, call.chosen("ccy") or None)]


def positions(call: Call) -> Data:
    """Open positions; one that is asked for by `instId` is shown even when it is closed."""
    kind, inst_ids, ids = call.text("instType"), call.chosen("instId"), call.chosen("posId")
    shown = [
        position
        for position in call.account.positions.values()
        if kind in ("", position.instrument.inst_type)
        and (not inst_ids or position.instrument.inst_id in inst_ids)
        and (not ids or str(position.position_id) in ids)
        and (position.lots or inst_ids)
    ]
    return [position_row(call.account, position, call.view) for position in shown]


def config(call: Call) -> Data:
    """Account settings."""
    return [config_row(call.account, call.account.level)]


def set_leverage(call: Call) -> Data:
    """Leverage of a perpetual, by margin mode and (isolated, long/short) side."""
    item = call.instrument()
    leverage = positive("lever", call.text("lever"))
    mode = call.text("mgnMode")
    if mode not in ("cross", "isolated"):
        raise malformed("mgnMode")
    if not item.is_swap:
        raise RejectionError("51000", "Parameter instId error: leverage applies to perpetuals only")
    if leverage > item.max_leverage:
        raise RejectionError("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
    account = call.account
    if account.long_short_mode and mode == "isolated" and not call.text("posSide"):
        raise malformed("posSide")
    sides = [call.text("posSide")] if call.text("posSide") else ["net", "long", "short"]
    for side in sides:
        _apply_leverage(call, (item.inst_id, mode, side), leverage)
    shown = call.text("posSide") or ("net" if not account.long_short_mode else "")
    return [{"instId": item.inst_id, "lever": text(leverage), "mgnMode": mode, "posSide": shown}]


def _apply_leverage(call: Call, key: tuple[str, str, str], leverage: Decimal) -> None:
    account = call.account
    position = account.positions.get(key)
    if position is not None and position.lots:
        mark = call.exchange.marks[key[0]]
        before = position.leverage
        position.leverage = leverage
        if margin_state(account, call.exchange.marks).available < 0 and leverage < before:
            position.leverage = before
            needed = text(position.notional(mark))
            raise RejectionError(
                "59110", f"Insufficient margin for leverage {leverage} on a position of {needed} USDT."
            )
    account.leverage[key] = leverage


def leverage_info(call: Call) -> Data:
    """Leverage that is set, by side."""
    mode = call.text("mgnMode")
    if not mode:
        raise missing("mgnMode")
    wanted = call.chosen("instId")
    if not wanted:
        raise missing("instId")
    account = call.account
    sides = ["long", "short"] if account.long_short_mode else ["net"]
    items = [call.exchange.desk.instrument(inst_id) for inst_id in sorted(wanted)]
    return [
        leverage_row(item, mode, side, account.leverage_of(item.inst_id, mode, side) if item.is_swap else ONE)
        for item in items
        for side in sides
    ]


def max_size(call: Call) -> Data:
    """Largest order now: base currency for spot, contracts for swaps."""
    mode = call.text("tdMode")
    if not mode:
        raise missing("tdMode")
    rows = []
    for inst_id in call.text("instId").split(","):
        item = call.exchange.desk.instrument(inst_id)
        price_text = call.text("px")
        price = positive("px", price_text) if price_text else call.exchange.marks[item.inst_id]
        most_buy, most_sell = _largest(call, item, mode, price)
        rows.append(
            {"instId": inst_id, "ccy": call.text("ccy"), "maxBuy": text(most_buy), "maxSell": text(most_sell)}
        )
    return rows


def _largest(call: Call, item: Instrument, mode: str, price: Decimal) -> tuple[Decimal, Decimal]:
    account, marks = call.account, call.exchange.marks
    if not item.is_swap:
        buy = free_cash(account, item.quote, marks) / price
        return _whole(item, buy), _whole(item, free_cash(account, item.base, marks))
    side = "net" if not account.long_short_mode else "long"
    leverage = account.leverage_of(item.inst_id, mode, side)
    available = max(ZERO, margin_state(account, marks).available)
    rate = call.exchange.config.fees[item.inst_type].taker
    opening = available / (price * item.contract_value * (ONE / leverage + rate))
    position = account.positions.get((item.inst_id, mode, side))
    held = item.size(position.lots) if position is not None else ZERO
    return _whole(item, opening + max(ZERO, -held)), _whole(item, opening + max(ZERO, held))


def _whole(item: Instrument, quantity: Decimal) -> Decimal:
    return quantity // item.lot * item.lot


def max_avail_size(call: Call) -> Data:
    """Funds that an order may use: quote to buy, base to sell; margin for swaps."""
    rows = []
    for inst_id in call.text("instId").split(","):
        item = call.exchange.desk.instrument(inst_id)
        marks = call.exchange.marks
        if item.is_swap:
            buy = sell = max(ZERO, margin_state(call.account, marks).available)
        else:
            buy = free_cash(call.account, item.quote, marks)
            sell = free_cash(call.account, item.base, marks)
        rows.append({"instId": inst_id, "availBuy": text(buy), "availSell": text(sell)})
    return rows


def trade_fee(call: Call) -> Data:
    """Fee rates of a type; OKX v5: negative is charged."""
    kind = call.text("instType")
    rates = call.exchange.config.fees.get(kind)
    if rates is None:
        raise malformed("instType")
    maker, taker = text(-rates.maker), text(-rates.taker)
    groups = sorted({item.group_id for item in call.exchange.instruments.values() if item.inst_type == kind})
    swap = kind == "SWAP"
    row: dict[str, Any] = {
        "category": "1",
        "delivery": "",
        "exercise": "",
        "feeGroup": [{"groupId": group, "maker": maker, "taker": taker} for group in groups],
        "fiat": [],
        "instType": kind,
        "level": "Lv1",
        "maker": maker,
        "makerU": maker if swap else "",
        "makerUSDC": "",
        "ruleType": "normal",
        "settle": "",
        "taker": taker,
        "takerU": taker if swap else "",
        "takerUSDC": "",
        "ts": str(call.wall_ms),
    }
    return [row]


def set_position_mode(call: Call) -> Data:
    """Net or long/short; not while positions or swap orders are open."""
    mode = call.text("posMode")
    if mode not in ("net_mode", "long_short_mode"):
        raise malformed("posMode")
    account = call.account
    wanted = mode == "long_short_mode"
    if wanted != account.long_short_mode:
        busy = any(order.instrument.is_swap for order in call.exchange.records.open_orders(account.uid))
        if busy or account.open_positions():
            raise RejectionError("59000", "Setting failed. Cancel any open orders and close positions first.")
        account.long_short_mode = wanted
    return [{"posMode": mode}]


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
        "realizedPnl": text(position.pnl + position.fee + position.penalty),
        "settledPnl": "",
        "fee": text(position.fee),
        "fundingFee": "0",
        "liqPenalty": text(position.penalty),
        "pnl": text(position.pnl),
        "pnlRatio": "",
        "posSide": position.side,
        "lever": text(position.leverage),
        "direction": "",
        "triggerPx": "",
        "uly": instrument.family,
        "ccy": instrument.quote,
    }


_TEN, _TWENTY, _FIVE = Limit(10, scope="user"), Limit(20, scope="user"), Limit(5, scope="user")

ROUTES = {
    ("GET", "account/balance"): Route(account_balance, _TEN, private=True),
    ("GET", "account/positions"): Route(positions, _TEN, private=True),
    ("GET", "account/positions-history"): Route(positions_history, _TEN, private=True),
    ("GET", "account/config"): Route(config, _FIVE, private=True),
    ("GET", "account/instruments"): Route(instruments, _TWENTY, private=True),
    ("POST", "account/set-leverage"): Route(set_leverage, _TWENTY, private=True),
    ("GET", "account/leverage-info"): Route(leverage_info, _TWENTY, private=True),
    ("GET", "account/max-size"): Route(max_size, _TWENTY, private=True),
    ("GET", "account/max-avail-size"): Route(max_avail_size, _TWENTY, private=True),
    ("GET", "account/trade-fee"): Route(trade_fee, _FIVE, private=True),
    ("POST", "account/set-position-mode"): Route(set_position_mode, _FIVE, private=True),
    ("GET", "account/bills"): Route(bills, Limit(5, 1.0, scope="user"), private=True),
    ("GET", "account/bills-archive"): Route(bills, _FIVE, private=True),
    ("GET", "asset/currencies"): Route(currencies, Limit(6, 1.0, scope="user"), private=True),
    ("GET", "asset/balances"): Route(asset_balances, Limit(6, 1.0, scope="user"), private=True),
}

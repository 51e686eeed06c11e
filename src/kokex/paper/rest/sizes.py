"""How much an account may order, and what it pays for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.paper.decimals import ONE, ZERO, text
from kokex.paper.exchange.rejection import malformed, missing
from kokex.paper.exchange.request import positive
from kokex.paper.gateway.limits import Limit
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.margin import free_cash, margin_state
from kokex.paper.rest.call import Call, Data, Route
from kokex.paper.wire.account import fee_level


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
        "level": fee_level(call.account),
        "maker": maker,
        "makerU": maker if swap else "",
        "makerUSDC": "",
        "ruleType": "normal",
        "settle": "",
        "taker": taker,
        "takerU": taker if swap else "",
        "takerUSDC": "",
        "ts": str(call.wall_ms),
        "uly": "",
    }
    return [row]


ROUTES = {
    ("GET", "account/max-size"): Route(max_size, Limit(20, scope="user"), private=True),
    ("GET", "account/max-avail-size"): Route(max_avail_size, Limit(20, scope="user"), private=True),
    ("GET", "account/trade-fee"): Route(trade_fee, Limit(5, scope="user"), private=True),
}

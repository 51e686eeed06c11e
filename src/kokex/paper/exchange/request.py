"""From the fields of an order request to an order, checked as OKX checks it (codes of OKX v5)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.matching.order import Order

_PRICED = ("limit", "post_only", "fok", "ioc")
_UNPRICED = ("market", "optimal_limit_ioc")
_STP_MODES = ("cancel_maker", "cancel_taker", "cancel_both")
_UNSUPPORTED = ("slippagePct", "pxUsd", "pxVol")
"""Parameters that change what an order does and that the paper exchange would have to ignore."""
PRICE_BAND = Decimal("0.05")
"""How far from the mark an order may be priced in its own disfavour."""


def field(fields: Mapping[str, Any], name: str) -> str:
    """A parameter as text; absent, null and empty are all the empty string. Numbers are written plainly."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def required(fields: Mapping[str, Any], name: str) -> str:
    """A parameter that must be there."""
    value = field(fields, name)
    if not value:
        raise missing(name)
    return value


def positive(name: str, value: str) -> Decimal:
    """A number above 0."""
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise malformed(name) from error
    if not number.is_finite() or number <= 0 or number.adjusted() > 20:
        raise malformed(name)
    return number


def parse_ticks(instrument: Instrument, name: str, value: str) -> int:
    """A price as whole ticks; a price between ticks is refused (OKX leaves this open)."""
    ticks = positive(name, value) / instrument.tick
    if ticks != ticks.to_integral_value():
        raise RejectionError(
            "51150", f"The precision of the price {value} exceeds the tick size {instrument.tick}."
        )
    return int(ticks)


def parse_lots(instrument: Instrument, name: str, value: str) -> int:
    """A quantity as whole lots, at least the minimum."""
    quantity = positive(name, value)
    if quantity < instrument.min_size:
        raise RejectionError("51020", "Your order should meet or exceed the minimum order amount.")
    lots = quantity / instrument.lot
    if lots != lots.to_integral_value():
        raise RejectionError("51121", "Order quantity must be a multiple of the lot size.")
    return int(lots)


def parse_order(account: Account, instrument: Instrument, fields: Mapping[str, Any]) -> Order:
    """A well-formed order, not numbered yet; funds, price band and positions are checked elsewhere."""
    side = required(fields, "side")
    order_type = required(fields, "ordType")
    size_text = required(fields, "sz")
    if side not in ("buy", "sell"):
        raise malformed("side")
    if order_type not in _PRICED + _UNPRICED or (
        order_type == "optimal_limit_ioc" and not instrument.is_swap
    ):
        raise malformed("ordType")
    order = Order(
        order_id=0,
        account_uid=account.uid,
        instrument=instrument,
        side=side,
        order_type=order_type,
        trade_mode=parse_trade_mode(instrument, fields),
        position_side=parse_position_side(account, instrument, field(fields, "posSide")),
        client_order_id=parse_name(fields, "clOrdId", 32),
        tag=parse_name(fields, "tag", 16),
        currency=field(fields, "ccy"),
        stp_mode=field(fields, "stpMode") or "cancel_maker",
        reduce_only=instrument.is_swap and field(fields, "reduceOnly") == "true",
    )
    for name in _UNSUPPORTED:
        if fields.get(name):
            raise RejectionError("51000", f"Parameter {name} error: the paper exchange does not have it")
    if order.stp_mode not in _STP_MODES:
        raise malformed("stpMode")
    if order.stp_mode == "cancel_both" and order_type == "fok":
        raise RejectionError("50016", "Parameter stpMode and ordType do not match.")
    if order_type in _PRICED:
        order.ticks = parse_ticks(instrument, "px", required(fields, "px"))
    if instrument.is_swap:
        order.leverage = account.leverage_of(*order.position_key)
    _set_size(order, fields, size_text)
    return order


def parse_trade_mode(instrument: Instrument, fields: Mapping[str, Any]) -> str:
    """`tdMode`: cash on spot, cross or isolated on perpetuals."""
    mode = required(fields, "tdMode")
    allowed = ("cross", "isolated") if instrument.is_swap else ("cash",)
    if mode not in allowed:
        raise malformed("tdMode")
    return mode


def parse_position_side(account: Account, instrument: Instrument, value: str) -> str:
    """`posSide`: net, or long and short where the account keeps them apart."""
    if not instrument.is_swap:
        return "net"
    if account.long_short_mode:
        if value not in ("long", "short"):
            raise malformed("posSide")
        return value
    if value not in ("", "net"):
        raise malformed("posSide")
    return "net"


def parse_name(fields: Mapping[str, Any], name: str, longest: int) -> str:
    """A name that the client chose: letters and digits."""
    value = field(fields, name)
    if value and not (len(value) <= longest and value.isascii() and value.isalnum()):
        raise malformed(name)
    return value


def _set_size(order: Order, fields: Mapping[str, Any], size_text: str) -> None:
    """OKX v5: a spot market buy is sized in quote unless `tgtCcy` says otherwise, a sell in base."""
    instrument = order.instrument
    if instrument.is_swap or order.order_type != "market":
        order.lots = parse_lots(instrument, "sz", size_text)
    else:
        target = field(fields, "tgtCcy") or ("quote_ccy" if order.is_buy else "base_ccy")
        if target not in ("base_ccy", "quote_ccy"):
            raise malformed("tgtCcy")
        order.target_currency = target
        if target == "quote_ccy":
            order.budget = positive("sz", size_text)
        else:
            order.lots = parse_lots(instrument, "sz", size_text)
    largest = instrument.max_market_size if order.order_type == "market" else instrument.max_limit_size
    if order.budget is None and instrument.size(order.lots) > largest:
        code = "51202" if order.order_type == "market" else "51101"
        raise RejectionError(code, f"The order quantity exceeds the maximum of {largest}.")

"""Public data: time, instruments, marks, limits, funding."""

from __future__ import annotations

from kokex.paper.decimals import text
from kokex.paper.exchange.checks import band
from kokex.paper.exchange.rejection import malformed, missing
from kokex.paper.gateway.limits import Limit
from kokex.paper.instruments import Instrument
from kokex.paper.matching.funding import INTERVAL_MS as FUNDING_INTERVAL_MS
from kokex.paper.rest.call import Call, Data, Route
from kokex.paper.wire.market import funding_row, instrument_row, mark_row

_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")


def server_time(call: Call) -> Data:
    """The gateway's clock, which is wall-clock time."""
    return [{"ts": str(call.wall_ms)}]


def instruments(call: Call) -> Data:
    """Products of a type."""
    return [instrument_row(item) for item in _of_type(call)]


def mark_price(call: Call) -> Data:
    """Mark prices: the last price of the paper market. `instType` may be left out beside an `instId`."""
    exchange = call.exchange
    items = [call.instrument()] if call.text("instId") and not call.text("instType") else _of_type(call)
    return [mark_row(item, exchange.marks[item.inst_id], exchange.now_ms) for item in items]


def price_limit(call: Call) -> Data:
    """Highest bid and lowest offer that are taken."""
    item = call.instrument()
    highest, lowest = band(item, call.exchange.marks[item.inst_id])
    row = {
        "instType": item.inst_type,
        "instId": item.inst_id,
        "buyLmt": text(item.price(highest)),
        "sellLmt": text(item.price(lowest)),
        "ts": str(call.exchange.now_ms),
        "enabled": True,
    }
    return [row]


def funding_rate(call: Call) -> Data:
    """The constant funding rate of a perpetual."""
    if call.text("instId") == "ANY":
        swaps = [item for item in call.exchange.instruments.values() if item.is_swap]
        return [funding_row(item, call.exchange.now_ms, call.exchange.config.funding_rate) for item in swaps]
    return [funding_row(_swap(call), call.exchange.now_ms, call.exchange.config.funding_rate)]


def funding_rate_history(call: Call) -> Data:
    """Past funding times, newest first, all at the constant rate."""
    item = _swap(call)
    now_ms = call.exchange.now_ms
    rate = text(call.exchange.config.funding_rate)
    newest = min(now_ms, call.number("after", now_ms + 1) - 1) // FUNDING_INTERVAL_MS
    oldest = call.number("before", call.exchange.feed.start_ms) // FUNDING_INTERVAL_MS
    count = min(call.limit(most=400), max(0, newest - oldest))
    return [
        {
            "instType": item.inst_type,
            "instId": item.inst_id,
            "fundingRate": rate,
            "realizedRate": rate,
            "fundingTime": str((newest - step) * FUNDING_INTERVAL_MS),
            "method": "current_period",
            "formulaType": "withRate",
        }
        for step in range(count)
    ]


def status(call: Call) -> Data:
    """No maintenance is ever planned."""
    return []


def underlying(call: Call) -> Data:
    """Pairs behind contracts."""
    if call.text("instType") != "SWAP":
        return [[]]
    return [sorted({item.family for item in call.exchange.instruments.values() if item.is_swap})]


def _of_type(call: Call) -> list[Instrument]:
    kind = call.text("instType")
    if not kind:
        raise missing("instType")
    if kind not in _TYPES:
        raise malformed("instType")
    inst_id, family = call.text("instId"), call.text("instFamily")
    return [
        item
        for item in call.exchange.instruments.values()
        if item.inst_type == kind and inst_id in ("", item.inst_id) and family in ("", item.family)
    ]


def _swap(call: Call) -> Instrument:
    item = call.instrument()
    if not item.is_swap:
        raise malformed("instId")
    return item


ROUTES = {
    ("GET", "public/time"): Route(server_time, Limit(10)),
    ("GET", "public/instruments"): Route(instruments, Limit(20)),
    ("GET", "public/underlying"): Route(underlying, Limit(20)),
    ("GET", "public/mark-price"): Route(mark_price, Limit(10)),
    ("GET", "public/price-limit"): Route(price_limit, Limit(20)),
    ("GET", "public/funding-rate"): Route(funding_rate, Limit(10)),
    ("GET", "public/funding-rate-history"): Route(funding_rate_history, Limit(10)),
    ("GET", "system/status"): Route(status, Limit(1, 5.0)),
}

"""Which channel lives on which path, and what its argument must say (OKX v5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.market.interval import Bar, find_bar

PUBLIC, PRIVATE, BUSINESS = "public", "private", "business"

_BY_INSTRUMENT = (
    "tickers",
    "trades",
    "books",
    "books5",
    "bbo-tbt",
    "mark-price",
    "funding-rate",
    "price-limit",
    "index-tickers",
)
_VIP_BOOKS = ("books-l2-tbt", "books50-l2-tbt")
_VIP_TIER = 4
"""Fee tier from which OKX opens `fills` and the tick-by-tick books."""
ALGO_ORDERS, ADVANCED_ALGO_ORDERS = "orders-algo", "algo-advance"
_LOGIN_PATHS = {
    "orders": PRIVATE,
    "fills": PRIVATE,
    "account": PRIVATE,
    "positions": PRIVATE,
    "balance_and_position": PRIVATE,
    "liquidation-warning": PRIVATE,
    ALGO_ORDERS: BUSINESS,
    ADVANCED_ALGO_ORDERS: BUSINESS,
}
PRIVATE_CHANNELS = tuple(_LOGIN_PATHS)
"""Channels of an account: they need a login."""
COUNTED = ("orders", "account", "positions", "balance_and_position", "liquidation-warning")
"""Channels with a cap of 30 connections an account, announced by channel-conn-count."""
_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY")
_REQUIRED_TYPES = {
    "orders": _TYPES,
    "positions": _TYPES[1:],
    "liquidation-warning": ("MARGIN", "SWAP", "FUTURES", "OPTION", "ANY"),
    ALGO_ORDERS: ("SPOT", "MARGIN", "SWAP", "FUTURES", "ANY"),
    ADVANCED_ALGO_ORDERS: ("SPOT", "MARGIN", "SWAP", "FUTURES", "ANY"),
}
"""Values of `instType`, where it is required."""

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Subscription:
    """One accepted argument of a subscribe request."""

    channel: str
    arg: Mapping[str, Any]
    key: str
    """The argument in canonical JSON."""
    instrument: Instrument | None = None
    bar: Bar | None = None

    def says(self, name: str) -> str:
        """A field of the argument."""
        return str(self.arg.get(name) or "")

    def covers(self, instrument: Instrument) -> bool:
        """Whether an order or position of `instrument` belongs to this private subscription."""
        return (
            self.says("instType") in ("", "ANY", instrument.inst_type)
            and self.says("instId") in ("", instrument.inst_id)
            and self.says("instFamily") in ("", instrument.underlying)
        )

    def regular_interval_s(self, default_s: float) -> float | None:
        """Seconds between regular pushes of account and positions, None where only events are wanted.

        OKX v5: `extraParams` is JSON in a string; `updateInterval` 0 means events only, and positions take 2000,
        3000 or 4000 milliseconds.
        """
        try:
            extra = msgspec.json.decode(self.says("extraParams") or "{}")
        except msgspec.DecodeError:
            return default_s
        wanted = str(extra.get("updateInterval", "")) if isinstance(extra, dict) else ""
        if wanted == "0":
            return None
        if self.channel == "positions" and wanted in ("2000", "3000", "4000"):
            return int(wanted) / 1000
        return default_s


def parse_subscription(
    path: str, arg: Mapping[str, Any], instruments: Mapping[str, Instrument], account: Account | None
) -> Subscription:
    """Check one subscription argument against its path and the account that is logged in.

    Raises:
        RefusalError: 60018 wrong path, channel or parameters; 60011 not logged in; 64003 a channel of a higher tier.
    """
    channel = str(arg.get("channel") or "")
    key = _encode(dict(arg)).decode()
    if _LOGIN_PATHS.get(channel) == path:
        return _private(channel, arg, key, account)
    if path == PUBLIC and channel in _VIP_BOOKS:
        raise _tier_too_low(channel)
    if path == PUBLIC and channel in ("instruments", "status"):
        return _by_type(channel, arg, key)
    instrument = instruments.get(str(arg.get("instId") or ""))
    if instrument is not None:
        if path == PUBLIC and channel in _BY_INSTRUMENT and (instrument.is_swap or channel != "funding-rate"):
            return Subscription(channel, arg, key, instrument)
        if path == BUSINESS and channel == "trades-all":
            return Subscription(channel, arg, key, instrument)
        bar = find_bar(channel.removeprefix("candle")) if channel.startswith("candle") else None
        if path == BUSINESS and bar is not None:
            return Subscription(channel, arg, key, instrument, bar)
    raise _wrong(arg)


def _private(channel: str, arg: Mapping[str, Any], key: str, account: Account | None) -> Subscription:
    if account is None:
        raise RefusalError("60011", "Please log in")
    if channel == "fills" and account.config.fee_tier < _VIP_TIER:
        raise _tier_too_low(channel)
    if channel in _REQUIRED_TYPES and str(arg.get("instType") or "") not in _REQUIRED_TYPES[channel]:
        raise _wrong(arg)
    return Subscription(channel, arg, key)


def _by_type(channel: str, arg: Mapping[str, Any], key: str) -> Subscription:
    if channel == "instruments" and str(arg.get("instType") or "") not in _TYPES[:-1]:
        raise _wrong(arg)
    return Subscription(channel, arg, key)


def _tier_too_low(channel: str) -> RefusalError:
    return RefusalError(
        "64003", f"Your trading fee tier doesn't meet the requirement to access {channel} channel."
    )


def _wrong(arg: Mapping[str, Any]) -> RefusalError:
    named = ",".join(f"{name}:{value}" for name, value in arg.items() if name != "channel")
    return RefusalError(
        "60018",
        f"Wrong URL or channel:{arg.get('channel')},{named} doesn't exist. Please use the correct URL, channel and "
        "parameters referring to API document.",
    )

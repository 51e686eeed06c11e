"""Which channel lives on which path, and what its argument must say (OKX v5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.instruments import Instrument
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
PRIVATE_CHANNELS = ("orders", "account", "positions", "balance_and_position")
COUNTED = PRIVATE_CHANNELS
"""Channels with a cap of 30 connections an account, announced by channel-conn-count."""
_ORDER_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY")

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


def parse_subscription(
    path: str, arg: Mapping[str, Any], instruments: Mapping[str, Instrument]
) -> Subscription:
    """Check one subscription argument against its path.

    Raises:
        RefusalError: 60018 wrong path, channel or parameters; 64003 a channel of a higher fee tier.
    """
    channel = str(arg.get("channel") or "")
    key = _encode(dict(arg)).decode()
    if path == PRIVATE and channel in PRIVATE_CHANNELS:
        return _private(channel, arg, key)
    if (path, channel) == (PRIVATE, "fills") or (path == PUBLIC and channel in _VIP_BOOKS):
        raise RefusalError(
            "64003", f"Your trading fee tier doesn't meet the requirement to access {channel} channel."
        )
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


def _private(channel: str, arg: Mapping[str, Any], key: str) -> Subscription:
    kind = str(arg.get("instType") or "")
    if channel == "orders" and kind not in _ORDER_TYPES:
        raise _wrong(arg)
    if channel == "positions" and (kind not in _ORDER_TYPES or kind == "SPOT"):
        raise _wrong(arg)
    return Subscription(channel, arg, key)


def _by_type(channel: str, arg: Mapping[str, Any], key: str) -> Subscription:
    if channel == "instruments" and str(arg.get("instType") or "") not in _ORDER_TYPES[:-1]:
        raise _wrong(arg)
    return Subscription(channel, arg, key)


def _wrong(arg: Mapping[str, Any]) -> RefusalError:
    named = ",".join(f"{name}:{value}" for name, value in arg.items() if name != "channel")
    return RefusalError(
        "60018",
        f"Wrong URL or channel:{arg.get('channel')},{named} doesn't exist. Please use the correct URL, channel and "
        "parameters referring to API document.",
    )

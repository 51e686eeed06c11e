"""From request fields to triggers (codes of OKX v5)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kokex.paper.algo.terms import Leg, Trail
from kokex.paper.decimals import ONE
from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.exchange.request import field, parse_ticks, positive
from kokex.paper.instruments import Instrument

MARKET = "-1"
_SOURCES = ("last", "mark", "index")


def parse_leg(instrument: Instrument, fields: Mapping[str, Any], kind: str, *, rising: bool) -> Leg | None:
    """The take-profit (`kind` tp) or stop-loss (sl) of a request, None where it has none.

    Raises:
        RejectionError: 50014 one of trigger and order price is missing; 51415 spot watches last only.
    """
    trigger, price = field(fields, f"{kind}TriggerPx"), field(fields, f"{kind}OrdPx")
    if field(fields, f"{kind}OrdKind") not in ("", "condition"):
        raise RejectionError(
            "51000", f"Parameter {kind}OrdKind error: the paper exchange has no TP limit orders"
        )
    if not trigger and not price:
        return None
    if not trigger:
        raise missing(f"{kind}TriggerPx")
    if not price:
        raise missing(f"{kind}OrdPx")
    return Leg(
        trigger_price=_price(instrument, f"{kind}TriggerPx", trigger),
        rising=rising,
        order_price=parse_order_price(instrument, f"{kind}OrdPx", price),
        source=parse_source(instrument, f"{kind}TriggerPxType", field(fields, f"{kind}TriggerPxType")),
    )


def parse_trigger(instrument: Instrument, fields: Mapping[str, Any], *, now: Mapping[str, Decimal]) -> Leg:
    """The trigger of a trigger order: it is crossed from where the price is now (`now`: price by source)."""
    trigger = field(fields, "triggerPx")
    if not trigger:
        raise missing("triggerPx")
    price = field(fields, "orderPx")
    if not price:
        raise missing("orderPx")
    source = parse_source(instrument, "triggerPxType", field(fields, "triggerPxType"))
    level = _price(instrument, "triggerPx", trigger)
    return Leg(level, level >= now[source], parse_order_price(instrument, "orderPx", price), source)


def parse_source(instrument: Instrument, name: str, value: str) -> str:
    """`last` unless said otherwise; spot knows nothing else."""
    if value and value not in _SOURCES:
        raise malformed(name)
    if not instrument.is_swap and value not in ("", "last"):
        raise RejectionError(
            "51415",
            "Unable to place order. Spot trading only supports using the last price as trigger price.",
        )
    return value or "last"


def parse_order_price(instrument: Instrument, name: str, value: str) -> Decimal | None:
    """Price of the order to come; -1 is the market."""
    return None if value == MARKET else _price(instrument, name, value)


def parse_trail(instrument: Instrument, fields: Mapping[str, Any], *, sells: bool) -> Trail | None:
    """A trailing stop's callback and activation price, None where there is no callback.

    Raises:
        RejectionError: 51311 a callback of 100 % or more; 50016 both kinds of callback.
    """
    ratio, spread, active = (field(fields, name) for name in ("callbackRatio", "callbackSpread", "activePx"))
    if not ratio and not spread:
        return None
    if ratio and spread:
        raise RejectionError("50016", "Parameter callbackRatio and callbackSpread do not match.")
    share = positive("callbackRatio", ratio) if ratio else None
    if share is not None and share >= ONE:
        raise RejectionError(
            "51311", "Failed to place trailing stop order. Callback rate should be within 0<x<1"
        )
    return Trail(
        sells=sells,
        ratio=share,
        spread=_price(instrument, "callbackSpread", spread) if spread else None,
        active_price=_price(instrument, "activePx", active) if active else None,
    )


def _price(instrument: Instrument, name: str, value: str) -> Decimal:
    return instrument.price(parse_ticks(instrument, name, value))

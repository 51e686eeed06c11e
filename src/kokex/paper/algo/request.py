"""From the fields of an algo request to an algo order, checked as OKX checks it (codes of OKX v5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from kokex.paper.algo.attaching import parse_attached
from kokex.paper.algo.legs import parse_leg, parse_trail, parse_trigger
from kokex.paper.algo.order import AlgoOrder
from kokex.paper.algo.terms import Leg, Slicing
from kokex.paper.decimals import ONE
from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.exchange.request import (
    field,
    parse_lots,
    parse_name,
    parse_position_side,
    parse_trade_mode,
    positive,
    required,
)
from kokex.paper.exchange.valuation import watched_price
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order

TYPES = ("conditional", "oco", "trigger", "move_order_stop", "twap", "smart_iceberg")
_STOPS = ("conditional", "oco")
_WRONG_SIDE = {
    "last": ("51277", "51278", "51279", "51280"),
    "mark": ("51300", "51302", "51303", "51304"),
    "index": ("51305", "51306", "51307", "51308"),
}
"""Codes by price source: TP above and SL below the price of a buy; TP below and SL above it of a sell."""
_AGGRESSIVENESS = ("conservative", "mid", "radical")


def parse_algo(
    account: Account, instrument: Instrument, fields: Mapping[str, Any], floor: Floor
) -> AlgoOrder:
    """A well-formed algo order, not numbered yet.

    Raises:
        RejectionError: a parameter is missing, malformed or on the wrong side of the market.
    """
    kind, side = required(fields, "ordType"), required(fields, "side")
    if side not in ("buy", "sell"):
        raise malformed("side")
    if kind not in TYPES:
        raise malformed("ordType")
    algo = AlgoOrder(
        algo_id=0,
        account_uid=account.uid,
        instrument=instrument,
        order_type=kind,
        side=side,
        trade_mode=_trade_mode(instrument, fields),
        position_side=parse_position_side(account, instrument, field(fields, "posSide")),
        client_id=parse_name(fields, "algoClOrdId", 32),
        tag=parse_name(fields, "tag", 16),
        currency=field(fields, "ccy"),
        reduce_only=instrument.is_swap and field(fields, "reduceOnly") == "true",
        placed_price=floor.marks[instrument.inst_id],
        created_ms=floor.now_ms,
        updated_ms=floor.now_ms - 1,
    )
    if instrument.is_swap:
        algo.leverage = account.leverage_of(*algo.position_key)
    _set_terms(algo, fields, floor)
    _set_size(account, algo, fields)
    _set_bond(algo, fields)
    return algo


def _trade_mode(instrument: Instrument, fields: Mapping[str, Any]) -> str:
    """`tdMode`; spot takes cross beside cash here, which OKX was seen to ask for (ccxt sends nothing else)."""
    if not instrument.is_swap and field(fields, "tdMode") == "cross":
        return "cash"
    return parse_trade_mode(instrument, fields)


def _set_terms(algo: AlgoOrder, fields: Mapping[str, Any], floor: Floor) -> None:
    if algo.order_type in _STOPS:
        _set_stops(algo, fields, floor.marks)
    elif algo.order_type == "trigger":
        _set_trigger(algo, fields, floor.marks)
    elif algo.order_type == "move_order_stop":
        algo.trail = parse_trail(algo.instrument, fields, sells=not algo.is_buy)
        if algo.trail is None:
            raise missing("callbackRatio")
        _check_activation(algo)
    else:
        algo.slicing = _slicing(algo, fields)


def _set_stops(algo: AlgoOrder, fields: Mapping[str, Any], marks: Mapping[str, Decimal]) -> None:
    """OKX v5: a conditional order with both legs runs its stop-loss alone."""
    algo.take_profit = parse_leg(algo.instrument, fields, "tp", rising=not algo.is_buy)
    algo.stop_loss = parse_leg(algo.instrument, fields, "sl", rising=algo.is_buy)
    if algo.order_type == "oco":
        for leg, name in ((algo.take_profit, "tpTriggerPx"), (algo.stop_loss, "slTriggerPx")):
            if leg is None:
                raise missing(name)
    elif algo.stop_loss is not None:
        algo.take_profit = None
    elif algo.take_profit is None:
        raise missing("slTriggerPx")
    check_legs(algo.instrument, algo.take_profit, algo.stop_loss, marks)


def check_legs(
    instrument: Instrument, take_profit: Leg | None, stop_loss: Leg | None, marks: Mapping[str, Decimal]
) -> None:
    """A trigger that the price has passed already is refused; one that it stands at is not."""
    for leg, words, place in ((take_profit, "TP", 0), (stop_loss, "SL", 1)):
        if leg is None:
            continue
        price = watched_price(marks, instrument, leg.source)
        if leg.trigger_price == price or not leg.reached(price):
            continue
        sells = leg.rising == (place == 0)
        code = _WRONG_SIDE[leg.source][place + (2 if sells else 0)]
        side = "lower" if leg.rising else "higher"
        raise RejectionError(code, f"{words} trigger price cannot be {side} than the {leg.source} price.")


def _set_trigger(algo: AlgoOrder, fields: Mapping[str, Any], marks: Mapping[str, Decimal]) -> None:
    now = {source: watched_price(marks, algo.instrument, source) for source in ("last", "mark", "index")}
    algo.trigger = parse_trigger(algo.instrument, fields, now=now)
    algo.immediate = field(fields, "advanceOrdType")
    if algo.immediate not in ("", "fok", "ioc"):
        raise malformed("advanceOrdType")
    algo.fits_balance = not algo.instrument.is_swap


def attach_to_trigger(
    algo: AlgoOrder, fields: Mapping[str, Any], floor: Floor, next_id: Callable[[], int]
) -> None:
    """Attachments of a trigger order, checked against the price at which its child would be ordered."""
    if not fields.get("attachAlgoOrds"):
        return
    if algo.trigger is None:
        raise malformed("attachAlgoOrds")
    item = algo.instrument
    price = algo.trigger.order_price or algo.trigger.trigger_price
    child = Order(
        order_id=0,
        account_uid=algo.account_uid,
        instrument=item,
        side=algo.side,
        order_type="limit",
        trade_mode=algo.trade_mode,
        position_side=algo.position_side,
        ticks=int(price / item.tick),
        reduce_only=algo.closes,
    )
    algo.attached = parse_attached(fields, child, floor.books[item.inst_id], next_id)


def _check_activation(algo: AlgoOrder) -> None:
    assert algo.trail is not None
    active = algo.trail.active_price
    if active is None:
        return
    if not algo.is_buy and active < algo.placed_price:
        raise RejectionError(
            "51258",
            "Trailing stop order placement failed. The trigger price of a sell order must be higher than the last "
            "transaction price.",
        )
    if algo.is_buy and active > algo.placed_price:
        raise RejectionError(
            "51259",
            "Trailing stop order placement failed. The trigger price of a buy order must be lower than the last "
            "transaction price.",
        )


def _slicing(algo: AlgoOrder, fields: Mapping[str, Any]) -> Slicing:
    item = algo.instrument
    slicing = Slicing(slice_lots=parse_lots(item, "szLimit", required(fields, "szLimit")), limit_price=None)
    limit = field(fields, "pxLimit")
    if limit:
        slicing.limit_price = positive("pxLimit", limit)
    if algo.order_type == "smart_iceberg":
        slicing.splits = int(positive("lmtOrderNumber", required(fields, "lmtOrderNumber")))
        slicing.aggressiveness = required(fields, "aggressiveness")
        if slicing.aggressiveness not in _AGGRESSIVENESS:
            raise malformed("aggressiveness")
        if fields.get("triggerParams"):
            raise RejectionError(
                "51000", "Parameter triggerParams error: the paper exchange does not have it"
            )
        return slicing
    required(fields, "pxLimit")
    slicing.interval_ms = int(positive("timeInterval", required(fields, "timeInterval")) * 1000)
    ratio, spread = field(fields, "pxVar"), field(fields, "pxSpread")
    if bool(ratio) == bool(spread):
        raise missing("pxVar or pxSpread") if not ratio else malformed("pxSpread")
    if spread:
        slicing.spread = positive("pxSpread", spread)
        return slicing
    slicing.ratio = positive("pxVar", ratio)
    if slicing.ratio > ONE / 100:
        raise RejectionError("51270", "The limit of time-weighted order price variance is 0 < x <= 1%.")
    return slicing


def _set_size(account: Account, algo: AlgoOrder, fields: Mapping[str, Any]) -> None:
    item = algo.instrument
    if field(fields, "closeFraction"):
        _set_whole_position(account, algo, fields)
        return
    size = required(fields, "sz")
    if not item.is_swap and _at_market(algo):
        target = field(fields, "tgtCcy") or ("quote_ccy" if algo.is_buy else "base_ccy")
        if target not in ("base_ccy", "quote_ccy"):
            raise malformed("tgtCcy")
        algo.target_currency = target
        if target == "quote_ccy":
            algo.budget = positive("sz", size)
            return
    algo.lots = parse_lots(item, "sz", size)
    if algo.slicing is not None and algo.slicing.slice_lots > algo.lots:
        raise RejectionError(
            "51274", "Total quantity of time-weighted order must be larger than single order limit."
        )


def _at_market(algo: AlgoOrder) -> bool:
    """Whether any child would be a market order."""
    return algo.trail is not None or any(leg.order_price is None for leg in algo.legs)


def _set_whole_position(account: Account, algo: AlgoOrder, fields: Mapping[str, Any]) -> None:
    """`closeFraction` 1 (nothing else is taken): market stops of perpetuals that only reduce."""
    if field(fields, "closeFraction") != "1" or field(fields, "sz"):
        raise malformed("closeFraction")
    if not algo.instrument.is_swap:
        raise RejectionError(
            "51327", "closeFraction is only available for Expiry Futures and Perpetual Futures"
        )
    if algo.order_type not in _STOPS or any(leg.order_price is not None for leg in algo.legs):
        raise RejectionError("51330", "closeFraction is only available for stop market orders")
    if algo.position_side == "net" and not algo.reduce_only:
        raise RejectionError("51328", "closeFraction is only available for reduceOnly orders")
    if not algo.closes:
        raise RejectionError("51331", "closeFraction is only available for close position orders")
    position = account.positions.get(algo.position_key)
    if position is None or not position.lots or (position.lots > 0) == algo.is_buy:
        raise RejectionError("51058", "No available position for this algo order")
    algo.whole_position = algo.ends_with_position = algo.had_position = True


def _set_bond(algo: AlgoOrder, fields: Mapping[str, Any]) -> None:
    """`cxlOnClosePos`: the order goes with its position; it must be one that only reduces."""
    if field(fields, "cxlOnClosePos") != "true":
        return
    if algo.order_type not in _STOPS or not algo.closes:
        raise malformed("cxlOnClosePos")
    algo.ends_with_position = True

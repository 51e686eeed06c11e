"""Take-profit and stop-loss that an ordinary order brings along (`attachAlgoOrds`).

OKX v5: they become an algo order of their own once the order has filled. Its texts vary between "filled" and "filled
completely"; here an order that ends with a part filled protects that part. Split take-profits are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from kokex.paper.algo.legs import parse_leg, parse_trail
from kokex.paper.algo.terms import Attachment, Leg
from kokex.paper.exchange.rejection import RejectionError, malformed
from kokex.paper.exchange.request import field, parse_name, required
from kokex.paper.instruments import Instrument
from kokex.paper.matching.book import OrderBook
from kokex.paper.matching.order import Order

_UNSUPPORTED = ("tpTriggerRatio", "slTriggerRatio", "sz")


def parse_attached(
    fields: Mapping[str, Any], order: Order, book: OrderBook, next_id: Callable[[], int]
) -> list[Attachment]:
    """The attachments of a new order, checked against its price (or the best prices, where it has none).

    Raises:
        RejectionError: 51046 to 51053 a trigger on the wrong side; 51086 more than one; 51100 on a reduce-only order.
    """
    items = [
        item
        for item in _mappings(fields.get("attachAlgoOrds") or [])
        if any(value not in ("", None) for value in item.values())
    ]
    if not items:
        return []
    if len(items) > 1:
        raise RejectionError(
            "51086", "The number of orders with Split TPs attached in a same order cannot exceed 1"
        )
    _check_may_attach(order)
    [item] = items
    for name in _UNSUPPORTED:
        if field(item, name):
            raise RejectionError("51000", f"Parameter {name} error: the paper exchange does not have it")
    attachment = Attachment(
        attachment_id=0,
        client_id=parse_name(item, "attachAlgoClOrdId", 32),
        take_profit=parse_leg(order.instrument, item, "tp", rising=order.is_buy),
        stop_loss=parse_leg(order.instrument, item, "sl", rising=not order.is_buy),
        trail=parse_trail(order.instrument, item, sells=order.is_buy),
    )
    legs = (attachment.take_profit, attachment.stop_loss)
    if attachment.trail is not None and any(legs):
        raise malformed("callbackRatio")
    if attachment.trail is None and not any(legs):
        raise RejectionError(
            "51178", "tpTriggerPx&tpOrdPx or slTriggerPx&slOrdPx can't be empty when using attachAlgoClOrdId."
        )
    _check_sides(attachment, order, book)
    attachment.attachment_id = next_id()
    return [attachment]


def amend_attached(order: Order, items: Any) -> None:
    """Change what an open order brings along, see `amend_attached_to`."""
    amend_attached_to(order.attached, order.instrument, order.is_buy, items)


def amend_attached_to(attached: list[Attachment], instrument: Instrument, buys: bool, items: Any) -> None:
    """Change attachments of an order that `buys`; a trigger or order price of 0 takes the leg away.

    Raises:
        RejectionError: 51527 there is no such attachment; 51531 nothing would be left of it.
    """
    for item in _mappings(items):
        wanted, name = field(item, "attachAlgoId"), field(item, "attachAlgoClOrdId")
        found = next(
            (part for part in attached if wanted == str(part.attachment_id) or name == part.client_id != ""),
            None,
        )
        if found is None:
            raise RejectionError(
                "51527",
                "Order modification failed. At least 1 of the attached TP/SL orders does not exist.",
            )
        profit = amended_leg(instrument, found.take_profit, item, "Tp", rising=buys)
        loss = amended_leg(instrument, found.stop_loss, item, "Sl", rising=not buys)
        if profit is None and loss is None and found.trail is None:
            raise RejectionError(
                "51531",
                "Order modification unsuccessful. The stop order must have either take profit or stop loss attached.",
            )
        found.take_profit, found.stop_loss = profit, loss


def amended_leg(
    instrument: Instrument, leg: Leg | None, fields: Mapping[str, Any], kind: str, *, rising: bool
) -> Leg | None:
    """A leg after an amendment (`newTpTriggerPx`, `newTpOrdPx`, `newTpTriggerPxType` and their Sl twins)."""
    names = (f"new{kind}TriggerPx", f"new{kind}OrdPx", f"new{kind}TriggerPxType")
    trigger, price, source = (field(fields, name) for name in names)
    if not (trigger or price or source):
        return leg
    if _is_zero(trigger) or _is_zero(price):
        return None
    if leg is None:
        required(fields, names[0])
        required(fields, names[1])
    shown = "" if leg is None else str(leg.trigger_price)
    old_price = "" if leg is None else "-1" if leg.order_price is None else str(leg.order_price)
    merged = {
        "triggerPx": trigger or shown,
        "ordPx": price or old_price,
        "triggerPxType": source or ("last" if leg is None else leg.source),
    }
    renamed = {f"{kind.lower()}{name[0].upper()}{name[1:]}": value for name, value in merged.items()}
    return parse_leg(instrument, renamed, kind.lower(), rising=rising)


def _check_may_attach(order: Order) -> None:
    received = "base_ccy" if order.is_buy else "quote_ccy"
    if order.order_type == "market" and order.target_currency == received:
        raise RejectionError(
            "51000", "Parameter attachAlgoOrds error: not with a market order sized in the received currency"
        )
    if order.reduce_only:
        raise RejectionError(
            "51100",
            "Unable to place order. Take profit/Stop loss conditions cannot be added to reduce-only orders.",
        )


def _mappings(items: Any) -> list[Mapping[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise malformed("attachAlgoOrds")
    return items


def _is_zero(value: str) -> bool:
    return bool(value) and not value.strip("0.")


def _check_sides(attachment: Attachment, order: Order, book: OrderBook) -> None:
    """A profit must lie beyond the order's price and a loss before it."""
    if order.ticks is not None:
        price = order.instrument.price(order.ticks)
        codes = ("51046", "51047") if order.is_buy else ("51048", "51049")
        named = "order price"
    else:
        best = book.next_match(buy=order.is_buy, limit=None)
        if best is None:
            return
        price = order.instrument.price(best.ticks)
        codes = ("51050", "51051") if order.is_buy else ("51052", "51053")
        named = f"best {'ask' if order.is_buy else 'bid'} price"
    _check_side(
        attachment.take_profit, price, codes[0], f"take profit trigger price must be {{}} than the {named}"
    )
    _check_side(
        attachment.stop_loss, price, codes[1], f"stop loss trigger price must be {{}} than the {named}"
    )


def _check_side(leg: Leg | None, price: Decimal, code: str, words: str) -> None:
    if leg is None:
        return
    if leg.trigger_price <= price if leg.rising else leg.trigger_price >= price:
        raise RejectionError(code, "The " + words.format("higher" if leg.rising else "lower"))

"""What must have happened to an order, told from its present state and its fills: the past that a lost stream did not tell.

The events come out as the stream would have told them, under the same types and keys, so whatever the stream did tell
falls away as a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kokex.domain.events import ClassifiedUpdate, classify
from kokex.domain.order import Fill, Order, OrderStatus, OrderUpdate


def reconstruct(order: OrderUpdate, fills: Sequence[Fill]) -> list[ClassifiedUpdate]:
    """Events of one order, oldest first.

    Args:
        order: its present state.
        fills: its newest fills, up to and including the last that `order` counts, oldest first; earlier ones may be absent.
    """
    updates = [] if order.never_live else [_live(order)]
    filled = order.filled_quantity - sum((fill.quantity for fill in fills), Decimal(0))
    value = (order.average_price or Decimal(0)) * order.filled_quantity - sum(
        (fill.quantity * fill.price for fill in fills), Decimal(0)
    )
    for fill in fills:
        filled += fill.quantity
        value += fill.quantity * fill.price
        done = order.status is OrderStatus.FILLED and filled == order.filled_quantity
        updates.append(
            replace(
                order,
                status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
                filled_quantity=filled,
                average_price=order.average_price if done else value / filled,
                fee=order.fee if done else None,
                fill=replace(fill, client_order_id=order.client_order_id),
                request_id=None,
                amend_result=None,
                cancel_reason=None,
                occurred_at=fill.occurred_at,
            )
        )
    if order.status is OrderStatus.CANCELED:
        updates.append(replace(order, fill=None, request_id=None, amend_result=None))
    return [classify(update) for update in updates]


def first_news(update: OrderUpdate) -> ClassifiedUpdate | None:
    """The `live` that came before `update`, as the exchange would have told it; None where there was none.

    A refused order was never live, nor was one that the book turned away. Every other order was, also one that filled or ended at once.
    """
    if update.never_live or update.status is OrderStatus.REJECTED:
        return None
    return classify(_live(update))


def _live(order: OrderUpdate) -> OrderUpdate:
    return replace(
        order,
        status=OrderStatus.ACCEPTED,
        filled_quantity=Decimal(0),
        average_price=None,
        fee=None,
        fill=None,
        request_id=None,
        amend_result=None,
        cancel_reason=None,
        occurred_at=order.created_at,
    )


def never_sent(order: Order) -> OrderUpdate:
    """The end of an order that never went out, as an order event. It has no order id; ours stands in."""
    return OrderUpdate(
        inst_id=order.inst_id,
        order_id=order.client_order_id or "",
        client_order_id=order.client_order_id,
        side=order.side,
        order_type=order.order_type,
        status=order.status,
        quantity=order.quantity,
        price=order.price,
        filled_quantity=Decimal(0),
        average_price=None,
        fee=None,
        fee_currency=None,
        created_at=order.created_at,
        occurred_at=order.updated_at,
        cancel_reason=order.reason,
        never_live=True,
    )

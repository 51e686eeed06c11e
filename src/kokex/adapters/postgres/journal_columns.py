"""Rows of orders, fills and heads as the array parameters of the writer's statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import astuple

from kokex.adapters.postgres.parameters import BigintArray, BooleanArray, MomentArray, TextArray
from kokex.adapters.postgres.projection import FillRow, HeadRow, OrderRow

Parameters: TypeAlias = dict[str, Any]

_Encode: TypeAlias = Callable[[Sequence[Any]], bytes]

# The columns of each are the fields of its row, in their order.
_ORDER: Mapping[str, _Encode] = {
    "account_id": BigintArray.of_few,
    "order_key": TextArray.of,
    "plan_id": BigintArray.of_few,
    "client_order_id": TextArray.of,
    "order_id": TextArray.of,
    "inst_id": TextArray.of_few,
    "side": TextArray.of_few,
    "order_type": TextArray.of_few,
    "quantity": TextArray.of_numbers,
    "price": TextArray.of_numbers,
    "status": TextArray.of_few,
    "filled_quantity": TextArray.of_numbers,
    "average_price": TextArray.of_numbers,
    "decision_id": BigintArray.of,
    "step": BigintArray.of_few,
    "reason": TextArray.of_few,
    "created_at": MomentArray.of,
    "updated_at": MomentArray.of,
}
_FILL: Mapping[str, _Encode] = {
    "account_id": BigintArray.of_few,
    "order_key": TextArray.of,
    "plan_id": BigintArray.of_few,
    "inst_id": TextArray.of_few,
    "order_id": TextArray.of,
    "fill_key": TextArray.of,
    "trade_id": TextArray.of,
    "client_order_id": TextArray.of,
    "side": TextArray.of_few,
    "price": TextArray.of_numbers,
    "quantity": TextArray.of_numbers,
    "fee": TextArray.of_numbers,
    "fee_currency": TextArray.of_few,
    "maker": BooleanArray.of,
    "occurred_at": MomentArray.of,
    "bill_id": TextArray.of,
}
_HEAD: Mapping[str, _Encode] = {
    "account_id": BigintArray.of_few,
    "inst_id": TextArray.of_few,
    "last_occurred_at": MomentArray.of,
}


def order_columns(rows: Sequence[OrderRow]) -> Parameters:
    """Of `journal_sql.MOVE_ORDERS`."""
    return _columns("order", _ORDER, rows)


def fill_columns(rows: Sequence[FillRow]) -> Parameters:
    """Of `journal_sql.KEEP_FILLS`."""
    return _columns("fill", _FILL, rows)


def head_columns(rows: Sequence[HeadRow]) -> Parameters:
    """Of `journal_sql.MOVE_HEADS`."""
    return _columns("head", _HEAD, rows)


def _columns(prefix: str, columns: Mapping[str, _Encode], rows: Sequence[Struct]) -> Parameters:
    """`rows` turned by a quarter: each column's values, encoded."""
    turned: Iterable[Sequence[Any]] = (
        zip(*map(astuple, rows), strict=True) if rows else repeat((), len(columns))
    )
    return {
        f"{prefix}_{name}": encode(values)
        for (name, encode), values in zip(columns.items(), turned, strict=True)
    }

"""Cursors of order, fill and bill lists: newest first, `after` is older, `before` is newer, both exclusive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from kokex.paper.rest.call import Call

_Row = TypeVar("_Row")
_FOREVER = 1 << 62


def page(
    call: Call,
    rows: Iterable[_Row],
    *,
    number: Callable[[_Row], int],
    moment: Callable[[_Row], int],
    most: int = 100,
) -> list[_Row]:
    """One page of rows. `number` is the cursor, `moment` what `begin` and `end` bound (inclusive)."""
    after, before = call.number("after", _FOREVER), call.number("before", -1)
    begin, end = call.number("begin", -1), call.number("end", _FOREVER)
    chosen = [row for row in rows if before < number(row) < after and begin <= moment(row) <= end]
    chosen.sort(key=number, reverse=True)
    return chosen[: call.limit(most=most)]

"""OKX's words for sides, as the domain's."""

from __future__ import annotations

from kokex.adapters.okx.wire import Text
from kokex.domain.instrument import PositionSide, Side

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
"""Of an order or a fill."""

_POSITION_SIDES = {
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
    "net": PositionSide.NET,
    "": PositionSide.NET,
}


def position_side(text: Text) -> PositionSide:
    """Whose position; blank (spot) is the net one.

    Raises:
        KeyError: a word that OKX does not use.
    """
    return _POSITION_SIDES[text or ""]

"""Every order begins with its `live`: the first that is heard of one may be something else.

A push may be lost or overtaken by the next (OKX v5: orders that fill at once may skip states, too). What came before it is then told
before it, under the key that the exchange's own `live` has, which falls away as a duplicate when it comes late, or is read over REST.
"""

from __future__ import annotations

from collections import OrderedDict

from kokex.domain.events import ClassifiedUpdate
from kokex.domain.reconstruction import first_news

_REMEMBERED = 20_000
"""Orders whose beginning is known. Forgetting one costs a duplicate, which falls away on its key."""


class Beginnings:
    """The orders whose `live` went to the journal, those heard of last."""

    def __init__(self) -> None:
        self._begun: OrderedDict[tuple[int, str], None] = OrderedDict()

    def missing(self, account_id: int, classified: ClassifiedUpdate) -> ClassifiedUpdate | None:
        """What has to be journalled before `classified`; None where its order has begun, or begins with it."""
        order = (account_id, classified.update.order_id)
        if order in self._begun:
            return None
        live = None
        if not classified.begins_order:
            live = first_news(classified.update)
            if live is None:
                return None
        self._begun[order] = None
        if len(self._begun) > _REMEMBERED:
            self._begun.popitem(last=False)
        return live

    def forget(self) -> None:
        """What was to be journalled may not have been."""
        self._begun.clear()

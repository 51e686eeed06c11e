"""Order pushes made beforehand: items of the `orders` channel as the paper exchange itself renders them, about 1.2 KB each.

Every order is one of a plan's own and lives through three pushes: live, partially filled, filled. Orders come in windows of
`WINDOW`: all lives, then all first fills, then all second fills, so neighbours on the wire belong to different orders and
different plans. Frame numbers are positions on the wire. As at an exchange, times rise along the wire and prices differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.paper.instruments import listed_instrument
from kokex.paper.matching.order import LastFill, Order
from kokex.paper.wire.orders import push_fields

INST_ID = "ETH-USDT"
STAGES = ("live", "partially_filled", "filled")
WINDOW = 40
FIRST_ORDER = 3_000_000_000_000_000_000
"""Order id of order 0; the exchange's own ids stay far below."""
FIRST_TIME_MS = 1_767_225_600_000

_TICKS, _LOTS, _FIRST_FILL = 300_000, 500_000, 200_000
_PRICES = 500
_encode = msgspec.json.Encoder().encode

Templates: TypeAlias = dict[tuple[str, str, int], dict[str, Any]]
"""Pushes by side, stage and price (in ticks)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Which frames: `windows` times `WINDOW` orders from order `first` on, spread evenly over `plans`."""

    first: int
    windows: int
    installation: str
    plans: Sequence[int]
    accounts: int = 1
    """The first plan is on the first account, the next on the next, and so on round."""

    def account(self, frame: int) -> int:
        """On which account, counted from 0, frame `frame` tells of an order."""
        window, rest = divmod(frame, WINDOW * len(STAGES))
        number = self.first + window * WINDOW + rest % WINDOW
        return number % len(self.plans) % self.accounts

    @property
    def frames(self) -> int:
        """How many pushes that makes."""
        return self.windows * WINDOW * len(STAGES)


def make_frames(batch: Batch) -> list[bytes]:
    """The items in the order of the wire. The same batch makes the same bytes."""
    templates: Templates = {}
    frames = []
    for window in range(batch.windows):
        start = batch.first + window * WINDOW
        for stage in STAGES:
            frames += [_item(batch, templates, number, stage) for number in range(start, start + WINDOW)]
    return frames


def frame_number(order_id: int, stage: str, first: int) -> int:
    """Position on the wire of an order's push, counted from the batch that began with order `first`."""
    window, place = divmod(order_id - FIRST_ORDER - first, WINDOW)
    return (window * len(STAGES) + STAGES.index(stage)) * WINDOW + place


def _item(batch: Batch, templates: Templates, number: int, stage: str) -> bytes:
    count = len(batch.plans)
    side = "buy" if number // count % 2 == 0 else "sell"
    kind = side, stage, _TICKS + number % _PRICES
    if kind not in templates:
        templates[kind] = _template(*kind)
    item = templates[kind]
    origin = OrderOrigin(batch.installation, batch.plans[number % count], number, 0)
    item["ordId"] = str(FIRST_ORDER + number)
    item["clOrdId"] = client_order_id(origin)
    item["cTime"] = _time(number, STAGES[0])
    item["uTime"] = _time(number, stage)
    if stage != "live":
        item["tradeId"] = str(900_000_000 + 2 * number + (stage == "filled"))
        item["fillTime"] = item["uTime"]
    return _encode(item)


def _time(number: int, stage: str) -> str:
    """A millisecond from one frame to the next."""
    window, place = divmod(number, WINDOW)
    return str(FIRST_TIME_MS + (window * len(STAGES) + STAGES.index(stage)) * WINDOW + place)


def _template(side: str, stage: str, ticks: int) -> dict[str, Any]:
    instrument = listed_instrument(INST_ID, demo=True)
    order = Order(
        order_id=FIRST_ORDER,
        account_uid="",
        instrument=instrument,
        side=side,
        order_type="limit",
        trade_mode="cash",
        ticks=ticks,
        lots=_LOTS,
        state=stage,
        created_ms=FIRST_TIME_MS,
    )
    if stage != "live":
        order.filled_lots = _FIRST_FILL if stage == "partially_filled" else _LOTS
        order.filled_value = instrument.price(ticks) * order.filled_lots
        lots = _FIRST_FILL if stage == "partially_filled" else _LOTS - _FIRST_FILL
        unit = instrument.size(lots) if side == "buy" else instrument.notional(ticks, lots)
        fee = -unit * Decimal("0.0008")
        order.fee = fee if stage == "partially_filled" else fee * _LOTS / lots
        order.fill_in_update = True
        order.last_fill = LastFill(
            "1",
            ticks,
            lots,
            FIRST_TIME_MS,
            "M",
            fee,
            order.fee_currency,
            Decimal(0),
            instrument.price(ticks),
        )
    return push_fields(order, instrument.price(ticks))

"""What happens in the demo, seen through the database and the engine's own state: one picture, and one line a happening."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

import numpy as np

from kokex.bootstrap import Engine
from kokex.cli.output import market_time, plain
from kokex.demo.model import DemoModel
from kokex.domain.account import ExchangeAccount, Ticker
from kokex.domain.decision import TurnStatus
from kokex.domain.events import OrderEvent
from kokex.domain.forecast import Forecast
from kokex.domain.order import Order, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.position import PlanBook
from kokex.ports.store import TurnRecord
from kokex.services.accounts import market_of

LOOK_SECONDS: Final = 0.2
_SHOWN: Final = 60
_AT_ONCE: Final = 25
"""Turns or orders that are read at first; more where more is new."""


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the story. `kind`: candle, forecast, decision, denied, event, owner or training; `plan`: whose it is, where that says something."""

    kind: str
    at: datetime | None
    text: str
    plan: str = ""


@dataclass(slots=True)
class Picture:
    """Everything that the view shows, as of the last look.

    Attributes:
        closes: closing prices of the latest candles, oldest first.
        model: the demo's own; None before anything is known of it.
        market_time: the market's own clock.
        second: the other plan's, whose happenings are told with this one's.
    """

    plan: Plan
    ticker: Ticker | None = None
    closes: list[float] = field(default_factory=list)
    forecast: Forecast | None = None
    book: PlanBook | None = None
    open_orders: int = 0
    candles: int = 0
    decisions: int = 0
    denied: int = 0
    events: int = 0
    model: DemoModel | None = None
    latest: dict[str, deque[Happening]] = field(default_factory=dict)
    second: Picture | None = None

    @property
    def market_time(self) -> datetime | None:
        """The market's own clock; None before it was heard."""
        return self.ticker.occurred_at if self.ticker else None

    @property
    def pnl(self) -> Decimal | None:
        """Profit or loss after fees at the last price, in quote currency."""
        if self.book is None or self.ticker is None:
            return None
        return self.book.pnl(self.ticker.last)

    def keep(self, happenings: Iterable[Happening]) -> None:
        """Have the view show them."""
        for happening in happenings:
            self.latest.setdefault(happening.kind, deque(maxlen=40)).append(happening)

    def recent(self, *kinds: str) -> list[Happening]:
        """Latest happenings of these kinds, newest last."""
        rows = [row for kind in kinds for row in self.latest.get(kind, ())]
        return (
            rows if len(kinds) == 1 else sorted(rows, key=lambda row: row.at.timestamp() if row.at else 0.0)
        )


class Watcher:
    """Looks at one plan, and tells what is new since the last look.

    Args:
        first: the watcher of a plan on the same market, which tells what happens there.
    """

    def __init__(
        self, engine: Engine, plan: Plan, account: ExchangeAccount, first: Watcher | None = None
    ) -> None:
        self._engine = engine
        self._store = engine.application.store
        self._account = account
        self._event = 0
        self._turn = 0
        self._forecast = 0
        self._candle: datetime | None = None
        self._denied: set[str] = set()
        self._newest_order: str | None = None
        self._tells_market = first is None
        self.picture = Picture(plan)
        if first is not None:
            self.picture.latest = first.picture.latest
            first.picture.second = self.picture

    async def catch_up(self) -> None:
        """Take note of what a former demo left, without telling it."""
        picture = self.picture
        for turn in await self._store.turns.recent(picture.plan.id, limit=1):
            self._turn = turn.id - (turn.status is TurnStatus.RUNNING)
        picture.decisions = await self._store.turns.count(picture.plan.id)
        await self.look()
        picture.latest.clear()
        picture.candles = 0

    async def look(self) -> list[Happening]:
        """Bring the picture up to date; what is new, in order."""
        happenings = await self._candles() + await self._forecasts() if self._tells_market else []
        own = await self._denials() + await self._turns() + await self._events()
        happenings += [replace(one, plan=self.picture.plan.name) for one in own]
        ledger = self._engine.services.ledgers.get(self.picture.plan.id)
        self.picture.ticker = self._engine.services.market_data.fresh_ticker(
            self._account, self.picture.plan.inst_id
        )
        if ledger is not None:
            self.picture.book = ledger.book
            self.picture.open_orders = len(ledger.pending)
        self.picture.keep(happenings)
        return happenings

    async def _candles(self) -> list[Happening]:
        plan = self.picture.plan
        series = await self._store.candles.latest(
            market_of(self._account), plan.inst_id, plan.interval, _SHOWN
        )
        if not len(series):
            return []
        self.picture.closes = [float(close) for close in series.closes]
        newest = series.close_time
        if newest == self._candle:
            return []
        fresh = 1
        if self._candle is not None:
            fresh = int((newest - self._candle) / plan.interval.duration)
        self._candle = newest
        self.picture.candles += fresh
        happenings = []
        for index in range(max(len(series) - fresh, 0), len(series)):
            open_, high, low, close = (f"{value:g}" for value in np.round(series.values[index, :4], 8))
            at = datetime.fromtimestamp(
                int(series.open_times[index]) + plan.interval.seconds, tz=newest.tzinfo
            )
            words = f"closed at {close} (open {open_}, high {high}, low {low})"
            happenings.append(Happening("candle", at, words))
        return happenings

    async def _forecasts(self) -> list[Happening]:
        latest = await self._store.forecasts.latest(self.picture.plan.id)
        if latest is None or latest[0] == self._forecast:
            return []
        self._forecast, forecast = latest
        self.picture.forecast = forecast
        low, middle, high = forecast.quantiles((0.05, 0.5, 0.95))[:, -1]
        words = (
            f"in {forecast.horizon} candles {middle:.2f} ({low:.2f} to {high:.2f} in 90 of 100 paths), "
            f"no change is {forecast.origin_price:g}; by {forecast.forecaster}"
        )
        return [Happening("forecast", forecast.origin_time, words)]

    async def _turns(self) -> list[Happening]:
        rows = await _read_back(self._store.turns.recent, self.picture.plan.id, self._known_turn)
        fresh = sorted(
            (row for row in rows if row.id > self._turn and row.status is not TurnStatus.RUNNING),
            key=lambda row: row.id,
        )
        if fresh:
            self._turn = fresh[-1].id
            self.picture.decisions = await self._store.turns.count(self.picture.plan.id)
        return [Happening("decision", self.picture.market_time, _turn_words(row)) for row in fresh]

    async def _denials(self) -> list[Happening]:
        rows = await _read_back(self._store.orders.recent, self.picture.plan.id, self._known_order)
        if rows:
            self._newest_order = rows[0].client_order_id
        fresh = [
            row
            for row in reversed(rows)
            if row.status is OrderStatus.DENIED and row.client_order_id not in self._denied
        ]
        self._denied.update(row.client_order_id or "" for row in fresh)
        self.picture.denied = len(self._denied)
        return [Happening("denied", self.picture.market_time, denial_words(row)) for row in fresh]

    def _known_turn(self, turn: TurnRecord) -> bool:
        return turn.id <= self._turn

    def _known_order(self, order: Order) -> bool:
        return order.client_order_id == self._newest_order

    async def _events(self) -> list[Happening]:
        fresh: list[OrderEvent] = []
        while page := await self._store.journal.events_after(self.picture.plan.id, self._event):
            self._event = page[-1].id
            fresh += page
        self.picture.events += len(fresh)
        return [Happening("event", event.update.occurred_at, event_words(event)) for event in fresh]


async def _read_back(
    recent: Callable[..., Awaitable[list[_Row]]], plan_id: int, known: Callable[[_Row], bool]
) -> list[_Row]:
    """The newest rows, newest first, back to one that is known or to the first."""
    limit = _AT_ONCE
    while True:
        rows = await recent(plan_id, limit=limit)
        if len(rows) < limit or any(known(row) for row in rows):
            return rows
        limit *= 4


def event_words(event: OrderEvent) -> str:
    """An order event in few words."""
    update = event.update
    if update.fill is not None:
        return f"{event.event_type}: {plain(update.fill.quantity)} at {plain(update.fill.price)}"
    price = f" at {plain(update.price)}" if update.price is not None else ""
    return f"{event.event_type}: {update.order_type} {plain(update.quantity)}{price}"


def denial_words(order: Order) -> str:
    """An order that the gate did not let through, and why."""
    price = f" at {plain(order.price)}" if order.price is not None else ""
    return f"{order.side.value} {plain(order.quantity)}{price}: {order.reason}"


def _turn_words(turn: TurnRecord) -> str:
    if turn.decision is None:
        return f"failed: {turn.error}"
    return f"{turn.decision.action.value}: {turn.decision.reason}"


def line(happening: Happening) -> str:
    """One happening as one line."""
    whose = f"{happening.plan}: " if happening.plan else ""
    return f"{market_time(happening.at)} UTC  {happening.kind:<8}  {whose}{happening.text}"

"""What the stream did not tell: orders and fills since the last reconciliation, read over REST and told as the events they were.

OKX v5: the orders channel sends no snapshot. Orders that we think open are asked for one by one, the others come from the lists;
fills are read on from the last ledger entry, with an overlap in time. What is in the journal already falls away on its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.events import EventSource
from kokex.domain.ids import is_stop_name
from kokex.domain.order import Fill, Order, OrderStatus, OrderUpdate
from kokex.domain.reconstruction import reconstruct
from kokex.ports.clock import Clock
from kokex.ports.reconciliation import Coverage
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.order_events import OrderEventService
from kokex.services.reconciling.refused import record_of
from kokex.services.reconciling.together import together
from kokex.services.trading import TradingService

OVERLAP = timedelta(minutes=1)
"""How far before the last reconciliation the past is read again (exchange's time)."""
LOOKS = 6
"""How often a picture that keeps changing under our eyes is taken again before the whole attempt is repeated."""
REACH = timedelta(days=85)
"""How far back the exchange's lists of fills are sure to reach (OKX v5: three months)."""


@dataclass(frozen=True, slots=True)
class Unfound:
    """Orders of ours that the exchange does not know, and the ids of all that it lists as open."""

    inst_id: str
    orders: tuple[Order, ...]
    listed_open: frozenset[str]
    coverage: Coverage

    def is_listed(self, order: Order) -> bool:
        """Whether the exchange lists `order` as open."""
        return bool({order.client_order_id, order.order_id} & self.listed_open)


class MissedEvents:
    """Reads what was missed on an account and journals it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sessions: AccountSessions,
        order_events: OrderEventService,
        trading: TradingService,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._order_events = order_events
        self._trading = trading

    async def instruments(self, session: AccountSession) -> list[str]:
        """What has to be read: every instrument that a plan trades on the account, or has an order pending in."""
        connection = self._order_events.connections.get(session.account.connection_key)
        pending = await self._store.orders.pending(account_id=session.account.id)
        found = {order.inst_id for order in pending}
        if connection is not None:
            found.update(connection.plans.values())
        return sorted(found)

    async def read(self, session: AccountSession, instruments: Collection[str]) -> list[Unfound]:
        """Journal what was missed in `instruments`; what is left to be judged.

        Raises:
            RecordRefusedError: one instrument cannot be read.
            ExchangeError: the exchange could not be read to the end.
        """
        known = await self._store.orders.pending(account_id=session.account.id)
        pending = [order for order in known if not order.status.waiting]  # those the exchange cannot know
        return await together(
            self._readable(session, inst_id, [one for one in pending if one.inst_id == inst_id])
            for inst_id in instruments
        )

    async def order(self, session: AccountSession, order: Order) -> bool:
        """Journal what became of one order; False where the exchange does not know it."""
        row = await self._ask(session, order)
        if row is None:
            return False
        rows = {row.order_id: row}
        still = await self._still(session, order.inst_id, row.created_at - OVERLAP, None, rows, set(rows))
        await self._journal(session, {row.order_id: rows[row.order_id]}, still)
        await self._trading.found(session, order, row.order_id)
        return True

    async def _readable(self, session: AccountSession, inst_id: str, pending: list[Order]) -> Unfound:
        with record_of(inst_id):
            return await self._instrument(session, inst_id, pending)

    async def _instrument(self, session: AccountSession, inst_id: str, pending: list[Order]) -> Unfound:
        exchange, account_id = session.exchange, session.account.id
        began = self._clock.now()
        known = await self._store.reconciliation.coverage(account_id, inst_id)
        ticker, open_orders = await asyncio.gather(exchange.ticker(inst_id), exchange.open_orders(inst_id))
        market_time = ticker.occurred_at
        rows, unfound = await self._pending_rows(session, pending, open_orders)
        elsewhere = await self._store.reconciliation.pending_elsewhere(account_id, inst_id)
        others = [order_id for order_id in elsewhere if order_id not in rows]
        for row in await together(exchange.order(inst_id, order_id=one) for one in others):
            if row is not None:
                rows[row.order_id] = row
        since = await self._since(session, inst_id, known, market_time, rows.values())
        for row in await exchange.order_history(inst_id, since):
            rows[row.order_id] = row
        names = {order.client_order_id for order in pending if order.client_order_id is not None}
        ours = {row.order_id for row in rows.values() if row.client_order_id in names}
        still = await self._still(session, inst_id, since, known.bill_id if known else None, rows, ours)
        await self._journal(session, rows, still)
        coverage = _advanced(known, session, inst_id, began, market_time, still.fills)
        if not self._listened_to(session, inst_id):
            # What others trade reaches no journal now, so positions cannot be told from fills later.
            coverage = replace(coverage, baseline=None)
        await self._store.reconciliation.save_coverage(coverage)
        listed = {name for row in open_orders for name in (row.order_id, row.client_order_id) if name}
        return Unfound(inst_id, tuple(unfound), frozenset(listed), coverage)

    async def _pending_rows(
        self, session: AccountSession, pending: list[Order], open_orders: list[OrderUpdate]
    ) -> tuple[dict[str, OrderUpdate], list[Order]]:
        """How the exchange tells `open_orders`, and each of `pending` that is not among them; and those it does not know."""
        listed = {row.order_id: row for row in open_orders}
        named = {row.client_order_id: row for row in open_orders if row.client_order_id}

        async def told(order: Order) -> OrderUpdate | None:
            name = order.client_order_id
            row = named.get(name) if name else listed.get(order.order_id or "")
            return row or await self._ask(session, order)

        rows, unfound = dict(listed), []
        for order, row in zip(pending, await together(map(told, pending)), strict=True):
            if row is None:
                unfound.append(order)
                continue
            rows[row.order_id] = row
            if order.status.in_flight:
                await self._trading.found(session, order, row.order_id)
        return rows, unfound

    def _listened_to(self, session: AccountSession, inst_id: str) -> bool:
        connection = self._order_events.connections.get(session.account.connection_key)
        return connection is not None and inst_id in connection.plans.values()

    async def _journal(self, session: AccountSession, rows: dict[str, OrderUpdate], still: _Still) -> None:
        oldest_first = sorted(rows.values(), key=lambda row: (row.created_at, row.order_id))
        events = [
            event for row in oldest_first for event in reconstruct(row, still.of_order.get(row.order_id, []))
        ]
        await self._order_events.ingest(session.account, events, EventSource.RECONCILE)

    async def _still(
        self,
        session: AccountSession,
        inst_id: str,
        since: datetime,
        after_bill_id: str | None,
        rows: dict[str, OrderUpdate],
        ours: Collection[str],
    ) -> _Still:
        """Fills that agree with `rows`: an order that moved while they were read is read again, with its fills.

        Args:
            ours: ids of orders whose executions must all be known: lists of orders and of fills are not of the same moment.
        """
        for _ in range(LOOKS):
            fills, open_orders = await asyncio.gather(
                session.exchange.fills(inst_id, since, after_bill_id=after_bill_id),
                session.exchange.open_orders(inst_id),
            )
            moved = False
            listed = {row.order_id: row for row in open_orders}
            for order_id in _unsettled(rows, fills):
                row = listed.get(order_id)
                if row is None or row.filled_quantity < _executed(fills, order_id):
                    row = await session.exchange.order(inst_id, order_id=order_id)
                if row is None:
                    continue
                moved |= row.filled_quantity < _executed(fills, order_id)
                before = rows.get(order_id)
                moved |= before is None or (before.filled_quantity, before.status) != (
                    row.filled_quantity,
                    row.status,
                )
                rows[order_id] = row
            executions = None if moved else await self._executions(session, inst_id, rows, fills, ours)
            if executions is not None:
                return _Still(fills, executions)
        raise ExchangeUnavailableError(
            f"orders of {inst_id} kept moving while they were read, or fills of theirs are not listed yet; reading them again"
        )

    async def _executions(
        self,
        session: AccountSession,
        inst_id: str,
        rows: dict[str, OrderUpdate],
        fills: Iterable[Fill],
        ours: Collection[str],
    ) -> dict[str, list[Fill]] | None:
        """Each order's newest executions; None where one of an order of ours is neither listed nor on record."""
        of_order: dict[str, list[Fill]] = {}
        for fill in fills:
            of_order.setdefault(fill.order_id, []).append(fill)
        asked = {
            row.order_id: row
            for row in rows.values()
            if row.filled_quantity
            and (row.order_id in ours or (row.status is OrderStatus.FILLED and row.order_id not in of_order))
        }
        kept: dict[str, list[Fill]] = {}
        for fill in await self._store.journal.fills_of(session.account.id, inst_id, list(asked)):
            kept.setdefault(fill.order_id, []).append(fill)
        for order_id, row in asked.items():
            known = {_identity(fill): fill for fill in [*kept.get(order_id, []), *of_order.get(order_id, [])]}
            if order_id in ours and _executed(known.values(), order_id) < row.filled_quantity:
                return None
            if order_id not in of_order and row.status is OrderStatus.FILLED:
                of_order[order_id] = kept.get(order_id, [])[-1:]  # its end is told with the last of them
        return of_order

    async def _since(
        self,
        session: AccountSession,
        inst_id: str,
        known: Coverage | None,
        market_time: datetime,
        rows: Iterable[OrderUpdate],
    ) -> datetime:
        """Exchange's time from which something may be missing."""
        if known is not None:
            return known.read_to - OVERLAP
        last = await self._store.journal.last_occurred_at(session.account.id, inst_id)
        return min([last or market_time, *(row.created_at for row in rows)]) - OVERLAP

    async def _ask(self, session: AccountSession, order: Order) -> OrderUpdate | None:
        if order.client_order_id is None or is_stop_name(order.client_order_id):
            return await session.exchange.order(order.inst_id, order_id=order.order_id)
        return await session.exchange.order(order.inst_id, client_order_id=order.client_order_id)


@dataclass(frozen=True, slots=True)
class _Still:
    """Fills as the exchange listed them, and each order's newest executions."""

    fills: list[Fill]
    of_order: dict[str, list[Fill]]


def _identity(fill: Fill) -> object:
    return fill.trade_id or (fill.occurred_at, fill.price, fill.quantity)


def _executed(fills: Iterable[Fill], order_id: str) -> Decimal:
    return sum((fill.quantity for fill in fills if fill.order_id == order_id), Decimal(0))


def _unsettled(rows: dict[str, OrderUpdate], fills: Iterable[Fill]) -> list[str]:
    """Orders that may move still, or that are known by a fill alone."""
    wanted = [order_id for order_id, row in rows.items() if row.status.open]
    wanted += [fill.order_id for fill in fills if fill.order_id not in rows]
    return list(dict.fromkeys(wanted))


def _advanced(
    known: Coverage | None,
    session: AccountSession,
    inst_id: str,
    began: datetime,
    market_time: datetime,
    fills: Iterable[Fill],
) -> Coverage:
    """The record is whole up to here; from the beginning on, unless more time passed than the exchange's lists reach back."""
    bills = [fill.bill_id for fill in fills if fill.bill_id is not None]
    if known is not None and known.bill_id is not None:
        bills.append(known.bill_id)
    unbroken = known is not None and began - known.reconciled_at < REACH
    return Coverage(
        account_id=session.account.id,
        inst_id=inst_id,
        complete_since=known.complete_since if known is not None and unbroken else began,
        reconciled_at=began,
        read_to=market_time if known is None else max(market_time, known.read_to),
        bill_id=max(bills, key=lambda bill: (len(bill), bill), default=None),
        baseline=known.baseline if known is not None and unbroken else None,
    )

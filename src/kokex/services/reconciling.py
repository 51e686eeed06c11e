"""Bringing our record in line with the exchange's: after every (re)connect, and for every order whose fate is unknown.

The stream is held meanwhile. Orders that we think open, orders that closed and fills that were made since the last journalled
event are read over REST, told as the events they were, and journalled; what is there already falls away. Only then may new
orders go out, and the held stream follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from kokex.domain.errors import (
    ExchangeError,
    ExchangeStoppedError,
    ExchangeUnavailableError,
    StoreUnavailableError,
)
from kokex.domain.events import EventSource
from kokex.domain.order import Fill, Order, OrderUpdate
from kokex.domain.reconstruction import reconstruct
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.order_events import OrderEventService
from kokex.services.trading import TradingService

log = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=1)
"""How far before the last journalled event the past is read again (exchange's time)."""
PATIENCE = timedelta(seconds=2)
"""How long an order may be in flight before the exchange is asked after it."""
LOOKS = 6
"""How often a picture that keeps changing under our eyes is taken again before the whole attempt is repeated."""


class ReconciledSink(Protocol):
    """Who is told that an account may trade again."""

    def on_account_reconciled(self, session: AccountSession) -> None:
        """Orders may go out."""
        ...


class ReconcilingService:
    """Reconciles accounts, each on its own, for as long as it takes."""

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
        self._wanted: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
        self._running: dict[str, asyncio.Task[None]] = {}

    def request(self, connection_key: str) -> None:
        """Reconcile the account of that connection soon; an attempt under way starts again."""
        self._wanted.put_nowait(connection_key)

    def abandon(self, connection_key: str) -> None:
        """The stream is gone: what was being read no longer joins up with it."""
        task = self._running.pop(connection_key, None)
        if task is not None:
            task.cancel()

    async def run(self, sink: ReconciledSink) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resolve_for_ever())
            while True:
                key = await self._wanted.get()
                self.abandon(key)
                self._running[key] = tasks.create_task(self._until_reconciled(key, sink))

    async def _until_reconciled(self, connection_key: str, sink: ReconciledSink) -> None:
        session = self._sessions.by_key(connection_key)
        if session is None:
            return
        delay = 0.1
        while True:
            try:
                await self.reconcile(session)
            except ExchangeStoppedError as error:
                session.stopped = str(error)
                log.error("account stopped", account=session.account.name, reason=str(error))
                return
            except (ExchangeError, StoreUnavailableError) as error:
                log.warning("not reconciled yet", account=session.account.name, reason=str(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                break
        session.stopped = None
        session.reconciled = True
        self._order_events.release(session.account)
        log.info("account reconciled", account=session.account.name)
        sink.on_account_reconciled(session)

    async def reconcile(self, session: AccountSession) -> None:
        """Journal what was missed, in every instrument that a plan of the account trades.

        Raises:
            ExchangeError: the exchange could not be read to the end.
        """
        connection = self._order_events.connections.get(session.account.connection_key)
        pending = await self._store.orders.pending(account_id=session.account.id)
        instruments = {order.inst_id for order in pending}
        if connection is not None:
            instruments.update(connection.plans.values())
        for inst_id in sorted(instruments):
            await self._sessions.refresh_instrument(session, inst_id)
            mine = [order for order in pending if order.inst_id == inst_id]
            await self._reconcile_instrument(session, inst_id, mine)
        await session.refresh()

    async def _reconcile_instrument(
        self, session: AccountSession, inst_id: str, pending: list[Order]
    ) -> None:
        rows: dict[str, OrderUpdate] = {}
        for order in pending:
            row = await self._ask(session, order)
            if row is not None:
                rows[row.order_id] = row
        since = await self._since(session, inst_id, rows.values())
        for row in await session.exchange.order_history(inst_id, since):
            rows[row.order_id] = row
        for row in await session.exchange.open_orders(inst_id):
            rows.setdefault(row.order_id, row)
        fills = await self._still(session, inst_id, since, rows)
        for row in sorted(rows.values(), key=lambda row: (row.created_at, row.order_id)):
            events = reconstruct(row, [fill for fill in fills if fill.order_id == row.order_id])
            await self._order_events.ingest(session.account, events, EventSource.RECONCILE)

    async def _still(
        self, session: AccountSession, inst_id: str, since: datetime, rows: dict[str, OrderUpdate]
    ) -> list[Fill]:
        """Fills that agree with `rows`: an order that moved while they were read is read again, with its fills."""
        for _ in range(LOOKS):
            fills = await session.exchange.fills(inst_id, since)
            moved = False
            for order_id in _unsettled(rows, fills):
                row = await session.exchange.order(inst_id, order_id=order_id)
                if row is None:
                    continue
                before = rows.get(order_id)
                moved |= before is None or (before.filled_quantity, before.status) != (
                    row.filled_quantity,
                    row.status,
                )
                rows[order_id] = row
            if not moved:
                return fills
        raise ExchangeUnavailableError(
            f"orders of {inst_id} kept moving while they were read; reading them again"
        )

    async def _since(self, session: AccountSession, inst_id: str, rows: Iterable[OrderUpdate]) -> datetime:
        """Exchange's time from which something may be missing: the last event, or our oldest unsettled order."""
        last = await self._store.journal.last_occurred_at(session.account.id, inst_id)
        if last is None:
            last = (await session.exchange.ticker(inst_id)).occurred_at
        return min([last, *(row.created_at for row in rows)]) - OVERLAP

    async def _ask(self, session: AccountSession, order: Order) -> OrderUpdate | None:
        if order.client_order_id is None:
            return await session.exchange.order(order.inst_id, order_id=order.order_id)
        row = await session.exchange.order(order.inst_id, client_order_id=order.client_order_id)
        if row is not None:
            await self._trading.found(session, order, row.order_id)
        return row

    async def _resolve_for_ever(self) -> None:
        while True:
            await self._clock.sleep(0.5)
            try:
                for order in await self._store.orders.pending():
                    await self._resolve(order)
            except (ExchangeError, StoreUnavailableError) as error:
                log.warning("unknown orders wait", reason=str(error))

    async def _resolve(self, order: Order) -> None:
        session = self._sessions.by_id(order.account_id)
        if session is None or not order.status.in_flight or session.stopped:
            return
        if self._clock.now() - order.created_at < PATIENCE:
            return
        row = await self._ask(session, order)
        if row is None:
            await self._trading.missing(session, order)
            return
        rows = {row.order_id: row}
        fills = await self._still(session, order.inst_id, row.created_at - OVERLAP, rows)
        mine = [fill for fill in fills if fill.order_id == row.order_id]
        await self._order_events.ingest(
            session.account, reconstruct(rows[row.order_id], mine), EventSource.RECONCILE
        )


def _unsettled(rows: dict[str, OrderUpdate], fills: Iterable[Fill]) -> list[str]:
    """Orders that may move still, or that are known by a fill alone."""
    wanted = [order_id for order_id, row in rows.items() if row.status.open]
    wanted += [fill.order_id for fill in fills if fill.order_id not in rows]
    return list(dict.fromkeys(wanted))

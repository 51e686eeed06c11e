"""Orders and fills, asked for over REST: one by one, and lists read to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from kokex.adapters.okx import routes
from kokex.adapters.okx.errors import ORDER_NOT_FOUND
from kokex.adapters.okx.paging import ROWS_A_PAGE, numeric, pages_since
from kokex.adapters.okx.parse.funding import parse_funding_payment
from kokex.adapters.okx.parse.orders import parse_fill, parse_order_row
from kokex.adapters.okx.parse.scalars import kind_of
from kokex.adapters.okx.rest import OKXRestClient
from kokex.adapters.okx.routes import Route
from kokex.domain.errors import DataError, ExchangeRejectedError
from kokex.domain.funding import FundingPayment
from kokex.domain.instrument import InstrumentKind
from kokex.domain.order import Fill, OrderUpdate

INSTRUMENT_TYPES = {InstrumentKind.SPOT: "SPOT", InstrumentKind.SWAP: "SWAP"}
"""OKX's word for each kind."""

_RECENT_FILLS = timedelta(days=3)
_RECENT_ORDERS = timedelta(days=7)
_RECENT_BILLS = timedelta(days=7)
_FUNDING = "8"
_OVERLAP = timedelta(hours=1)
"""The short lists may end a little early; the long ones are read that much sooner."""


class OrderReading:
    """Reads the orders of one account. An instrument of None stands for all spot and swaps, which are lists apart."""

    def __init__(self, rest: OKXRestClient) -> None:
        self._rest = rest

    async def order(
        self, inst_id: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderUpdate | None:
        """The order as OKX knows it; None where it does not."""
        parameters = {"instId": inst_id}
        if order_id is not None:
            parameters["ordId"] = order_id
        elif client_order_id is not None:
            parameters["clOrdId"] = client_order_id
        else:
            raise ValueError("an order is asked for by its client_order_id or its order_id")
        try:
            rows = await self._rest.read(routes.ORDER, parameters, scope=inst_id)
        except ExchangeRejectedError as error:
            if error.code in ORDER_NOT_FOUND:
                return None
            raise
        return parse_order_row(rows[0]) if rows else None

    async def by_client_order_id(self, inst_id: str, client_order_id: str) -> OrderUpdate | None:
        """The order as OKX knows it; None where it does not."""
        return await self.order(inst_id, client_order_id=client_order_id)

    async def open_orders(self, inst_id: str | None) -> list[OrderUpdate]:
        """All open orders, oldest first."""
        return sorted(await self._orders(routes.OPEN_ORDERS, inst_id, None), key=_order_age)

    async def order_history(self, inst_id: str | None, since: datetime) -> list[OrderUpdate]:
        """Closed orders created at or after `since`, oldest first: of 7 days, beyond them of three months."""
        lists = [self._orders(routes.ORDER_HISTORY, inst_id, since)]
        if self._reaches_beyond(since, _RECENT_ORDERS):
            lists.append(self._orders(routes.ORDER_ARCHIVE, inst_id, since))
        rows = [row for found in await asyncio.gather(*lists) for row in found]
        found = {row.order_id: row for row in reversed(rows) if row.created_at >= since}
        return sorted(found.values(), key=_order_age)

    async def fills(
        self, inst_id: str | None, since: datetime, *, after_bill_id: str | None = None
    ) -> list[Fill]:
        """Our executions at or after `since`, and those after a ledger entry; of 3 days, beyond them of three months."""
        lists = [self._fills(routes.FILLS, inst_id, since, after_bill_id)]
        if self._reaches_beyond(since, _RECENT_FILLS):
            lists.append(self._fills(routes.FILLS_HISTORY, inst_id, since, after_bill_id))
        rows = [row for found in await asyncio.gather(*lists) for row in found]

        def wanted(row: Fill) -> bool:
            newer = after_bill_id is not None and numeric(_bill_id(row)) > numeric(after_bill_id)
            return newer or row.occurred_at >= since

        found = {row.bill_id or row: row for row in reversed(rows) if wanted(row)}
        return sorted(found.values(), key=_fill_age)

    async def funding_payments(self, inst_id: str, since: datetime) -> list[FundingPayment]:
        """Entries of the account's ledger for the funding of a swap (OKX v5: type 8), oldest first."""
        rows = await self._bills(routes.BILLS, since)
        if self._reaches_beyond(since, _RECENT_BILLS):
            rows += await self._bills(routes.BILLS_ARCHIVE, since)
        found = {row.bill_id: row for row in rows if row.inst_id == inst_id and row.occurred_at >= since}
        return sorted(found.values(), key=lambda row: (row.occurred_at, numeric(row.bill_id)))

    async def _bills(self, route: Route, since: datetime) -> list[FundingPayment]:
        async def page(cursor: str | None) -> list[FundingPayment]:
            parameters = {"instType": "SWAP", "type": _FUNDING, "limit": str(ROWS_A_PAGE)}
            if cursor is not None:
                parameters["after"] = cursor
            return [parse_funding_payment(row) for row in await self._rest.read(route, parameters)]

        return await pages_since(page, lambda row: row.bill_id, lambda row: row.occurred_at, since)

    def _reaches_beyond(self, since: datetime, recent: timedelta) -> bool:
        """Whether the short list may not reach back to `since`, or the exchange's days are not our clock's."""
        age = self._rest.server_clock.now() - since
        return not timedelta(0) <= age < recent - _OVERLAP

    async def _orders(self, route: Route, inst_id: str | None, since: datetime | None) -> list[OrderUpdate]:
        found: list[OrderUpdate] = []
        for fetch in self._lists(route, inst_id):

            async def page(cursor: str | None, fetch: Fetch = fetch) -> list[OrderUpdate]:
                return [parse_order_row(row) for row in await fetch(cursor)]

            found += await pages_since(page, lambda row: row.order_id, lambda row: row.created_at, since)
        return found

    async def _fills(
        self, route: Route, inst_id: str | None, since: datetime, after_bill_id: str | None
    ) -> list[Fill]:
        found: list[Fill] = []
        for fetch in self._lists(route, inst_id):

            async def page(cursor: str | None, fetch: Fetch = fetch) -> list[Fill]:
                return [parse_fill(row) for row in await fetch(cursor)]

            found += await pages_since(
                page, _bill_id, lambda row: row.occurred_at, since, until=after_bill_id
            )
        return found

    def _lists(self, route: Route, inst_id: str | None) -> Iterable[Fetch]:
        """How to fetch a page of each list (OKX v5: `instType` is required by some of them)."""
        kinds = list(INSTRUMENT_TYPES) if inst_id is None else [kind_of(inst_id)]
        for kind in kinds:
            parameters = {"instType": INSTRUMENT_TYPES[kind], "limit": str(ROWS_A_PAGE)}
            if inst_id is not None:
                parameters["instId"] = inst_id

            async def fetch(cursor: str | None, parameters: dict[str, str] = parameters) -> list[msgspec.Raw]:
                return await self._rest.read(route, {**parameters, "after": cursor} if cursor else parameters)

            yield fetch


Fetch = Callable[[str | None], Awaitable[list[msgspec.Raw]]]
"""A page of a list, older than a cursor."""


def _bill_id(fill: Fill) -> str:
    if fill.bill_id is None:
        raise DataError(
            f"fill {fill.trade_id} of {fill.inst_id} has no billId, so the list cannot be read on"
        )
    return fill.bill_id


def _order_age(order: OrderUpdate) -> tuple[datetime, int, str]:
    return order.created_at, len(order.order_id), order.order_id


def _fill_age(fill: Fill) -> tuple[datetime, int, str]:
    bill_id = fill.bill_id or ""
    return fill.occurred_at, len(bill_id), bill_id

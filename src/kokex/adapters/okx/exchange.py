"""`OKXExchange`: the exchange port, spoken in OKX v5."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal

from kokex.adapters.okx import routes
from kokex.adapters.okx.account_reading import AccountReading
from kokex.adapters.okx.candle_pages import CANDLES_A_PAGE, CandleList, CandleLists, CandleQuery, candle_pages
from kokex.adapters.okx.commands import OrderCommands
from kokex.adapters.okx.errors import NO_MARKET_DATA
from kokex.adapters.okx.order_reading import INSTRUMENT_TYPES, OrderReading
from kokex.adapters.okx.parse.account import account_snapshot, parse_balances, parse_position
from kokex.adapters.okx.parse.market import (
    parse_candle,
    parse_funding_rate,
    parse_instrument,
    parse_order_book,
    parse_ticker,
)
from kokex.adapters.okx.parse.scalars import kind_of, milliseconds
from kokex.adapters.okx.parse.settings import parse_settings
from kokex.adapters.okx.rest import OKXRestClient
from kokex.domain.account import AccountSettings, AccountSnapshot, Ticker
from kokex.domain.account_reports import BalanceReport, PositionReport, StopReport
from kokex.domain.candle import Candle, Interval
from kokex.domain.errors import ExchangeRejectedError
from kokex.domain.funding import FundingPayment
from kokex.domain.instrument import Instrument, InstrumentKind
from kokex.domain.market import FundingRate, OrderBook
from kokex.domain.order import Fill, OrderUpdate
from kokex.domain.risk import Approved, ApprovedAmendment
from kokex.domain.time_range import TimeRange
from kokex.ports.clock import Clock
from kokex.ports.exchange import CandlePage, Outcome


class OKXExchange:
    """Commands and queries on one OKX account; see `kokex.ports.exchange.Exchange`."""

    def __init__(self, rest: OKXRestClient, clock: Clock) -> None:
        self._rest = rest
        self._account = AccountReading(rest)
        self._orders = OrderReading(rest)
        self._commands = OrderCommands(rest, clock, self._orders.by_client_order_id)
        # What opened before this is not in the short list of candles, and never will be again.
        self._too_old: dict[tuple[str, Interval], datetime] = {}

    async def server_time(self) -> datetime:
        """The exchange's clock (UTC)."""
        return await self._rest.server_time()

    async def instruments(self, kind: InstrumentKind) -> list[Instrument]:
        """All instruments of `kind`; of swaps the linear ones."""
        rows = await self._rest.read(
            routes.INSTRUMENTS, {"instType": INSTRUMENT_TYPES[kind]}, scope=INSTRUMENT_TYPES[kind]
        )
        return [found for found in map(parse_instrument, rows) if found is not None]

    async def instrument(self, inst_id: str) -> Instrument:
        """One instrument. Raises `ExchangeRejectedError` where OKX does not know it or KOKEX cannot trade it."""
        kind = INSTRUMENT_TYPES[kind_of(inst_id)]
        rows = await self._rest.read(routes.INSTRUMENTS, {"instType": kind, "instId": inst_id}, scope=kind)
        found = [known for known in map(parse_instrument, rows) if known and known.inst_id == inst_id]
        if not found:
            raise ExchangeRejectedError(
                f"OKX lists no spot or linear swap {inst_id}; check its name and the account's region",
                code="51001",
            )
        return found[0]

    async def ticker(self, inst_id: str) -> Ticker:
        """Last price and top of the book."""
        rows = await self._rest.read(routes.TICKER, {"instId": inst_id})
        if not rows:
            raise ExchangeRejectedError(f"OKX has no ticker of {inst_id}", code="51001")
        return parse_ticker(rows[0])

    async def order_book(self, inst_id: str, depth: int) -> OrderBook:
        """The book's best levels, `depth` a side (OKX v5: 1 to 400)."""
        rows = await self._rest.read(routes.ORDER_BOOK, {"instId": inst_id, "sz": str(depth)})
        if not rows:
            raise ExchangeRejectedError(f"OKX has no order book of {inst_id}", code="51001")
        return parse_order_book(rows[0], inst_id)

    async def funding_payments(self, inst_id: str, since: datetime) -> list[FundingPayment]:
        """What holding a swap cost or earned since then, oldest first; of seven days, beyond them of three months."""
        return await self._orders.funding_payments(inst_id, since)

    async def funding_rate(self, inst_id: str) -> FundingRate:
        """What a swap's next funding will be."""
        if kind_of(inst_id) is not InstrumentKind.SWAP:
            raise ExchangeRejectedError(f"{inst_id} is no swap: nothing is paid for holding it", code="51000")
        rows = await self._rest.read(routes.FUNDING_RATE, {"instId": inst_id}, scope=inst_id)
        if not rows:
            raise ExchangeRejectedError(f"OKX has no funding rate of {inst_id}", code="51001")
        return parse_funding_rate(rows[0])

    async def candles(
        self, inst_id: str, interval: Interval, *, start: datetime, end: datetime
    ) -> list[Candle]:
        """Closed candles whose open time is in [start, end), oldest first."""
        pages = [page async for page in self.candle_pages(inst_id, interval, start=start, end=end)]
        return [candle for page in reversed(pages) for candle in page.candles]

    async def candle_pages(
        self, inst_id: str, interval: Interval, *, start: datetime, end: datetime
    ) -> AsyncIterator[CandlePage]:
        """The same page by page, newest first; see `kokex.adapters.okx.candle_pages`."""
        if start >= end:
            return

        async def fetch(query: CandleQuery) -> list[Candle]:
            rows = await self._candle_rows(inst_id, interval, query)
            if query.source is CandleList.RECENT and not rows:
                self._too_old[inst_id, interval] = query.older_than
            return rows

        async def now() -> datetime:
            return (await self.ticker(inst_id)).occurred_at

        recent = end > self._too_old.get((inst_id, interval), start)
        lists = CandleLists(fetch, now)
        async for page in candle_pages(lists, interval, TimeRange(start, end), recent=recent):
            yield page

    async def _candle_rows(self, inst_id: str, interval: Interval, query: CandleQuery) -> list[Candle]:
        route = routes.CANDLES if query.source is CandleList.RECENT else routes.HISTORY_CANDLES
        parameters = {
            "instId": inst_id,
            "bar": interval.name,
            "after": str(milliseconds(query.older_than)),
            "limit": str(CANDLES_A_PAGE),
        }
        if query.since is not None:
            parameters["before"] = str(milliseconds(query.since) - 1)
        try:
            rows = await self._rest.read(route, parameters)
        except ExchangeRejectedError as error:
            if error.code == NO_MARKET_DATA:
                return []
            raise
        return [parse_candle(row, kind_of(inst_id)) for row in rows]

    async def account(self) -> AccountSnapshot:
        """Balances and positions."""
        balances, positions = await asyncio.gather(
            self._rest.read(routes.BALANCE, {}), self._rest.read(routes.POSITIONS, {"instType": "SWAP"})
        )
        return account_snapshot(
            parse_balances(balances[0]) if balances else {},
            map(parse_position, positions),
            self._rest.server_clock.now(),
        )

    async def submit(self, order: Approved) -> Outcome:
        """Send an order that the risk gate let through."""
        return await self._commands.submit(order)

    async def amend(self, change: ApprovedAmendment, request_id: str) -> Outcome:
        """Ask for a change of an open order."""
        return await self._commands.amend(change, request_id)

    async def cancel(self, inst_id: str, client_order_id: str) -> Outcome:
        """Ask for an order's cancellation."""
        return await self._commands.cancel(inst_id, client_order_id)

    async def order(
        self, inst_id: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderUpdate | None:
        """The order as OKX knows it; None where it does not."""
        return await self._orders.order(inst_id, client_order_id=client_order_id, order_id=order_id)

    async def open_orders(self, inst_id: str | None = None) -> list[OrderUpdate]:
        """All open orders of the instrument, or of all spot and swaps, oldest first."""
        return await self._orders.open_orders(inst_id)

    async def order_history(self, inst_id: str | None, since: datetime) -> list[OrderUpdate]:
        """Closed orders created at or after `since`, oldest first: of 7 days, beyond them of three months.

        OKX v5 forgets an order that was canceled without a fill after two hours.
        """
        return await self._orders.order_history(inst_id, since)

    async def fills(
        self, inst_id: str | None, since: datetime, *, after_bill_id: str | None = None
    ) -> list[Fill]:
        """Our executions at or after `since`, and those after a ledger entry; of 3 days, beyond them of three months."""
        return await self._orders.fills(inst_id, since, after_bill_id=after_bill_id)

    async def positions(self) -> list[PositionReport]:
        """Every open position in a swap, one by one."""
        return await self._account.positions()

    async def balances(self) -> list[BalanceReport]:
        """Every currency that is not zero."""
        return await self._account.balances()

    async def open_stops(self, inst_id: str | None = None) -> list[StopReport]:
        """Stops that wait at OKX, oldest first."""
        return await self._account.open_stops(inst_id)

    async def stop(self, stop_id: str) -> StopReport | None:
        """What became of a stop; None where OKX does not know it."""
        return await self._account.stop(stop_id)

    async def cancel_stop(self, inst_id: str, stop_id: str) -> Outcome:
        """Ask for the cancellation of a stop that waits."""
        return await self._commands.cancel_stop(inst_id, stop_id)

    async def amend_stop(self, inst_id: str, stop_id: str, quantity: Decimal) -> Outcome:
        """Ask for another quantity of a stop that waits."""
        return await self._commands.amend_stop(inst_id, stop_id, quantity)

    async def settings(self) -> AccountSettings:
        """How the account is set up."""
        return parse_settings(await self._rest.read_row(routes.ACCOUNT_CONFIG, {}))

    async def close(self) -> None:
        """Release connections."""
        await self._rest.close()

"""What an account has besides orders, asked for over REST: positions and balances one by one, and stops that wait."""

from __future__ import annotations

import asyncio

from kokex.adapters.okx import routes
from kokex.adapters.okx.errors import ORDER_NOT_FOUND
from kokex.adapters.okx.paging import ROWS_A_PAGE, pages_since
from kokex.adapters.okx.parse.balances import parse_balance_report, read_account
from kokex.adapters.okx.parse.positions import parse_position_report
from kokex.adapters.okx.parse.stops import parse_stop
from kokex.adapters.okx.rest import OKXRestClient
from kokex.domain.account_reports import BalanceReport, PositionReport, StopReport
from kokex.domain.errors import ExchangeRejectedError

# OKX v5: a list holds one type of algo order, but for these two.
_STOP_LISTS = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "smart_iceberg", "twap", "chase")
_NO_SUCH_TYPE = "51000"
"""Parameter error: an exchange that does not know a type has no order of it."""


class AccountReading:
    """Reads one account."""

    def __init__(self, rest: OKXRestClient) -> None:
        self._rest = rest

    async def positions(self) -> list[PositionReport]:
        """Every open position in a swap."""
        rows = await self._rest.read(routes.POSITIONS, {"instType": "SWAP"})
        found = [parse_position_report(row, snapshot=True) for row in rows]
        return [report for report in found if report is not None and report.quantity]

    async def balances(self) -> list[BalanceReport]:
        """Every currency that is not zero."""
        rows = await self._rest.read(routes.BALANCE, {})
        if not rows:
            return []
        account = read_account(rows[0])
        return [
            parse_balance_report(item, at=account.u_time or "", snapshot=True) for item in account.details
        ]

    async def open_stops(self, inst_id: str | None = None) -> list[StopReport]:
        """Stops that wait, oldest first."""
        lists = await asyncio.gather(*(self._stops(kind, inst_id) for kind in _STOP_LISTS))
        found = [stop for stops in lists for stop in stops]
        return sorted(found, key=lambda stop: (len(stop.stop_id), stop.stop_id))

    async def stop(self, stop_id: str) -> StopReport | None:
        """What became of a stop; None where OKX does not know it."""
        try:
            rows = await self._rest.read(routes.STOP, {"algoId": stop_id})
        except ExchangeRejectedError as error:
            if error.code in ORDER_NOT_FOUND:
                return None
            raise
        return parse_stop(rows[0], snapshot=True) if rows else None

    async def _stops(self, kind: str, inst_id: str | None) -> list[StopReport]:
        async def page(cursor: str | None) -> list[StopReport]:
            parameters = {"ordType": kind, "limit": str(ROWS_A_PAGE)}
            if inst_id is not None:
                parameters["instId"] = inst_id
            if cursor is not None:
                parameters["after"] = cursor
            return [
                parse_stop(row, snapshot=True) for row in await self._rest.read(routes.OPEN_STOPS, parameters)
            ]

        try:
            return await pages_since(page, lambda stop: stop.stop_id, lambda stop: stop.occurred_at, None)
        except ExchangeRejectedError as error:
            if error.code == _NO_SUCH_TYPE:
                return []
            raise

"""The REST routes that KOKEX uses, with their rate limits (OKX v5: public ones count per IP, private ones per user)."""

from __future__ import annotations

from dataclasses import dataclass

from kokex.adapters.okx.rate_limit import Budget


@dataclass(frozen=True, slots=True)
class Route:
    """One REST route.

    Attributes:
        signed: it needs the account's keys. Where it does not, everybody is told the same: accounts that ask at once ask once.
        budget: calls allowed in a time, counted for each scope (an instrument, for orders) apart.
    """

    method: str
    path: str
    budget: Budget
    signed: bool = True


def _public(path: str, calls: int) -> Route:
    return Route("GET", f"/api/v5/{path}", Budget(calls, 2.0), signed=False)


def _query(path: str, calls: int) -> Route:
    return Route("GET", f"/api/v5/{path}", Budget(calls, 2.0))


def _command(path: str, calls: int) -> Route:
    return Route("POST", f"/api/v5/{path}", Budget(calls, 2.0))


SERVER_TIME = _public("public/time", 10)
INSTRUMENTS = _public("public/instruments", 20)
TICKER = _public("market/ticker", 20)
ORDER_BOOK = _public("market/books", 40)
FUNDING_RATE = _public("public/funding-rate", 10)
CANDLES = _public("market/candles", 40)
HISTORY_CANDLES = _public("market/history-candles", 20)

BALANCE = _query("account/balance", 10)
POSITIONS = _query("account/positions", 10)
ACCOUNT_CONFIG = _query("account/config", 5)
ORDER = _query("trade/order", 60)
OPEN_ORDERS = _query("trade/orders-pending", 60)
ORDER_HISTORY = _query("trade/orders-history", 40)
ORDER_ARCHIVE = _query("trade/orders-history-archive", 20)
FILLS = _query("trade/fills", 60)
FILLS_HISTORY = _query("trade/fills-history", 10)
BILLS = _query("account/bills", 5)
BILLS_ARCHIVE = _query("account/bills-archive", 5)
OPEN_STOPS = _query("trade/orders-algo-pending", 20)
STOP = _query("trade/order-algo", 20)

SUBMIT = _command("trade/order", 60)
AMEND = _command("trade/amend-order", 60)
CANCEL = _command("trade/cancel-order", 60)
CANCEL_STOPS = _command("trade/cancel-algos", 20)
AMEND_STOP = _command("trade/amend-algos", 20)

"""Accounts at an exchange: where they are, what opens them, what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Environment(StrEnum):
    """Whose money: real, the exchange's demo, or our own paper exchange."""

    LIVE = "live"
    DEMO = "demo"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an exchange is reached.

    Attributes:
        rest_url: `https://host` or `http://127.0.0.1:port`.
        public_url, private_url, business_url: WebSocket addresses with their paths.
        certificate_file: a certificate to trust besides the system's (the paper exchange's own), or None.
    """

    rest_url: str
    public_url: str
    private_url: str
    business_url: str
    certificate_file: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an account. Never shown: the representation is masked."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Credentials(api_key='{self.api_key[:3]}***')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class ExchangeAccount:
    """An account that plans trade on. Its keys are kept apart, encrypted."""

    id: int
    name: str
    exchange: str
    environment: Environment
    endpoints: Endpoints

    @property
    def connection_key(self) -> str:
        """Names the one connection that all plans of this account share."""
        return f"{self.exchange}:{self.environment.value}:{self.id}"


class PositionMode(StrEnum):
    """How an account holds contracts: one signed position an instrument, or a long and a short one beside each other."""

    NET = "net"
    LONG_SHORT = "long_short"


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """How an account is set up at the exchange.

    Attributes:
        account_id: the exchange's own name of the account; two keys of one account have the same.
        permissions: what the key may do, in the exchange's words (`read_only`, `trade`, `withdraw`).
        margin_mode: the exchange's word for how balances back positions (OKX: spot, futures, multi_currency, portfolio).
        fees_in_quote: spot fees are always taken in quote currency, not in what is received.
    """

    account_id: str
    position_mode: PositionMode
    margin_mode: str
    permissions: frozenset[str]
    fees_in_quote: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """Holding of one currency: `total` = `available` + `frozen` by open orders.

    `equity` counts unrealised profit or loss of contracts too; None if not told.
    """

    currency: str
    total: Decimal
    available: Decimal
    frozen: Decimal
    equity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Net holding of a contract: `quantity` in contracts, negative when short."""

    inst_id: str
    quantity: Decimal
    average_price: Decimal | None
    unrealised_pnl: Decimal | None = None
    leverage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """What the exchange says is in an account. A currency or instrument that is absent is zero."""

    balances: dict[str, Balance]
    positions: dict[str, Position]
    taken_at: datetime

    def available(self, currency: str) -> Decimal:
        """Free to trade, in `currency`."""
        balance = self.balances.get(currency)
        return balance.available if balance else Decimal(0)

    def total(self, currency: str) -> Decimal:
        """Held, free or frozen, in `currency`."""
        balance = self.balances.get(currency)
        return balance.total if balance else Decimal(0)


@dataclass(frozen=True, slots=True)
class Ticker:
    """Last price and top of the book."""

    inst_id: str
    last: Decimal
    bid: Decimal | None
    ask: Decimal | None
    occurred_at: datetime

"""The trading floor: the books, the accounts and the registers that matching works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from kokex.paper.config import FeeRates
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account, FillRecord, Position
from kokex.paper.ledger.settlement import Books
from kokex.paper.matching.book import OrderBook
from kokex.paper.matching.order import Order


class Registers(Books, Protocol):
    """Numbers that the engine draws and records that it writes."""

    def next_trade_id(self, inst_id: str) -> int:
        """A fresh trade number of an instrument."""

    def next_order_id(self) -> int:
        """A fresh order number."""

    def next_priority(self) -> int:
        """A fresh arrival number."""

    def add_order(self, order: Order) -> None:
        """Keep a new order."""

    def order_changed(self, order: Order) -> None:
        """Note that an order changed without telling its owner."""

    def order_updated(self, order: Order) -> None:
        """Keep and publish an update of an order."""

    def record_fill(self, account: Account, fill: FillRecord) -> None:
        """Keep an execution."""

    def open_orders(self, uid: str) -> list[Order]:
        """An account's open orders, oldest first."""

    def wall_ms(self) -> int:
        """Wall-clock time, for what lives by it."""


class Publisher(Protocol):
    """Who hears about what happened."""

    def traded(self, instrument: Instrument, trade_id: int, ticks: int, lots: int, *, buy: bool) -> None:
        """A public trade."""

    def account_changed(
        self,
        account: Account,
        currencies: tuple[str, ...],
        *,
        event: str = "",
        trade: tuple[str, str] | None = None,
        positions: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        """Balances or holds moved; `event` is OKX's cause where cash or a position did, `trade` (instrument, id)."""

    def margin_warned(self, account: Account, position: Position, marks: Mapping[str, Decimal]) -> None:
        """A position came near its liquidation."""

    def position_changed(self, account: Account, key: tuple[str, str, str]) -> None:
        """A position moved."""


@dataclass(slots=True)
class Floor:
    """Shared state of the matching modules."""

    books: dict[str, OrderBook]
    accounts: dict[str, Account]
    """By uid."""
    registers: Registers
    publisher: Publisher
    fees: Mapping[str, FeeRates]
    """By instrument type."""
    marks: dict[str, Decimal] = field(default_factory=dict)
    """Mark price by instrument: the last price of its market."""
    now_ms: int = 0
    """Market time."""

"""One REST call on its way to its handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.rejection import RejectionError, malformed
from kokex.paper.exchange.request import field
from kokex.paper.gateway.limits import Limit
from kokex.paper.gateway.timers import CancelTimers
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.wire.positions import View

Data = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets."""

    exchange: PaperExchange
    timers: CancelTimers
    params: Mapping[str, Any]
    """Query parameters of a GET, body fields of a POST."""
    items: Sequence[Mapping[str, Any]]
    """Body items of a batch."""
    signed_in: Account | None
    wall_ms: int

    @property
    def account(self) -> Account:
        """The caller's account; routes that need one are refused before they get here."""
        assert self.signed_in is not None
        return self.signed_in

    @property
    def view(self) -> View:
        """Prices and time for showing an account."""
        exchange = self.exchange
        return View(exchange.marks, exchange.prices(), exchange.now_ms)

    def text(self, name: str) -> str:
        """A parameter, empty where absent."""
        return field(self.params, name)

    def instrument(self, name: str = "instId") -> Instrument:
        """The product that the call is about."""
        inst_id = self.text(name)
        if not inst_id:
            raise RejectionError("50014", f"Parameter {name} can not be empty.")
        return self.exchange.desk.instrument(inst_id)

    def number(self, name: str, default: int) -> int:
        """A whole number of 0 or more."""
        value = self.text(name)
        if not value:
            return default
        if not value.isdigit():
            raise malformed(name)
        return int(value)

    def limit(self, *, default: int = 100, most: int = 100) -> int:
        """Page size; OKX caps a size that is too large."""
        return max(1, min(most, self.number("limit", default)))

    def chosen(self, name: str) -> set[str]:
        """A comma-separated parameter."""
        return {part.strip() for part in self.text(name).split(",") if part.strip()}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its own top code (commands)."""

    code: str
    message: str
    data: Data


Handler = Callable[[Call], "Data | Answer"]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    handler: Handler
    limit: Limit
    private: bool = False
    command: bool = False
    """A trade command: its envelope carries inTime and outTime, and it counts against the shared budgets."""

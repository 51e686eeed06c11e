"""What the exchange has to tell its clients, in the order in which it happened."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import partial

from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """An update of an order; `payload` is one item of the orders channel."""

    uid: str
    instrument: Instrument
    payload: bytes


@dataclass(frozen=True, slots=True)
class FundsNotice:
    """Balances or holds moved. `event` is set where cash did (filled, claw_back)."""

    uid: str
    currencies: tuple[str, ...]
    event: str
    trade: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class PositionNotice:
    """A position moved."""

    uid: str
    key: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class TradeNotice:
    """A public trade."""

    instrument: Instrument
    trade_id: int
    ticks: int
    lots: int
    buy: bool
    at_ms: int


_TRADES_KEPT = 500

Notice = OrderNotice | FundsNotice | PositionNotice | TradeNotice


@dataclass(slots=True)
class Outbox:
    """Collects notices until the faces come to send them."""

    now_ms: int = 0
    trades: defaultdict[str, deque[TradeNotice]] = field(
        default_factory=lambda: defaultdict(partial(deque, maxlen=_TRADES_KEPT))
    )
    """Recent trades by instrument, oldest first."""
    _waiting: list[Notice] = field(default_factory=list)

    def add(self, notice: Notice) -> None:
        """Append a notice."""
        self._waiting.append(notice)

    def drain(self) -> list[Notice]:
        """Take everything that waits."""
        waiting = self._waiting
        self._waiting = []
        return waiting

    def traded(self, instrument: Instrument, trade_id: int, ticks: int, lots: int, *, buy: bool) -> None:
        """A public trade."""
        notice = TradeNotice(instrument, trade_id, ticks, lots, buy, self.now_ms)
        self.trades[instrument.inst_id].append(notice)
        self.add(notice)

    def account_changed(
        self, account: Account, currencies: tuple[str, ...], *, event: str, trade: tuple[str, str] | None
    ) -> None:
        """Balances or holds of an account moved."""
        self.add(FundsNotice(account.uid, currencies, event, trade))

    def position_changed(self, account: Account, key: tuple[str, str, str]) -> None:
        """A position of an account moved."""
        self.add(PositionNotice(account.uid, key))

"""What the exchange has to tell its clients, in the order in which it happened."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

import msgspec

from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account, FillRecord, Position
from kokex.paper.wire.account import balance_and_position
from kokex.paper.wire.positions import View, warning_row

_encode = msgspec.json.Encoder().encode
PositionKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """An update of an order; `payload` is one item of the orders channel."""

    uid: str
    instrument: Instrument
    payload: bytes


@dataclass(frozen=True, slots=True)
class AlgoNotice:
    """An update of an algo order; `payload` is one item of orders-algo, or of algo-advance where `advanced`."""

    uid: str
    instrument: Instrument
    algo_id: int
    advanced: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class FundsNotice:
    """Balances or holds moved; `payload` is one item of balance_and_position where cash or a position did."""

    uid: str
    currencies: tuple[str, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class PositionNotice:
    """A position moved."""

    uid: str
    key: PositionKey


@dataclass(frozen=True, slots=True)
class FillNotice:
    """An execution of an account, for the fills channel."""

    uid: str
    instrument: Instrument
    fill: FillRecord


@dataclass(frozen=True, slots=True)
class WarningNotice:
    """A position came near its liquidation; `payload` is one item of liquidation-warning."""

    uid: str
    instrument: Instrument
    payload: bytes


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

Notice = OrderNotice | AlgoNotice | FundsNotice | PositionNotice | FillNotice | WarningNotice | TradeNotice


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
        self,
        account: Account,
        currencies: tuple[str, ...],
        *,
        event: str = "",
        trade: tuple[str, str] | None = None,
        positions: tuple[PositionKey, ...] = (),
    ) -> None:
        """Balances or holds of an account moved, or (`event` set) its cash or positions did."""
        payload = b""
        if event:
            shown = [account.positions[key] for key in positions]
            row = balance_and_position(
                account, self.now_ms, event=event, currencies=currencies, positions=shown, trade=trade
            )
            payload = _encode(row)
        self.add(FundsNotice(account.uid, currencies, payload))

    def margin_warned(self, account: Account, position: Position, marks: Mapping[str, Decimal]) -> None:
        """A position of an account came near its liquidation."""
        row = warning_row(account, position, View(marks, {}, self.now_ms))
        self.add(WarningNotice(account.uid, position.instrument, _encode(row)))

    def position_changed(self, account: Account, key: PositionKey) -> None:
        """A position of an account moved."""
        self.add(PositionNotice(account.uid, key))

"""One trading account's money."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from kokex.paper.config import AccountConfig
from kokex.paper.decimals import ZERO, quotient
from kokex.paper.instruments import Instrument

DEFAULT_LEVERAGE = Decimal(3)


@dataclass(slots=True, kw_only=True)
class Position:
    """A perpetual position. `lots` is signed: negative is short."""

    instrument: Instrument
    margin_mode: str
    side: str
    """net, long or short."""
    position_id: int
    lots: int = 0
    cost: Decimal = ZERO
    """Exact sum of price times signed lots of what is open, in price units."""
    leverage: Decimal = DEFAULT_LEVERAGE
    pnl: Decimal = ZERO
    """Realised by closing, without fees, since the position opened."""
    fee: Decimal = ZERO
    """Signed as on the wire: negative is charged."""
    penalty: Decimal = ZERO
    funding: Decimal = ZERO
    """Funding since the position opened: negative is paid."""
    margin_added: Decimal = ZERO
    """Isolated: margin put up by hand beyond the initial one."""
    created_ms: int = 0
    updated_ms: int = 0
    last_trade_id: str = ""
    direction: str = ""
    """long or short: how it was opened."""
    opened_cost: Decimal = ZERO
    opened_lots: int = 0
    closed_value: Decimal = ZERO
    closed_lots: int = 0
    warned: bool = False
    """Whether its owner was told that it is near its liquidation."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Instrument, margin mode, side: what identifies a position."""
        return (self.instrument.inst_id, self.margin_mode, self.side)

    @property
    def average_price(self) -> Decimal:
        """Mean entry price; 0 for a flat position."""
        return quotient(self.cost, Decimal(self.lots)) if self.lots else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit if it were closed at `mark`."""
        return (mark * self.lots - self.cost) * self.instrument.lot_value

    def notional(self, mark: Decimal) -> Decimal:
        """Absolute value at `mark`, in the settlement currency."""
        return abs(mark * self.lots * self.instrument.lot_value)

    def initial_margin(self, mark: Decimal) -> Decimal:
        """Margin in use: at the mark for cross, at the entry (and what was added) for isolated."""
        if self.margin_mode != "isolated":
            return quotient(self.notional(mark), self.leverage)
        return quotient(abs(self.cost) * self.instrument.lot_value, self.leverage) + self.margin_added

    @property
    def realised(self) -> Decimal:
        """All that it brought since it opened, fees included."""
        return self.pnl + self.fee + self.funding + self.penalty


@dataclass(frozen=True, slots=True)
class Bill:
    """One change of one balance. OKX v5: type 1 transfer, 2 trade, 5 liquidation, 8 funding, 9 claw-back."""

    bill_id: int
    at_ms: int
    currency: str
    change: Decimal
    balance: Decimal
    kind: str
    sub_kind: str
    inst_id: str = ""
    inst_type: str = ""
    order_id: str = ""
    client_order_id: str = ""
    trade_id: str = ""
    fee: Decimal = ZERO
    pnl: Decimal = ZERO
    price: Decimal | None = None
    quantity: Decimal | None = None
    exec_type: str = ""
    margin_mode: str = ""


@dataclass(frozen=True, slots=True)
class FillRecord:
    """One execution, as `trade/fills` reports it."""

    bill_id: int
    order_id: int
    client_order_id: str
    tag: str
    inst_id: str
    inst_type: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    side: str
    position_side: str
    exec_type: str
    fee: Decimal
    fee_currency: str
    fee_rate: Decimal
    pnl: Decimal
    sub_kind: str
    filled_ms: int
    recorded_ms: int
    mark: Decimal


@dataclass(slots=True)
class Account:
    """Balances, positions and settings. `frozen` is what open spot orders hold; the sums are kept exact."""

    config: AccountConfig
    uid: str
    cash: dict[str, Decimal] = field(default_factory=dict)
    frozen: dict[str, Decimal] = field(default_factory=dict)
    order_margin: Decimal = ZERO
    """Margin that open swap orders hold, in USDT."""
    initial: dict[str, Decimal] = field(default_factory=dict)
    initial_prices: dict[str, Decimal] = field(default_factory=dict)
    """Value in USDT of each currency when the account was opened."""
    positions: dict[tuple[str, str, str], Position] = field(default_factory=dict)
    leverage: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    long_short_mode: bool = False
    fees: dict[str, Decimal] = field(default_factory=dict)
    """Sum of fees by currency, signed as on the wire."""
    realised: Decimal = ZERO
    """Sum of the pnl of closed swap quantity, without fees."""
    funding: Decimal = ZERO
    """Sum of funding: negative is paid."""
    changed_ms: dict[str, int] = field(default_factory=dict)
    level: str = "2"

    def free(self, currency: str) -> Decimal:
        """Cash that no spot order holds."""
        return self.cash.get(currency, ZERO) - self.frozen.get(currency, ZERO)

    def freeze(self, currency: str, change: Decimal) -> None:
        """Hold more cash (or release, when negative) for spot orders."""
        self.frozen[currency] = self.frozen.get(currency, ZERO) + change

    def leverage_of(self, inst_id: str, margin_mode: str, side: str) -> Decimal:
        """The leverage set for new positions; 3 unless changed."""
        return self.leverage.get((inst_id, margin_mode, side), DEFAULT_LEVERAGE)

    def open_positions(self) -> list[Position]:
        """Positions that are not flat."""
        return [position for position in self.positions.values() if position.lots]

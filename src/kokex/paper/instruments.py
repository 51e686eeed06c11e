"""The instruments that the paper exchange lists, with realistic increments.

Increments of the BTC and ETH products follow OKX v5 as observed in August 2026; `instIdCode` differs between
live and demo there, and so it does here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from kokex.domain.errors import ConfigurationError
from kokex.paper.decimals import ONE, decimals_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable product. Prices are whole numbers of `tick`, quantities of `lot`."""

    inst_id: str
    inst_type: str
    """SPOT or SWAP (linear, settled in the quote currency)."""
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    """Step of the quantity: base currency for SPOT, contracts for SWAP."""
    min_size: Decimal
    code: int
    """The integer `instIdCode` that WebSocket operations require."""
    contract_value: Decimal = ONE
    """Base currency in one contract; 1 for SPOT."""
    max_limit_size: Decimal
    max_market_size: Decimal
    max_leverage: int = 1
    group_id: str = "1"
    list_time_ms: int = 1_573_557_408_000

    @property
    def is_swap(self) -> bool:
        """Whether this is a perpetual contract."""
        return self.inst_type == "SWAP"

    @property
    def family(self) -> str:
        """`instFamily`: the pair behind a contract, empty for spot."""
        return f"{self.base}-{self.quote}" if self.is_swap else ""

    @property
    def underlying(self) -> str:
        """The spot pair whose price this product follows."""
        return f"{self.base}-{self.quote}"

    @property
    def lot_value(self) -> Decimal:
        """Base currency in one lot."""
        return self.lot * self.contract_value

    def price(self, ticks: int) -> Decimal:
        """Whole ticks as a price in the quote currency."""
        return self.tick * ticks

    def size(self, lots: int) -> Decimal:
        """Whole lots as a quantity (base currency or contracts)."""
        return self.lot * lots

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Exact value in the quote currency of `lots` at `ticks`."""
        return self.tick * ticks * self.lot_value * lots

    def refined(self, *, price_decimals: int, size_decimals: int) -> Instrument:
        """The same product with finer steps, where a candle file needs them."""
        tick, lot = self.tick, self.lot
        if price_decimals > decimals_of(tick):
            tick = Decimal(1).scaleb(-price_decimals)
        if size_decimals > decimals_of(lot):
            lot = Decimal(1).scaleb(-size_decimals)
        return replace(self, tick=tick, lot=lot)


@dataclass(frozen=True, slots=True)
class MarketProfile:
    """Where a pair's synthetic market starts and how lively it is."""

    price: float
    """First price of the pair, in the quote currency."""
    yearly_volatility: float
    hourly_volume: float
    """Typical base currency traded in an hour."""


PROFILES: dict[str, MarketProfile] = {
    "BTC-USDT": MarketProfile(60_000.0, 0.50, 420.0),
    "ETH-USDT": MarketProfile(3_000.0, 0.68, 4_200.0),
    "SOL-USDT": MarketProfile(150.0, 0.95, 52_000.0),
}

DEFAULT_INSTRUMENTS = ("ETH-USDT", "BTC-USDT", "SOL-USDT", "ETH-USDT-SWAP", "BTC-USDT-SWAP")


def _spot(base: str, code: int, tick: str, lot: str, minimum: str) -> Instrument:
    return Instrument(
        inst_id=f"{base}-USDT",
        inst_type="SPOT",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(minimum),
        code=code,
        max_limit_size=Decimal("999999999"),
        max_market_size=Decimal("1000000"),
    )


def _swap(base: str, code: int, tick: str, contract_value: str, max_market: str) -> Instrument:
    return Instrument(
        inst_id=f"{base}-USDT-SWAP",
        inst_type="SWAP",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal("0.01"),
        min_size=Decimal("0.01"),
        code=code,
        contract_value=Decimal(contract_value),
        max_limit_size=Decimal("100000000"),
        max_market_size=Decimal(max_market),
        max_leverage=100,
        group_id="4",
    )


_CATALOGUE: dict[str, Instrument] = {
    item.inst_id: item
    for item in (
        _spot("BTC", 101, "0.1", "0.00000001", "0.00001"),
        _spot("ETH", 102, "0.01", "0.000001", "0.0001"),
        _spot("SOL", 103, "0.01", "0.000001", "0.001"),
        _swap("BTC", 10459, "0.1", "0.01", "12000"),
        _swap("ETH", 10461, "0.01", "0.1", "20000"),
        _swap("SOL", 10463, "0.01", "1", "90000"),
    )
}

_DEMO_CODE_OFFSET = 200_000


def listed_instrument(inst_id: str, *, demo: bool) -> Instrument:
    """Look up a product of the catalogue.

    Raises:
        ConfigurationError: the paper exchange does not list `inst_id`.
    """
    found = _CATALOGUE.get(inst_id)
    if found is None:
        listed = ", ".join(sorted(_CATALOGUE))
        raise ConfigurationError(
            f"the paper exchange does not list instrument {inst_id!r}; choose among {listed}"
        )
    return replace(found, code=found.code + _DEMO_CODE_OFFSET) if demo else found

"""Everything that a paper exchange can be told before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from kokex.domain.errors import ConfigurationError
from kokex.paper.instruments import DEFAULT_INSTRUMENTS, listed_instrument
from kokex.paper.market.interval import base_bars, parse_bar

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Market time of the first live tick of a synthetic market; fixed, so that the seed alone names a run."""


def _default_balances() -> Mapping[str, Decimal]:
    return {"USDT": Decimal(100_000), "ETH": Decimal(10), "BTC": Decimal(1)}


_MAX_FUNDING_RATE = Decimal("0.00375")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """One trading account and the key that opens it. Secrets are left out of `repr`."""

    api_key: str
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)
    balances: Mapping[str, Decimal] = field(default_factory=_default_balances)
    """Initial cash by currency."""
    uid: str = ""
    """Account number on the wire; numbered by the exchange where empty."""
    fee_tier: int = 0
    """VIP level, 0 for a regular user; the fills channel needs 4."""


DEFAULT_ACCOUNT = AccountConfig(
    api_key="paper-key",
    secret_key="paper-secret",  # noqa: S106 - a key of a market that exists on this machine only
    passphrase="paper-passphrase",  # noqa: S106
)


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Share of the traded value that is charged (positive numbers are charges)."""

    maker: Decimal
    taker: Decimal


def _default_fees() -> Mapping[str, FeeRates]:
    return {
        "SPOT": FeeRates(Decimal("0.0008"), Decimal("0.001")),
        "SWAP": FeeRates(Decimal("0.0002"), Decimal("0.0005")),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """A paper exchange. Everything that shapes the market is here, so the same config is the same market."""

    # -- where it listens
    host: str = "127.0.0.1"
    """A loopback address; anything else is refused."""
    port: int = 0
    """TCP port; 0 takes a free one."""
    tls_dir: Path | None = None
    """Folder for a self-signed certificate; set it to serve https and wss."""

    # -- the market
    seed: int = 7
    interval: str = "1H"
    """Interval of the base candles that the market is made of."""
    instruments: tuple[str, ...] = DEFAULT_INSTRUMENTS
    candles: Mapping[str, Path] = field(default_factory=dict)
    """Candle file by spot instrument; what the file does not cover is synthetic."""
    candles_as_history: bool = False
    """True: the whole file is the past and the live market is synthetic, from the file's last close."""
    accept_gaps: bool = False
    """Fill missing candles of a file with flat ones instead of refusing the file."""
    start: datetime | None = None
    """Market time of the first live tick (aware UTC); by default 2026-01-01, or after the file's warm-up."""
    warmup_candles: int = 1500
    """Base candles that exist before the start, for `history-candles`."""
    ticks_per_second: float = 8.0
    """Ticks an instrument makes in a second of wall time at `speed`; sets the ticks in a candle, once."""
    ticks_per_candle: int | None = None
    """Overrides `ticks_per_second`; at least 4."""
    print_share: Decimal = Decimal("0.2")
    """Share of each market print that resting client orders may catch, queue ahead included."""

    # -- time
    speed: float = 1.0
    """Seconds of market time in a second of wall time."""
    paused: bool = False
    """Start stopped: market time moves only by `step`, and a run repeats to the byte."""

    # -- the exchange
    environment: Literal["live", "demo"] = "demo"
    """Which keys these are; signed REST calls must carry `x-simulated-trading: 1` in demo and not in live."""
    accounts: tuple[AccountConfig, ...] = (DEFAULT_ACCOUNT,)
    fees: Mapping[str, FeeRates] = field(default_factory=_default_fees)
    """By instrument type, SPOT and SWAP."""
    funding_rate: Decimal = Decimal("0.0001")
    """Share of a perpetual position's value that longs pay shorts every eight hours; 0 charges nothing."""
    state_path: Path | None = None
    """SQLite file that keeps the exchange over restarts."""

    # -- the gateway (wall-clock seconds)
    ack_order: Literal["ack_first", "push_first"] = "ack_first"
    """Whether a command's answer or its order pushes leave first; OKX promises neither."""
    rate_limits: bool = True
    idle_timeout_s: float = 30.0
    connections_per_second: int | None = None
    """New WebSocket connections a second; OKX allows 3. None does not limit them."""
    private_push_interval_s: float = 5.0
    """Regular account and positions pushes."""
    snapshot_rows: int = 50
    """Currencies or positions on one page of a snapshot; OKX names no number."""
    client_buffer_frames: int = 20_000
    """Frames a slow client may leave unread before it is closed with 4005."""

    def __post_init__(self) -> None:
        self._check_listening()
        self._check_market()
        self._check_accounts()
        if not abs(self.funding_rate) <= _MAX_FUNDING_RATE:
            raise ConfigurationError(
                f"funding_rate {self.funding_rate} must lie within plus and minus {_MAX_FUNDING_RATE}"
            )

    @property
    def interval_ms(self) -> int:
        """Length of a base candle in milliseconds."""
        return parse_bar(self.interval).length_ms

    @property
    def candle_ticks(self) -> int:
        """Ticks in one base candle: from the config alone, never from load, so that runs repeat."""
        if self.ticks_per_candle is not None:
            return self.ticks_per_candle
        wall_seconds = self.interval_ms / 1000 / self.speed
        return max(8, min(7_200, round(wall_seconds * self.ticks_per_second)))

    def _check_listening(self) -> None:
        if self.host != "localhost":
            try:
                loopback = ip_address(self.host).is_loopback
            except ValueError:
                loopback = False
            if not loopback:
                raise ConfigurationError(
                    f"the paper exchange listens on loopback only, not on {self.host!r}; use 127.0.0.1"
                )
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError(f"port {self.port} is not a TCP port; use 0 to 65535")

    def _check_market(self) -> None:
        if self.interval not in base_bars():
            raise ConfigurationError(
                f"interval {self.interval!r} cannot be the base; use one of {', '.join(base_bars())}"
            )
        if not self.speed > 0:
            raise ConfigurationError(f"speed {self.speed:g} must be above 0; 1 is as fast as the wall clock")
        if self.ticks_per_candle is not None and self.ticks_per_candle < 4:
            raise ConfigurationError(
                f"ticks_per_candle {self.ticks_per_candle} is below 4, one for each of OHLC"
            )
        if self.warmup_candles < 0:
            raise ConfigurationError(f"warmup_candles {self.warmup_candles} must not be negative")
        if not 0 < self.print_share <= 1:
            raise ConfigurationError(f"print_share {self.print_share} must be above 0 and at most 1")
        if self.start is not None and self.start.tzinfo is None:
            raise ConfigurationError(
                f"start {self.start.isoformat()} has no time zone; give an aware UTC time"
            )
        if not self.instruments:
            raise ConfigurationError("the paper exchange needs at least one instrument")
        for inst_id in (*self.instruments, *self.candles):
            listed_instrument(inst_id, demo=True)
        for inst_id in self.candles:
            if inst_id not in self.instruments:
                raise ConfigurationError(
                    f"candles are given for {inst_id}, which is not among the instruments"
                )

    def _check_accounts(self) -> None:
        keys = [account.api_key for account in self.accounts]
        if len(set(keys)) != len(keys):
            raise ConfigurationError("two paper accounts share one API key; give each its own")
        for account in self.accounts:
            for currency, amount in account.balances.items():
                if not amount.is_finite() or amount < 0:
                    raise ConfigurationError(
                        f"initial balance {amount} {currency} must be a number, 0 or more"
                    )

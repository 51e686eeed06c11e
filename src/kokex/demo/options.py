"""What a demo is told."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from kokex.demo.scripted_model import BUY_FROM, SELL_UP_TO
from kokex.domain.account import Credentials
from kokex.domain.candle import Interval
from kokex.domain.limits import RiskLimits
from kokex.domain.model import VersionWish
from kokex.domain.plan import KRONOS, AgentSettings, ForecastSettings, TradingTool, TriggerKind
from kokex.domain.spending import Price

INTERVAL: Final = Interval("1H")
INSTRUMENT: Final = "ETH-USDT"
CAPITAL: Final = Decimal(10_000)
"""USDT that the account starts with."""
NAME: Final = "demo"
"""Of the account, and of the plan for which the built-in policy decides."""
LANGUAGE: Final = "language"
"""Of the plan that asks a language model; in the demo a script on this machine answers in its place."""
KEYS: Final = Credentials("demo-key", "demo-secret", "demo-passphrase")
"""They open an account of a market that exists on this machine alone."""
LIMITS: Final = RiskLimits(
    max_order_notional=Decimal(1500),
    max_position_notional=Decimal(5000),
    max_open_orders=1,
    max_orders_per_minute=60,
    price_collar=Decimal("0.02"),
    cash_reserve=Decimal(1000),
    approval_notional=Decimal(1400),
)
"""Tight enough that the gate has something to say now and then, and the plans' owner something to approve."""
FORECAST: Final = ForecastSettings(forecaster=KRONOS, context=400, horizon=24, paths=128)
"""The baseline forecasts until a version is ready."""
AGENT: Final = AgentSettings(trading_tools=frozenset(TradingTool))
LANGUAGE_LIMITS: Final = RiskLimits(
    max_order_notional=Decimal(600),
    max_position_notional=Decimal(1800),
    max_open_orders=2,
    max_orders_per_minute=60,
    price_collar=Decimal("0.02"),
    cash_reserve=Decimal(1000),
    capital=Decimal(2500),
)
"""With capital of its own, which the other plan cannot touch."""
LANGUAGE_FORECAST: Final = ForecastSettings(context=400, horizon=24, paths=128)
PROMPT: Final = (
    f"Buy when the forecast's probability_up is {BUY_FROM} or more, sell what you hold when it is {SELL_UP_TO} or less, otherwise wait. "
    "Say which numbers you decided on."
)
LANGUAGE_AGENT: Final = AgentSettings(
    prompt=PROMPT,
    triggers=frozenset({TriggerKind.FORECAST, TriggerKind.CANDLE, TriggerKind.ORDER_EVENT, TriggerKind.USER}),
    turn_seconds=30.0,
    trading_tools=frozenset(TradingTool),
)
PRICE: Final = Price(Decimal("0.28"), Decimal("0.42"))
"""Made up, so that there is something to count: a script costs nothing."""
WISH: Final = VersionWish(
    preset="tiny",
    changes=(
        "context=64", "horizon=24", "shortest_context=32",
        "tokenizer.epochs=3", "tokenizer.windows_per_epoch=768", "tokenizer.batch_size=16",
        "predictor.epochs=6", "predictor.windows_per_epoch=768",
    ),
    accelerator="cpu",
    activate=True,
)  # fmt: skip
"""Fifteen seconds of one core: it shows how a model comes to be, not how good one can be."""


@dataclass(frozen=True, slots=True)
class MarketChoice:
    """Which market: the same choice is the same market.

    Attributes:
        speed: seconds of market time in a second.
        candles: the file that the market follows (a copy is kept with the demo); None: all of it is made up from the seed.
    """

    seed: int
    speed: float
    candles: Path | None
    inst_id: str = INSTRUMENT

    @property
    def words(self) -> str:
        """What kind of market this is, honestly."""
        if self.candles is None:
            return f"a made-up market (seed {self.seed})"
        return f"candles of {self.candles.name}, with a made-up order book around them (seed {self.seed})"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One run of the demo.

    Attributes:
        folder: where all of it lies; nothing else is touched.
        choice: the market; None where a former demo's is taken up.
        duration: seconds to run; None: until Ctrl-C.
    """

    folder: Path
    choice: MarketChoice | None
    duration: float | None
    headless: bool
    as_json: bool
    wish: VersionWish | None = WISH
    """The model that is trained on the demo's own market; None: none."""

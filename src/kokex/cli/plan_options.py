"""The options of `kokex plan create`, by what they are about."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import count_option, money_option, seconds_option

if TYPE_CHECKING:
    from kokex.domain.capital import CapitalSettings
    from kokex.domain.limits import RiskLimits
    from kokex.domain.plan import AgentSettings, ForecastSettings, TradingTool


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What the risk gate goes by."""

    max_order: Annotated[
        Decimal, money_option("--max-order", help="Largest single order, in quote currency.")
    ] = Decimal(1000)
    max_position: Annotated[
        Decimal,
        money_option(
            "--max-position", help="Largest holding, in quote currency; orders that may fill are counted."
        ),
    ] = Decimal(5000)
    max_open_orders: Annotated[
        int, count_option("--max-open-orders", help="Orders open or in flight at once.")
    ] = 5
    max_orders_per_minute: Annotated[
        int, count_option("--max-orders-per-minute", help="Orders let through in any 60 seconds.")
    ] = 60
    price_collar: Annotated[
        Decimal,
        money_option(
            "--price-collar", help="How far a limit price may be from the last one, as a share (0.05 is 5 %)."
        ),
    ] = Decimal("0.05")
    cash_reserve: Annotated[
        Decimal, money_option("--cash-reserve", help="Quote currency of the account that no order may touch.")
    ] = Decimal(0)
    allow_short: Annotated[
        bool, typer.Option("--allow-short", help="Let the holding go below zero (perpetuals only).")
    ] = False
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Another limit: capital=1000, max_daily_loss=50, max_drawdown=10%, max_leverage=2, max_orders_per_day=100...; "
            "repeat the option. `kokex risk limits` changes them later.",
        ),
    ] = None

    def limits(self) -> RiskLimits:
        """Raises `ConfigurationError`: a limit is unknown, or cannot be what it says."""
        from kokex.cli.plan_settings import positive
        from kokex.domain.limits import RiskLimits
        from kokex.services.limit_setting import with_settings

        limits = RiskLimits(
            max_order_notional=self.max_order,
            max_position_notional=self.max_position,
            max_open_orders=self.max_open_orders,
            max_orders_per_minute=positive("max orders per minute", self.max_orders_per_minute),
            price_collar=self.price_collar,
            cash_reserve=self.cash_reserve,
            allow_short=self.allow_short,
        )
        return with_settings(limits, self.limit or ())


@dataclass(frozen=True, slots=True)
class GrantOptions:
    """Which tools that trade the agent gets."""

    trade: Annotated[
        bool,
        typer.Option(
            "--trade", help="Grant the agent all tools that trade; without a grant it can only watch."
        ),
    ] = False
    tool: Annotated[
        list[str] | None,
        typer.Option(
            "--tool",
            metavar="NAME",
            help="Grant this tool that trades and no others: place_order, cancel_order...; repeat the option.",
        ),
    ] = None

    def tools(self, *, watch_only: bool = False) -> frozenset[TradingTool]:
        """Raises `ConfigurationError`: a name that is no tool that trades, or options that contradict each other."""
        from kokex.cli.plan_tools import granted_tools

        return granted_tools(self.trade, self.tool, watch_only)


@dataclass(frozen=True, slots=True)
class CapitalOptions:
    """How the plan uses its capital."""

    sizing: Annotated[
        str,
        typer.Option(
            help="How large a holding to wish for, within the limits: edge, fixed, volatility_target or kelly."
        ),
    ] = "edge"
    capital: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="How it uses its capital: fixed_notional=500, kelly_fraction=25%, unproven_share=2%, target_volatility=20%, "
            "avg_orders_per_batch=3, batch_step=0.2%, trailing_stop=5%...; repeat the option. `kokex plan capital` changes them later.",
        ),
    ] = None

    def settings(self) -> CapitalSettings:
        """Raises `ConfigurationError`: a setting is unknown, or cannot be what it says."""
        from kokex.domain.capital import CapitalSettings
        from kokex.services.capital_setting import with_capital

        return with_capital(CapitalSettings(), (f"sizing={self.sizing}", *(self.capital or ())))


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What wakes the agent, what it is told, and what a turn may cost."""

    prompt: Annotated[str, typer.Option(help="Your own instructions to the agent.")] = ""
    trigger: Annotated[
        list[str] | None,
        typer.Option(
            help="What wakes the agent: forecast, candle, order_event, user (your messages), price_alert (which it sets itself), risk_event (halts, "
            "protections, the account's standing), or events of the account that concern the plan: position and margin (perpetuals), balance, stop; "
            "repeat the option."
        ),
    ] = None
    order_trigger: Annotated[
        list[str] | None,
        typer.Option(
            help="Which order events wake it: live, partial, done, canceled, rejected; repeat the option."
        ),
    ] = None
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Wake it at these moments (UTC) too: 15m, 1h, 4h, 1d, or times of the day as 09:30,16:00."
        ),
    ] = None
    debounce: Annotated[
        float | None,
        seconds_option(
            "--debounce",
            help="After a first trigger that can wait, wait so long for more and tell them together.",
        ),
    ] = None
    quiet_hours: Annotated[
        str | None,
        typer.Option(
            help="Hours (UTC) such as 22:00-06:00 in which only order, margin, stop and risk events and you wake it."
        ),
    ] = None
    stream: Annotated[
        list[str] | None,
        typer.Option(help="What it sees besides candles and price: trades, book_top; repeat the option."),
    ] = None
    turn_seconds: Annotated[
        float, seconds_option("--turn-seconds", help="Time limit of one turn of the agent.")
    ] = 120.0
    max_tool_calls: Annotated[int, count_option("--max-tool-calls", help="Tool calls in one turn.")] = 25
    model_budget: Annotated[
        Decimal | None,
        money_option("--model-budget", help="US dollars that its language model may cost in a UTC day."),
    ] = None

    def settings(self) -> AgentSettings:
        """Without a tool that trades.

        Raises:
            ConfigurationError: a word is unknown, or a number is out of its range.
        """
        from kokex.cli.plan_rhythm import with_rhythm
        from kokex.cli.plan_settings import agent_settings

        agent = agent_settings(
            self.prompt,
            self.trigger,
            self.order_trigger,
            self.turn_seconds,
            self.max_tool_calls,
            self.stream,
            self.model_budget,
        )
        return with_rhythm(agent, self.schedule, self.debounce, self.quiet_hours)


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """Who forecasts, and what."""

    forecaster: Annotated[str, typer.Option(help="Who forecasts.")] = "block_bootstrap"
    context: Annotated[int, count_option("--context", help="Past candles that a forecast sees.")] = 400
    horizon: Annotated[int, count_option("--horizon", help="Future candles of a forecast.")] = 24
    paths: Annotated[int, count_option("--paths", help="Sampled futures of a forecast.")] = 256
    seed: Annotated[int, count_option("--seed", help="Seed of the sampling.")] = 0

    def settings(self) -> ForecastSettings:
        """As they are given; `PlanService.create` judges them."""
        from kokex.domain.plan import ForecastSettings

        return ForecastSettings(self.forecaster, self.context, self.horizon, self.paths, self.seed)

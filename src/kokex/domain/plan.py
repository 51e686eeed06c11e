"""Plans: what a user runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kokex.domain.candle import Interval
from kokex.domain.capital import CapitalSettings
from kokex.domain.events import OrderEventKind
from kokex.domain.limits import RiskLimits
from kokex.domain.market import StreamKind
from kokex.domain.quiet_hours import QuietHours
from kokex.domain.schedule import Schedule


class TradingTool(StrEnum):
    """A tool that reaches the exchange, by its name. A plan's agent has those that a person granted; tools that only read it has anyway."""

    PLACE_ORDER = "place_order"
    AMEND_ORDER = "amend_order"
    CANCEL_ORDER = "cancel_order"
    CLOSE_POSITION = "close_position"
    WORK_ORDER = "work_order"
    STOP_WORKING = "stop_working"


class PlanStatus(StrEnum):
    """What the user wants of a plan; the engine makes it so.

    `paused` keeps streams and journal but wakes no agent and lets nothing new through; `stopped` also cancels the plan's open
    orders and unsubscribes.
    """

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class TriggerKind(StrEnum):
    """What may wake an agent. Position, balance, margin and stop are events of the account, see `kokex.domain.account_events`."""

    FORECAST = "forecast"
    CANDLE = "candle"
    ORDER_EVENT = "order_event"
    USER = "user"
    POSITION = "position"
    BALANCE = "balance"
    MARGIN = "margin"
    STOP = "stop"
    SCHEDULE = "schedule"
    RISK_EVENT = "risk_event"
    PRICE_ALERT = "price_alert"

    @property
    def of_account(self) -> bool:
        """Whether it stands for events of the account rather than of an order, the market or the user."""
        return self in _OF_ACCOUNT

    @property
    def noticed(self) -> bool:
        """Whether it stands for notices, see `kokex.domain.notice`."""
        return self in _NOTICED

    @property
    def waits_at_night(self) -> bool:
        """Whether it wakes nobody in a plan's quiet hours."""
        return self in _WAITS_AT_NIGHT


_OF_ACCOUNT = frozenset({TriggerKind.POSITION, TriggerKind.BALANCE, TriggerKind.MARGIN, TriggerKind.STOP})
_NOTICED = frozenset({TriggerKind.RISK_EVENT, TriggerKind.PRICE_ALERT})
_WAITS_AT_NIGHT = frozenset(
    {
        TriggerKind.FORECAST,
        TriggerKind.CANDLE,
        TriggerKind.POSITION,
        TriggerKind.BALANCE,
        TriggerKind.SCHEDULE,
        TriggerKind.PRICE_ALERT,
    }
)


LONGEST_DEBOUNCE = 3600.0
"""Seconds that a plan may wait for more before its agent is told."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How a plan's agent thinks.

    Attributes:
        prompt: the user's own instructions, added to the system prompt.
        triggers: what wakes it.
        order_triggers: which kinds of order event wake it.
        turn_seconds: time limit of one turn.
        max_tool_calls: tool calls in one turn.
        streams: what it wants to see of its market besides candles and the last price.
        daily_budget_usd: US dollars that its turns with a language model may cost in one UTC day; None: the platform's setting.
        trading_tools: which of the tools that reach the exchange a person granted it; without any it can only watch.
        schedule: when it is woken whatever happens; None where `triggers` has no schedule.
        debounce_seconds: how long more is waited for after a first trigger that can wait, to tell it together.
        quiet_hours: when only what cannot wait wakes it; None: never.
    """

    prompt: str = ""
    triggers: frozenset[TriggerKind] = frozenset(
        {TriggerKind.FORECAST, TriggerKind.ORDER_EVENT, TriggerKind.USER, TriggerKind.PRICE_ALERT}
    )
    order_triggers: frozenset[OrderEventKind] = frozenset(
        {
            OrderEventKind.PARTIAL,
            OrderEventKind.DONE,
            OrderEventKind.CANCELED,
            OrderEventKind.REJECTED,
        }
    )
    turn_seconds: float = 120.0
    max_tool_calls: int = 25
    streams: frozenset[StreamKind] = frozenset()
    daily_budget_usd: Decimal | None = None
    trading_tools: frozenset[TradingTool] = frozenset()
    schedule: Schedule | None = None
    debounce_seconds: float = 0.0
    quiet_hours: QuietHours | None = None


KRONOS = "kronos"
"""Forecaster of plans that forecast with their active model version, and with the baseline where there is none."""


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """How a plan forecasts: `context` past candles give `paths` futures of `horizon` candles.

    `forecaster` is `block_bootstrap`, the baseline, or `kronos`.
    """

    forecaster: str = "block_bootstrap"
    context: int = 400
    horizon: int = 24
    paths: int = 256
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One instrument and interval on one account, with forecaster, agent, limits, and how it uses its capital."""

    id: int
    name: str
    account_id: int
    inst_id: str
    interval: Interval
    status: PlanStatus
    created_at: datetime
    limits: RiskLimits = field(default_factory=RiskLimits)
    agent: AgentSettings = field(default_factory=AgentSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    capital: CapitalSettings = field(default_factory=CapitalSettings)


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A plan as a user asks for it, before it has a number."""

    name: str
    account_id: int
    inst_id: str
    interval: Interval
    limits: RiskLimits = field(default_factory=RiskLimits)
    agent: AgentSettings = field(default_factory=AgentSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    capital: CapitalSettings = field(default_factory=CapitalSettings)

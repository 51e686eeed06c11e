"""What a plan's size is worked out from, put together from whoever knows it."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Final

from kokex.domain.capital import (
    Factor,
    LiveSkill,
    MeasuredSkill,
    SizingFacts,
    SizingMethod,
    live_skill,
    prospect,
    read_skill,
    round_trip,
    volatility,
)
from kokex.domain.capital.prospects import VOLATILITY_CANDLES
from kokex.domain.capital.sizing import HEADROOM
from kokex.domain.errors import NotFoundError
from kokex.domain.forecast import CLOSE, Forecast
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.plan import Plan
from kokex.domain.risk import RiskState, largest_holding
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.forecast_records import ForecastRecords
from kokex.services.market_data import MarketDataService

_NOTHING: Final = Decimal(0)
_OF_A_VERSION: Final = re.compile(r"kronos v([1-9][0-9]*)")


class PositionSizing:
    """Reads forecast, measured skill and candles of a plan."""

    def __init__(self, store: Store, market_data: MarketDataService, records: ForecastRecords) -> None:
        self._store = store
        self._market_data = market_data
        self._records = records

    async def facts(
        self, session: AccountSession, plan: Plan, state: RiskState, side: Side, price: Decimal
    ) -> SizingFacts:
        """For a holding on that side, entered at `price`; of what its method does not look at, nothing is read.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        settings, made = plan.capital, state.performance
        facts = SizingFacts(
            instrument=state.instrument,
            price=price,
            settings=settings,
            limits=plan.limits,
            capital=plan.limits.own_capital(Decimal(0) if made is None else made.pnl),
            room=largest_holding(plan.limits, state),
        )
        if settings.sizing is SizingMethod.VOLATILITY_TARGET:
            series = await self._market_data.series(
                session.account, plan.inst_id, plan.interval, VOLATILITY_CANDLES
            )
            return replace(facts, volatility=volatility(series.values[:, CLOSE], plan.interval))
        if settings.sizing is SizingMethod.FIXED or state.stale_forecast is not None:
            return facts
        latest = await self._store.forecasts.latest(plan.id)
        if latest is None:
            return facts
        # The built-in scale was made for fees alone.
        slippage = Decimal(0) if settings.sizing is SizingMethod.EDGE else settings.slippage
        found = prospect(latest[1], side, price, round_trip(state.instrument.kind, slippage))
        if settings.sizing is not SizingMethod.KELLY:
            return replace(facts, prospect=found)
        skill = await self.skill(plan, latest[1])
        live = None if skill is None else await self._live(session, plan, *latest)
        return replace(facts, prospect=found, skill=skill, live=live)

    async def _live(
        self, session: AccountSession, plan: Plan, number: int, forecast: Forecast
    ) -> LiveSkill | None:
        """What the forecasts of the version that made `forecast` were worth here; None: too few to say."""
        found = await self._records.skill_of_version(session.account, plan, number, forecast.forecaster)
        return live_skill(forecast.forecaster, found)

    async def skill(self, plan: Plan, forecast: Forecast) -> MeasuredSkill | None:
        """What the version that made `forecast` was measured to know; None for the baseline, and for what was never judged."""
        number = _OF_A_VERSION.fullmatch(forecast.forecaster)
        if number is None:
            return None
        try:
            version = await self._store.models.by_number(plan.id, int(number[1]))
        except NotFoundError:
            return None
        return read_skill(version.forecaster, version.evaluation, forecast.horizon)


def orderable(
    side: Side, missing: Decimal, limits: RiskLimits, state: RiskState, price: Decimal
) -> tuple[Decimal, list[Factor]]:
    """How much of `missing` may be asked for now: within what is left of the turn's grant and, for spot, what is there to spend."""
    factors: list[Factor] = []
    instrument = state.instrument
    worth = max(price, state.last_price or price)
    if state.grant is not None:
        reach = side.sign * state.quantity + _pending(state, side)
        closing = min(missing, max(-reach, _NOTHING))
        left = state.grant.notional if side in state.grant.sides else _NOTHING
        most = closing + instrument.quantity_for(max(left, _NOTHING) * (1 - HEADROOM), worth)
        if missing > most:
            missing = most
            factors.append(Factor("grant", f"{max(left, _NOTHING):.2f}", "what this turn may still add"))
    if side is Side.BUY and instrument.kind is InstrumentKind.SPOT:
        free = _NOTHING
        if state.free_cash is not None:
            free = max(state.free_cash - limits.cash_reserve - state.neighbours.reserved, _NOTHING)
        most = instrument.quantity_for(free * (1 - HEADROOM), worth)
        if missing > most:
            missing = most
            factors.append(
                Factor("free_cash", f"{free:.2f}", "what is there to spend, less what is set apart")
            )
    return missing, factors


def _pending(state: RiskState, side: Side) -> Decimal:
    return sum((order.remaining for order in state.pending if order.side is side), _NOTHING)

"""Forecasts at each close, in a thread of their own so that no event waits for them.

A plan that forecasts with models asks a worker; where none answers in time, or no version is active, the baseline forecasts, and
the forecast says so by its `forecaster`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from kokex.domain.errors import ConfigurationError, ForecastError
from kokex.domain.forecast import Forecast
from kokex.domain.plan import KRONOS, Plan
from kokex.ports.forecaster import Forecaster
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.forecast_age import ForecastAges
from kokex.services.market_data import MarketDataService
from kokex.services.worker_forecasts import WorkerForecasts

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 60.0
"""How often a plan's agent may ask for a forecast out of turn."""


class ForecastingService:
    """Makes and keeps the forecasts of plans.

    Args:
        forecasters: by the name that a plan's settings give; under `kronos` stands the baseline.
        workers: ask them for forecasts of models; None: baselines alone.
        ages: is told of each forecast, and at the first attempt of the newest that is kept.
    """

    def __init__(
        self,
        store: Store,
        market_data: MarketDataService,
        forecasters: Mapping[str, Forecaster],
        workers: WorkerForecasts | None = None,
        ages: ForecastAges | None = None,
    ) -> None:
        self._store = store
        self._market_data = market_data
        self._forecasters = forecasters
        self._workers = workers
        self._ages = ages
        self._making: dict[int, asyncio.Lock] = {}
        self._asked: dict[int, float] = {}

    async def run(self) -> None:
        """Hear of the workers' answers, until cancelled."""
        if self._workers is not None:
            await self._workers.run()

    def forecaster(self, plan: Plan) -> Forecaster:
        """The plan's own, for one with models its baseline. Raises `ConfigurationError` where its name is unknown."""
        try:
            return self._forecasters[plan.forecast.forecaster]
        except KeyError:
            names = ", ".join(sorted(self._forecasters))
            raise ConfigurationError(
                f"forecaster {plan.forecast.forecaster!r} of plan {plan.name} is unknown; use one of {names}"
            ) from None

    def may_ask(self, plan_id: int, now: float) -> float:
        """Seconds until the plan may ask for a forecast out of turn again; zero where it may, and then it has asked (`now`: monotonic)."""
        wait = self._asked.get(plan_id, -ASK_SECONDS) + ASK_SECONDS - now
        if wait > 0:
            return wait
        self._asked[plan_id] = now
        return 0.0

    async def forecast(self, session: AccountSession, plan: Plan) -> tuple[int, Forecast] | None:
        """Forecast from the newest candles and keep it; None where there are too few yet.

        Raises:
            ForecastError: the candles are none that a market makes.
        """
        async with self._making.setdefault(plan.id, asyncio.Lock()):
            return await self._forecast(session, plan)

    async def _forecast(self, session: AccountSession, plan: Plan) -> tuple[int, Forecast] | None:
        await self._remember(plan)
        forecaster = self.forecaster(plan)
        series = await self._market_data.series(
            session.account, plan.inst_id, plan.interval, plan.forecast.context
        )
        if len(series) < forecaster.shortest_context:
            log.info(
                "too few candles to forecast",
                plan=plan.id,
                have=len(series),
                need=forecaster.shortest_context,
            )
            return None
        seed = plan.forecast.seed + int(series.open_times[-1])
        forecast = None
        if self._workers is not None and plan.forecast.forecaster == KRONOS:
            forecast = await self._workers.forecast(plan, series, seed)
        if forecast is None:
            forecast = await asyncio.to_thread(
                forecaster.forecast,
                series,
                horizon=plan.forecast.horizon,
                paths=plan.forecast.paths,
                seed=seed,
            )
        if forecast.horizon != plan.forecast.horizon:
            raise ForecastError(
                f"{forecast.forecaster} made {forecast.horizon} steps instead of {plan.forecast.horizon}"
            )
        number = await self._store.forecasts.add(plan.id, forecast)
        if self._ages is not None:
            self._ages.seen(plan.id, forecast.origin_time)
        return number, forecast

    async def _remember(self, plan: Plan) -> None:
        """After a start: how old the newest forecast is, should no other come."""
        if self._ages is None or self._ages.knows(plan.id):
            return
        latest = await self._store.forecasts.latest(plan.id)
        if latest is not None:
            self._ages.seen(plan.id, latest[1].origin_time)

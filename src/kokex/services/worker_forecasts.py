"""Forecasts of trained models: asked for by the engine, made by a worker, within a deadline or not at all.

The candles travel with the request, so that the worker forecasts from exactly what the engine saw at the close.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog

from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.errors import DataError, StoreUnavailableError
from kokex.domain.forecast import Forecast
from kokex.domain.model import ModelVersion
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.ports.work import NewWork, Work, WorkKind, WorkStatus

log = structlog.get_logger(__name__)

COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the engine waits.

    Attributes:
        claim_seconds: until a worker has begun; none lives, or all are busy, if that passes.
        answer_seconds: until the answer is there.
    """

    claim_seconds: float = 2.0
    answer_seconds: float = 20.0


class WorkerForecasts:
    """Asks workers for forecasts with the plans' active versions."""

    def __init__(self, store: Store, clock: Clock, patience: Patience | None = None) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience or Patience()
        self._waiting: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Hear of answers, until cancelled."""
        while True:
            try:
                async for key in self._store.work.endings():
                    ended = self._waiting.values() if not key else filter(None, [self._waiting.get(key)])
                    for event in ended:
                        event.set()
            except StoreUnavailableError as error:
                log.warning("answers of workers wait for the database", reason=str(error))
                await self._clock.sleep(1.0)

    async def forecast(self, plan: Plan, series: CandleSeries, seed: int) -> Forecast | None:
        """The worker's forecast; None where the plan has no active version, or nobody answers in time."""
        version = await self._store.models.active(plan.id)
        if version is None:
            return None
        work = forecast_request(plan, version, series, seed, self._patience.answer_seconds)
        answered = self._waiting.setdefault(work.key, asyncio.Event())
        try:
            number = await self._store.work.add(work)
            await self._wait(number, answered)
            answer = await self._store.work.expire(number)
        finally:
            del self._waiting[work.key]
        if answer.status is WorkStatus.DONE:
            return forecast_from(answer)
        reason = answer.error or "no worker answered in time"
        log.warning("the baseline forecasts instead", plan=plan.id, version=version.name, reason=reason)
        return None

    async def _wait(self, number: int, answered: asyncio.Event) -> None:
        """Until the request ended, nobody has begun it in time, or the answer's time is over."""
        began = self._clock.monotonic()
        limit = self._patience.claim_seconds
        while True:
            woken = await _within(answered, began + limit - self._clock.monotonic())
            answered.clear()
            status = (await self._store.work.get(number)).status
            if status not in (WorkStatus.WAITING, WorkStatus.RUNNING):
                return
            if woken:  # word of a new connection: any request may have ended, and this one has not
                continue
            if status is WorkStatus.WAITING or limit == self._patience.answer_seconds:
                return
            limit = self._patience.answer_seconds


def forecast_request(
    plan: Plan, version: ModelVersion, series: CandleSeries, seed: int, seconds: float
) -> NewWork:
    """One forecast as a request. A plan asks once for each close and version."""
    details = {
        "plan_id": plan.id,
        "content_hash": version.content_hash,
        "forecaster": version.forecaster,
        "inst_id": series.inst_id,
        "interval": series.interval.name,
        "first_open_time": int(series.open_times[0]),
        "horizon": plan.forecast.horizon,
        "paths": plan.forecast.paths,
        "seed": seed,
    }
    origin = int(series.close_time.timestamp())
    key = f"forecast:{plan.id}:{version.id}:{origin}:{plan.forecast.horizon}x{plan.forecast.paths}"
    data = np.ascontiguousarray(series.values, dtype="<f8").tobytes()
    return NewWork(WorkKind.FORECAST, key, details, data, seconds)


def series_from(work: Work) -> CandleSeries:
    """The candles that came with a request. Raises `DataError`."""
    if work.data is None:
        raise DataError(f"forecast request {work.id} came without candles")
    interval = Interval(str(work.details["interval"]))
    values = np.frombuffer(work.data, dtype="<f8").reshape(-1, COLUMNS).astype(np.float64)
    first = interval.ordinals(np.array([work.details["first_open_time"]], dtype=np.int64))
    times = interval.opens(first + np.arange(len(values), dtype=np.int64))
    return CandleSeries(str(work.details["inst_id"]), interval, times, values)


def forecast_answer(forecast: Forecast) -> tuple[dict[str, Any], bytes]:
    """A forecast as an answer."""
    answer = {
        "inst_id": forecast.inst_id,
        "interval": forecast.interval.name,
        "forecaster": forecast.forecaster,
        "origin_time": int(forecast.origin_time.timestamp()),
        "origin_price": forecast.origin_price,
        "shape": list(forecast.paths.shape),
    }
    return answer, np.ascontiguousarray(forecast.paths, dtype="<f4").tobytes()


def forecast_from(work: Work) -> Forecast:
    """The forecast in an answer. Raises `DataError`."""
    if work.answer is None or work.answer_data is None:
        raise DataError(f"the answer to forecast request {work.id} is empty")
    answer = work.answer
    paths = np.frombuffer(work.answer_data, dtype="<f4").reshape(answer["shape"]).astype(np.float32)
    return Forecast(
        inst_id=answer["inst_id"],
        interval=Interval(answer["interval"]),
        forecaster=answer["forecaster"],
        origin_time=datetime.fromtimestamp(answer["origin_time"], UTC),
        origin_price=float(answer["origin_price"]),
        paths=paths,
    )


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            await event.wait()
    except TimeoutError:
        return False
    return True

"""The engine and its workers: a worker's forecast where there is one in time, the baseline's where not. No torch here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokex.bootstrap import worker
from kokex.domain.candle import CandleSeries
from kokex.domain.errors import ForecastError
from kokex.domain.forecast import Forecast
from kokex.domain.model import ModelVersion, VersionWish
from kokex.domain.plan import KRONOS, ForecastSettings, Plan
from kokex.ports.forecaster import Forecaster
from kokex.ports.models import EvaluationWish, ProgressEvent, TrainingJob, VersionOutcome
from kokex.services.worker_forecasts import Patience
from kokex.services.working import Worker
from tests.unit.models.test_model_files import weights
from tests.world import Platform, eventually, platform

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = ForecastSettings(context=200, horizon=4, paths=16)


class Still:
    """Forecasts that nothing moves."""

    shortest_context = 1

    def __init__(self, name: str, *, broken: bool) -> None:
        self.name = name
        self._broken = broken

    def forecast(self, candles: CandleSeries, *, horizon: int, paths: int, seed: int) -> Forecast:
        if self._broken:
            raise ForecastError("this model forecasts nothing")
        values = np.full((paths, horizon, 6), candles.closes[-1], dtype=np.float32)
        return Forecast(
            candles.inst_id,
            candles.interval,
            self.name,
            candles.close_time,
            float(candles.closes[-1]),
            values,
        )


class StillTrainer:
    """Loads still forecasters, trains nothing. `loads`: how often."""

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken
        self.loads = 0

    def load(self, weights: Path, name: str) -> Forecaster:
        self.loads += 1
        return Still(name, broken=self._broken)

    def check(self, weights: Path) -> None:
        """Everything is well."""

    def parameters(self, wish: VersionWish) -> Mapping[str, Any]:
        return {}

    def device(self, wish: VersionWish) -> str:
        return "none"

    def train(
        self, job: TrainingJob, tell: Callable[[ProgressEvent], None], should_stop: Callable[[], bool]
    ) -> Path | None:
        raise AssertionError(job)

    def evaluate(
        self,
        job: TrainingJob,
        weights: Path,
        wish: EvaluationWish,
        tell: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Mapping[str, Any] | None:
        raise AssertionError(job)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait as long as an engine."""
    defaults = Patience.__init__.__defaults__
    assert defaults == (2.0, 20.0)
    monkeypatch.setattr(Patience.__init__, "__defaults__", (0.3, 10.0))


async def active_version(world: Platform, plan: Plan, folder: Path) -> ModelVersion:
    """A version of nothing, ready and active."""
    opened = world.application
    content_hash, size = opened.model_files.keep(weights(folder / "weights"))
    version = await opened.store.models.add(plan.id, VersionWish())
    await opened.store.models.finished(
        version.id, VersionOutcome(None, (), None, content_hash, size, None), NOW
    )
    return await opened.models.activate(plan, version.number)


async def forecaster_after_next_close(world: Platform, plan: Plan) -> str:
    """Who made the forecast of the next close."""
    store = world.application.store
    before = await store.forecasts.latest(plan.id)
    world.step()

    async def newer() -> str | None:
        latest = await store.forecasts.latest(plan.id)
        return latest[1].forecaster if latest and (before is None or latest[0] != before[0]) else None

    return str(await eventually(newer, "a newer forecast"))


async def run_until_stopped(one: Worker, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
    return tasks.create_task(one.run())


async def test_a_plan_switches_to_its_active_version_and_back_without_a_worker(
    database_url: str, tmp_path: Path
) -> None:
    """Baseline; a version is activated and a worker answers; the worker is gone and the baseline is back."""
    async with platform(database_url, tmp_path) as (world, agent, _):
        plan = await world.plan(forecast=SETTINGS)
        await eventually(lambda: agent.turns, "a first turn")
        assert await forecaster_after_next_close(world, plan) == "block_bootstrap"
        version = await active_version(world, plan, tmp_path)
        assert (await world.application.store.plans.get(plan.id)).forecast.forecaster == KRONOS

        trainer = StillTrainer()
        async with asyncio.TaskGroup() as tasks:
            working = worker(world.application, with_trainer=trainer)
            running = await run_until_stopped(working, tasks)
            made = await eventually(
                lambda: _is(world, plan, version.forecaster), "a forecast of the version", seconds=20
            )
            assert made
            assert await forecaster_after_next_close(world, plan) == "kronos v1"
            assert trainer.loads == 1  # the model stays in the worker's memory
            working.stop.set()
            await running
        assert await forecaster_after_next_close(world, plan) == "block_bootstrap"


async def _is(world: Platform, plan: Plan, forecaster: str) -> bool:
    return await forecaster_after_next_close(world, plan) == forecaster


async def test_a_model_that_fails_leaves_the_close_to_the_baseline(database_url: str, tmp_path: Path) -> None:
    """At once, without waiting for the deadline; the worker lives on."""
    async with platform(database_url, tmp_path) as (world, agent, _):
        plan = await world.plan(forecast=replace(SETTINGS, forecaster=KRONOS))
        await eventually(lambda: agent.turns, "a first turn")
        await active_version(world, plan, tmp_path)
        async with asyncio.TaskGroup() as tasks:
            working = worker(world.application, with_trainer=StillTrainer(broken=True))
            running = await run_until_stopped(working, tasks)
            for _ in range(2):
                assert await forecaster_after_next_close(world, plan) == "block_bootstrap"
            assert not running.done()
            working.stop.set()
            await running

"""A real training, as small as one can be: recorded, judged, activated, moved, forecast with, gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokex.adapters.model_files import ModelFolder, content_hash_of
from kokex.adapters.postgres import PostgresStore
from kokex.adapters.system_clock import SystemClock
from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError, DataError, KokexError
from kokex.domain.model import ModelVersion, VersionStatus
from kokex.domain.plan import KRONOS, Plan
from kokex.ports.models import EvaluationWish, TrainingCandles
from kokex.ports.work import WorkStatus
from kokex.services.models import ModelService
from kokex.services.training import TrainingService, work_key
from kokex.services.worker_forecasts import Patience, WorkerForecasts
from kokex.services.working import Lease, Worker
from tests.integration.models.market import keep_walk, quick
from tests.world import eventually

torch = pytest.importorskip("torch")
kronos_training = pytest.importorskip("kokex.adapters.kronos_training")

pytestmark = pytest.mark.slow


def no_file(path: Path, plan: Plan) -> TrainingCandles:
    raise AssertionError(path)


class House:
    """What a worker stands on."""

    def __init__(self, store: PostgresStore, folder: Path) -> None:
        self.store = store
        self.files = ModelFolder(folder / "models")
        self.models = ModelService(store, SystemClock(), self.files)
        self.training = TrainingService(store, SystemClock(), self.files, no_file, lambda: "0.1.0+test")
        self.trainer = kronos_training.KronosTrainer()

    def worker(self, name: str = "worker", lease: Lease | None = None) -> Worker:
        return Worker(
            self.store, SystemClock(), self.files, self.trainer, self.training, name, lease or Lease(5.0)
        )

    async def trained(self, plan: Plan, *changes: str, **options: Any) -> ModelVersion:
        version = await self.training.request(plan, quick(*changes, **options))
        done = await self.training.carry_out(version.id, self.trainer, lambda: False)
        assert done is not None
        return done


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
async def house(store: PostgresStore, plan: Plan, tmp_path: Path) -> House:
    await keep_walk(store, plan)
    return House(store, tmp_path)


async def test_a_training_becomes_a_version_that_can_be_moved_and_forecast_with(
    house: House, plan: Plan, tmp_path: Path
) -> None:
    """Record, curves, scores, weights by hash; exported and imported with the same hash; forecasts in prices."""
    version = await house.trained(plan, activate=True)
    assert (version.status, version.active, version.code_revision) == (
        VersionStatus.READY,
        True,
        "0.1.0+test",
    )
    assert version.data is not None and version.data.candles == 480 and version.data.source == "paper:1"
    assert {point.stage for point in version.curves} == {"tokenizer", "predictor"}
    assert version.evaluation is not None
    assert {"kronos v1", "kronos v1, conformal", "block_bootstrap"} <= set(version.evaluation["scores"])
    assert version.content_hash == content_hash_of(house.files.find(version.content_hash or ""))
    assert version.seconds and version.seconds > 0

    file = tmp_path / "v1.kokex.zip"
    await house.models.export(plan, None, file)
    imported = await house.models.import_(plan, file, house.trainer)
    assert (imported.name, imported.content_hash, imported.curves) == (
        "v2", version.content_hash, version.curves,
    )  # fmt: skip

    forecaster = house.trainer.load(house.files.find(version.content_hash or ""), "kronos v1")
    series = await house.store.candles.latest("paper:1", "ETH-USDT", Interval("1H"), 60)
    made = forecaster.forecast(series, horizon=4, paths=8, seed=1)
    assert made.paths.shape == (8, 4, 6) and made.origin_price == series.closes[-1]
    assert np.isfinite(made.paths).all() and (made.paths[:, :, :4] > 0).all()
    assert (made.paths[:, :, 1] >= made.paths[:, :, :4].max(axis=2)).all()
    again = forecaster.forecast(series, horizon=4, paths=3, seed=1)
    assert again.paths.shape[0] == 3


async def test_weights_that_do_not_fit_their_configuration_are_not_imported(
    house: House, plan: Plan, tmp_path: Path
) -> None:
    """Nothing of them is kept."""
    version = await house.trained(plan)
    broken = tmp_path / "broken"
    for name in ("tokenizer", "predictor"):
        source = house.files.find(version.content_hash or "") / name
        (broken / name).mkdir(parents=True)
        for path in source.iterdir():
            (broken / name / path.name).write_bytes(path.read_bytes())
    config = broken / "predictor" / "config.json"
    config.write_text(config.read_text().replace('"ff_dim": 16', '"ff_dim": 32'))
    with pytest.raises(DataError, match="shape") as raised:
        await house.models.import_(plan, broken, house.trainer)
    assert str(broken / "predictor") in str(raised.value) and "draft" not in str(raised.value)
    assert [one.name for one in await house.models.versions(plan)] == ["v1"]


async def test_a_stopped_training_goes_on_and_ends_with_the_weights_of_an_unbroken_one(
    house: House, plan: Plan
) -> None:
    """New candles that came meanwhile change nothing: it goes on with those it began with."""
    unbroken = await house.trained(plan)
    version = await house.training.request(plan, quick())
    asked = 0

    def stop_after_three() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    assert await house.training.carry_out(version.id, house.trainer, stop_after_three) is None
    assert (await house.store.models.get(version.id)).status is VersionStatus.TRAINING
    await keep_walk(house.store, plan, 520)
    done = await house.training.carry_out(version.id, house.trainer, lambda: False)
    assert done is not None and done.data == unbroken.data
    for name in ("tokenizer", "predictor"):
        pair = [
            house.files.find(one.content_hash or "") / name / "model.safetensors" for one in (unbroken, done)
        ]
        assert pair[0].read_bytes() == pair[1].read_bytes()


async def test_a_training_stopped_while_it_is_judged_is_judged_later(house: House, plan: Plan) -> None:
    """No minutes pass until the evaluation ends by itself; and a version is not judged anew by halves."""
    version = await house.training.request(plan, quick())
    judging = False

    def stop_while_judging() -> bool:
        return judging

    evaluate = house.trainer.evaluate

    def begin(job: Any, weights: Any, wish: Any, tell: Any, should_stop: Any) -> Any:
        nonlocal judging
        judging = True
        return evaluate(job, weights, wish, tell, should_stop)

    house.trainer.evaluate = begin
    assert await house.training.carry_out(version.id, house.trainer, stop_while_judging) is None
    assert (await house.store.models.get(version.id)).status is VersionStatus.TRAINING
    house.trainer.evaluate = evaluate
    done = await house.training.carry_out(version.id, house.trainer, lambda: False)
    assert done is not None and done.evaluation is not None
    wish = EvaluationWish(done.forecaster, 60, paths=4)
    assert await house.training.evaluate(done, house.trainer, wish, lambda: True) is None
    assert (await house.store.models.get(done.id)).evaluation == done.evaluation


async def test_a_worker_trains_what_is_queued_and_answers_the_engine(house: House, plan: Plan) -> None:
    """The forecast is the model's own; without a worker there is none, and the baseline's turn comes."""
    worker, asker = house.worker(), WorkerForecasts(house.store, SystemClock(), Patience(0.2, 20.0))
    series = await house.store.candles.latest("paper:1", "ETH-USDT", Interval("1H"), 60)
    switched = replace(plan, forecast=replace(plan.forecast, forecaster=KRONOS))
    version = await house.training.request(plan, quick(activate=True))
    assert await asker.forecast(switched, series, 1) is None  # no version is active yet
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(asker.run())
        running = tasks.create_task(worker.run())
        await eventually(lambda: house.store.models.active(plan.id), "an active version", seconds=60)
        patient = WorkerForecasts(house.store, SystemClock(), Patience(20.0, 20.0))
        hearing = tasks.create_task(patient.run())
        made = await patient.forecast(switched, series, 1)
        worker.stop.set()
        await running
        listening.cancel()
        hearing.cancel()
    assert made is not None and made.forecaster == "kronos v1"
    work = await house.store.work.by_key(work_key(version))
    assert work is not None and work.status is WorkStatus.DONE
    shorter = await house.store.candles.latest("paper:1", "ETH-USDT", Interval("1H"), 59)
    elsewhere = replace(switched, forecast=replace(switched.forecast, paths=5))
    assert await asker.forecast(elsewhere, shorter, 1) is None  # nobody works any more


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (("context=5000",), ConfigurationError, "leave"),
        (("no_such=1",), ConfigurationError, "no_such"),
    ],
)
async def test_a_training_that_cannot_be_says_why(
    house: House, plan: Plan, changes: tuple[str, ...], error: type[KokexError], words: str
) -> None:
    """In its record too, and its followers hear of the end."""
    version = await house.training.request(plan, quick(*changes))
    with pytest.raises(error, match=words):
        await house.training.carry_out(version.id, house.trainer, lambda: False)
    kept = await house.store.models.get(version.id)
    assert kept.status is VersionStatus.FAILED and words in str(kept.error)
    told: list[Mapping[str, Any]] = [event for _, event in await house.store.models.told(version.id)]
    assert "failed" in str(told[-1]["message"])

"""The registry: numbers, states, what is active, rolling back, clearing away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kokex.adapters.model_files import ModelFolder
from kokex.adapters.postgres import PostgresStore
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.model import CurvePoint, ModelVersion, TrainingData, VersionStatus, VersionWish
from kokex.domain.plan import KRONOS, Plan
from kokex.ports.models import VersionOutcome, VersionStart
from kokex.services.models import ModelService
from tests.fakes.clock import ManualClock
from tests.unit.models.test_model_files import weights

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATA = TrainingData("okx:live", "ETH-USDT", "1H", 500, NOW, NOW, "f" * 64)


async def ready(store: PostgresStore, plan: Plan, content_hash: str = "a" * 64) -> ModelVersion:
    """A version that was trained."""
    version = await store.models.add(plan.id, VersionWish(preset="tiny"))
    curves = (CurvePoint("predictor", 1, 2.5, 2.25, best=True),)
    evaluation = {"scores": {"kronos": {"windows": 3, "crps_mean": 0.5}}, "diebold_mariano": []}
    outcome = VersionOutcome(DATA, curves, evaluation, content_hash, 10, 1.5)
    await store.models.finished(version.id, outcome, NOW)
    return await store.models.get(version.id)


def service(store: PostgresStore, tmp_path: Path) -> tuple[ModelService, ModelFolder]:
    files = ModelFolder(tmp_path / "models")
    return ModelService(store, ManualClock(), files), files


async def test_a_version_is_kept_with_all_that_made_it(store: PostgresStore, plan: Plan) -> None:
    """Every field comes back as it went in."""
    version = await store.models.add(plan.id, VersionWish(preset="tiny", changes=("context=64",)))
    start = VersionStart({"context": 64}, DATA, "0.1.0+abc", "cpu", {"training": 7})
    await store.models.started(version.id, start, NOW)
    outcome = VersionOutcome(
        DATA, (CurvePoint("tokenizer", 1, None, 0.5, best=True),), None, "b" * 64, 99, 3.25
    )
    await store.models.finished(version.id, outcome, NOW)
    kept = await store.models.by_number(plan.id, 1)
    assert (kept.name, kept.status, kept.active) == ("v1", VersionStatus.READY, False)
    assert (kept.parameters, kept.code_revision, kept.device, kept.seeds) == (
        {"context": 64}, "0.1.0+abc", "cpu", {"training": 7},
    )  # fmt: skip
    assert (kept.data, kept.curves, kept.content_hash, kept.content_bytes, kept.seconds) == (
        DATA, outcome.curves, "b" * 64, 99, 3.25,
    )  # fmt: skip
    assert (await store.models.wish(version.id)).changes == ("context=64",)


async def test_numbers_count_up_without_a_hole_however_many_ask_at_once(
    store: PostgresStore, plan: Plan
) -> None:
    """Two versions never share a number."""
    made = await asyncio.gather(*(store.models.add(plan.id, VersionWish()) for _ in range(6)))
    assert sorted(version.number for version in made) == [1, 2, 3, 4, 5, 6]


async def test_activating_switches_the_plan_and_rolling_back_goes_the_same_way_back(
    store: PostgresStore, plan: Plan
) -> None:
    """v1, v2, v3; back to v2, to v1, to the baseline; and then there is nothing to undo."""
    versions = [await ready(store, plan) for _ in range(3)]
    for version in versions:
        await store.models.activate(version.id, NOW)
    assert (await store.plans.get(plan.id)).forecast.forecaster == KRONOS
    found = [await store.models.active(plan.id)]
    found += [await store.models.roll_back(plan.id, NOW) for _ in range(3)]
    assert [version and version.name for version in found] == ["v3", "v2", "v1", None]
    with pytest.raises(StateError, match="no active version"):
        await store.models.roll_back(plan.id, NOW)


async def test_rolling_back_passes_over_what_was_pruned(store: PostgresStore, plan: Plan) -> None:
    """Weights that are gone cannot become active."""
    first, second, third = [await ready(store, plan) for _ in range(3)]
    for version in (first, second, third):
        await store.models.activate(version.id, NOW)
    await store.models.prune([second.id])
    back = await store.models.roll_back(plan.id, NOW)
    assert back is not None and back.name == "v1"


async def test_only_a_ready_version_can_be_active(store: PostgresStore, plan: Plan) -> None:
    """One in training cannot."""
    version = await store.models.add(plan.id, VersionWish())
    with pytest.raises(StateError, match="training"):
        await store.models.activate(version.id, NOW)


async def test_pruning_keeps_the_newest_and_whatever_is_active(
    store: PostgresStore, plan: Plan, tmp_path: Path
) -> None:
    """The active one is the oldest here; the weights of the others go, their records stay."""
    models, files = service(store, tmp_path)
    versions = []
    for number in range(4):
        content_hash, _ = files.keep(weights(tmp_path / str(number), word=str(number)))
        versions.append(await ready(store, plan, content_hash))
    await models.activate(plan, 1)
    done = await models.prune(plan, keep=1)
    assert [one.name for one in done.versions] == ["v2", "v3"]
    assert done.bytes_freed > 0
    states = [version.status.value for version in await models.versions(plan)]
    assert states == ["ready", "pruned", "pruned", "ready"]
    for version, there in zip(versions, (True, False, False, True), strict=True):
        assert version.content_hash is not None
        assert (tmp_path / "models" / "weights" / version.content_hash).is_dir() is there


async def test_pruning_keeps_weights_that_another_version_shares(
    store: PostgresStore, plan: Plan, tmp_path: Path
) -> None:
    """Two versions of equal content have one folder."""
    models, files = service(store, tmp_path)
    content_hash, _ = files.keep(weights(tmp_path / "one"))
    for _ in range(2):
        await ready(store, plan, content_hash)
    await models.prune(plan, keep=1)
    assert files.find(content_hash).is_dir()


async def test_what_a_training_tells_can_be_followed(store: PostgresStore, plan: Plan) -> None:
    """In order, from any point."""
    version = await store.models.add(plan.id, VersionWish())
    await store.models.tell(version.id, [{"kind": "Notice", "message": str(number)} for number in range(5)])
    told = await store.models.told(version.id, limit=2)
    told = [*told, *await store.models.told(version.id, told[-1][0])]
    assert [event["message"] for _, event in told] == ["0", "1", "2", "3", "4"]


async def test_a_version_that_is_not_there_is_named_with_those_that_are(
    store: PostgresStore, plan: Plan
) -> None:
    """So the reader can choose."""
    await ready(store, plan)
    with pytest.raises(NotFoundError, match=r"plan [a-z]\w* has no version v7; it has: v1"):
        await store.models.by_number(plan.id, 7)

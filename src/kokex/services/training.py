"""Training of model versions: asked for durably, carried out by whoever claims it, gone on with after a kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from kokex.domain.errors import DataError, KokexError, StateError, StoreUnavailableError
from kokex.domain.model import CurvePoint, ModelVersion, VersionStatus, VersionWish
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.models import (
    EvaluationWish,
    ModelFiles,
    ProgressEvent,
    Trainer,
    TrainingCandles,
    TrainingJob,
    VersionOutcome,
    VersionStart,
)
from kokex.ports.store import Store
from kokex.ports.work import NewWork, WorkKind
from kokex.services.accounts import market_of

log = structlog.get_logger(__name__)

ALL_CANDLES = 1_000_000
TELL_SECONDS = 0.25
"""How often what a training tells is written down."""

FAILED = "Failed"
"""Kind of the last event of a training that failed."""

ReadFile = Callable[[Path, Plan], TrainingCandles]


@dataclass(frozen=True, slots=True)
class Claim:
    """Who does a training that is asked for: its own asker, from the start."""

    worker: str
    lease_seconds: float


def work_key(version: ModelVersion) -> str:
    """The request of a version's training."""
    return f"train:{version.id}"


class TrainingService:
    """Asks for trainings and carries them out.

    Args:
        read_file: reads a candle file for a plan.
        code_revision: of the program, kept with each version.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        files: ModelFiles,
        read_file: ReadFile,
        code_revision: Callable[[], str],
    ) -> None:
        self._store = store
        self._clock = clock
        self._files = files
        self._read_file = read_file
        self._revision = code_revision

    async def request(self, plan: Plan, wish: VersionWish, claim: Claim | None = None) -> ModelVersion:
        """Keep the wish as the plan's next version and ask the workers for it, unless the asker does it (`claim`).

        Raises:
            NotFoundError: no such parent.
            StateError: the parent is not ready.
        """
        if wish.parent is not None:
            parent = await self._store.models.by_number(plan.id, wish.parent)
            if parent.status is not VersionStatus.READY:
                raise StateError(f"version {parent.name} is {parent.status.value} and cannot be trained on")
        version = await self._store.models.add(plan.id, wish)
        work = NewWork(WorkKind.TRAIN, work_key(version), {"version_id": version.id, "plan_id": plan.id})
        await self._store.work.add(
            work,
            claimed_by=claim.worker if claim else None,
            lease_seconds=claim.lease_seconds if claim else 0.0,
        )
        return version

    async def carry_out(
        self, version_id: int, trainer: Trainer, should_stop: Callable[[], bool]
    ) -> ModelVersion | None:
        """Train a version, or go on with it; None where it was asked to stop before the end.

        Raises:
            KokexError: it cannot be trained; the version is marked failed.
        """
        version = await self._store.models.get(version_id)
        if version.status is VersionStatus.READY:
            return version
        # A worker that was taken for dead may live: it hears of its loss at its next step, and until then the folder is its own.
        while (let_go := self._files.hold_run(version_id)) is None:
            if should_stop():
                return None
            await self._clock.sleep(TELL_SECONDS)
        try:
            return await self._train(version, trainer, should_stop)
        except StoreUnavailableError:
            raise  # another start goes on with it
        except KokexError as error:
            await self.give_up(version_id, str(error))
            raise
        finally:
            let_go()

    async def give_up(self, version_id: int, error: str) -> None:
        """Mark a version failed, for its followers too."""
        await self._store.models.failed(version_id, error, self._clock.now())
        await self._store.models.tell(version_id, [_notice(f"failed: {error}") | {"kind": FAILED}])

    async def evaluate(
        self,
        version: ModelVersion,
        trainer: Trainer,
        wish: EvaluationWish,
        should_stop: Callable[[], bool],
    ) -> ModelVersion | None:
        """Judge a ready version anew, on the candles that its training kept back; None where it was asked to stop.

        Raises:
            StateError: it is not ready, or its training was not on this machine.
            DataError: too few candles were kept back.
        """
        if version.content_hash is None or version.status is not VersionStatus.READY:
            raise StateError(
                f"version {version.name} is {version.status.value}; only a ready one can be judged"
            )
        candles = await asyncio.to_thread(self._files.snapshot, version.id)
        if candles is None:
            raise StateError(
                f"the candles that {version.name} was trained on are not on this machine, so nothing honest can judge it"
            )
        weights = self._files.find(version.content_hash)
        job = TrainingJob(weights, candles, await self._store.models.wish(version.id))
        async with self._telling(version.id) as tell:
            found = await asyncio.to_thread(
                trainer.evaluate, job, weights, wish, lambda words: tell(_notice(words)), should_stop
            )
        if found is None and should_stop():
            return None
        if found is None:
            raise DataError(f"too few candles were kept back from the training of {version.name} to judge it")
        await self._store.models.evaluated(version.id, found)
        return await self._store.models.get(version.id)

    async def _train(
        self, version: ModelVersion, trainer: Trainer, should_stop: Callable[[], bool]
    ) -> ModelVersion | None:
        plan = await self._store.plans.get(version.plan_id)
        job = await self._job(plan, version)
        parameters = await asyncio.to_thread(trainer.parameters, job.wish)
        start = VersionStart(
            parameters=parameters,
            data=job.candles.describe(),
            code_revision=await asyncio.to_thread(self._revision),
            device=trainer.device(job.wish),
            seeds={"training": int(parameters.get("seed", 0)), "evaluation": 0},
        )
        await self._store.models.started(version.id, start, self._clock.now())
        async with self._telling(version.id) as tell:
            weights = await asyncio.to_thread(trainer.train, job, tell, should_stop)
            if weights is None:
                tell(_notice("stopped; it goes on from here"))
                return None
            judged = EvaluationWish(version.forecaster, plan.forecast.context, paths=64, learn_bands=True)
            evaluation = await asyncio.to_thread(
                trainer.evaluate, job, weights, judged, lambda words: tell(_notice(words)), should_stop
            )
            if evaluation is None and should_stop():
                tell(_notice("stopped before it was judged; it goes on from here"))
                return None
            content_hash, size = await asyncio.to_thread(self._files.keep, weights)
        curves, seconds = await self._told(version.id)
        outcome = VersionOutcome(start.data, curves, evaluation, content_hash, size, seconds)
        await self._store.models.finished(version.id, outcome, self._clock.now())
        if job.wish.activate:
            await self._store.models.activate(version.id, self._clock.now())
        await asyncio.to_thread(self._files.finish_run, version.id)
        await self._store.models.tell(version.id, [_notice(f"{version.name} is ready"), {"kind": "Finished"}])
        return await self._store.models.get(version.id)

    async def _job(self, plan: Plan, version: ModelVersion) -> TrainingJob:
        wish = await self._store.models.wish(version.id)
        candles = await asyncio.to_thread(self._files.snapshot, version.id)
        if candles is None:
            candles = await self._candles(plan, wish)
            await asyncio.to_thread(self._files.keep_snapshot, version.id, candles)
        return TrainingJob(self._files.run_folder(version.id), candles, wish, await self._base(plan, wish))

    async def _base(self, plan: Plan, wish: VersionWish) -> Path | None:
        if wish.parent is not None:
            parent = await self._store.models.by_number(plan.id, wish.parent)
            if parent.content_hash is None:
                raise StateError(f"version {parent.name} has no weights to start from")
            return self._files.find(parent.content_hash)
        return None if wish.base_folder is None else Path(wish.base_folder)

    async def _candles(self, plan: Plan, wish: VersionWish) -> TrainingCandles:
        if wish.candle_file is not None:
            candles = await asyncio.to_thread(self._read_file, Path(wish.candle_file), plan)
            if wish.most_candles is not None:
                newest = slice(-wish.most_candles, None)
                return TrainingCandles(
                    candles.source,
                    plan.inst_id,
                    plan.interval,
                    candles.open_times[newest],
                    candles.values[newest],
                )
            return candles
        market = market_of(await self._store.accounts.get(plan.account_id))
        limit = wish.most_candles or ALL_CANDLES
        series = await self._store.candles.latest(market, plan.inst_id, plan.interval, limit)
        if not len(series):
            raise DataError(
                f"no candles of {plan.inst_id} {plan.interval} are kept for {market}; bring some with "
                "`kokex data sync` or `kokex data import`, or give a file with --csv"
            )
        return TrainingCandles(market, plan.inst_id, plan.interval, series.open_times, series.values)

    @contextlib.asynccontextmanager
    async def _telling(self, version_id: int) -> AsyncIterator[Callable[[ProgressEvent], None]]:
        """Writes down what is told from any thread, until the end of the block."""
        waiting: deque[ProgressEvent] = deque()

        async def write() -> None:
            while waiting:
                events = [waiting.popleft() for _ in range(len(waiting))]
                await self._store.models.tell(version_id, events)

        async def keep_writing() -> None:
            while True:
                await self._clock.sleep(TELL_SECONDS)
                try:
                    await write()
                except KokexError as error:  # curves lose points, the training goes on
                    log.warning("progress was not kept", version=version_id, reason=str(error))

        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(keep_writing())
                try:
                    yield waiting.append
                finally:
                    writing.cancel()
                    await write()
        except ExceptionGroup as group:  # the block's own error: the writer raises none
            raise group.exceptions[0] from None

    async def _told(self, version_id: int) -> tuple[tuple[CurvePoint, ...], float]:
        """A point an epoch, and the seconds of both stages over all starts; what was told twice counts as told last."""
        points: dict[tuple[str, int], CurvePoint] = {}
        seconds: dict[str, float] = {}
        async for event in self._events(version_id):
            if event.get("kind") == "EpochDone":
                point = CurvePoint(
                    stage=str(event["stage"]),
                    epoch=int(event["epoch"]) + 1,
                    training_loss=event.get("training_loss"),
                    validation_loss=event.get("validation_loss"),
                    best=bool(event.get("best")),
                )
                points[point.stage, point.epoch] = point
            elif event.get("kind") == "StageDone":
                seconds[str(event["stage"])] = float(event["seconds"])
        return tuple(points.values()), sum(seconds.values())

    async def _events(self, version_id: int) -> AsyncIterator[ProgressEvent]:
        after = 0
        while page := await self._store.models.told(version_id, after):
            after = page[-1][0]
            for _, event in page:
                yield event


def _notice(message: str) -> dict[str, Any]:
    return {"kind": "Notice", "stage": "", "step": 0, "message": message}

"""The worker: takes requests from the queue, forecasts and trains, and shows that it lives.

Forecasts and trainings have a lane each, so that no forecast waits for a training to end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.ports.clock import Clock
from kokex.ports.forecaster import Forecaster
from kokex.ports.models import ModelFiles, Trainer
from kokex.ports.store import Store
from kokex.ports.work import Work, WorkKind, WorkStatus
from kokex.services.training import TrainingService
from kokex.services.worker_forecasts import forecast_answer, series_from

log = structlog.get_logger(__name__)

LOADED_MODELS = 4
"""How many models a worker keeps in memory."""
TIDY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Lease:
    """How a worker shows that it lives.

    Attributes:
        seconds: without a renewal for this long, another takes its work over.
        most_attempts: workers that may die over one request before it is given up.
    """

    seconds: float = 15.0
    most_attempts: int = 5

    @property
    def renewal_seconds(self) -> float:
        """How often it is renewed: three chances in a lease."""
        return self.seconds / 4


@dataclass(slots=True)
class _Held:
    """A request at work here; `lost`: it is no longer this worker's."""

    work: Work
    lost: bool = False


class Worker:
    """Works until told to stop.

    Args:
        name: unique among all workers.
        stop: set it to stop: a training saves where it is and is given back.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        files: ModelFiles,
        trainer: Trainer,
        training: TrainingService,
        name: str,
        lease: Lease | None = None,
    ) -> None:
        self.name = name
        self.stop = asyncio.Event()
        self._store = store
        self._clock = clock
        self._files = files
        self._trainer = trainer
        self._training = training
        self._lease = lease or Lease()
        self._wakes = {kind: asyncio.Event() for kind in WorkKind}
        self._loaded: OrderedDict[str, Forecaster] = OrderedDict()

    async def run(self) -> None:
        """Serve both lanes until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear())
            tidying = tasks.create_task(self._tidy())
            waking = tasks.create_task(self._wake_at_stop())
            lanes = [tasks.create_task(self._lane(kind)) for kind in WorkKind]
            try:
                await asyncio.wait(lanes)
            finally:
                self.stop.set()  # also where a lane broke down: a training in a thread must hear of it
            for task in (hearing, tidying, waking):
                task.cancel()

    async def perform(self, work: Work, *, stopped_by_person: bool = False) -> Work:
        """Do one claimed request to its end, to a stop, or until it is lost to another; the request as it is then.

        `stopped_by_person`: a person watches it, and after a stop only a person resumes it.
        """
        held = _Held(work)
        async with asyncio.TaskGroup() as tasks:
            renewing = tasks.create_task(self._renew(held))
            try:
                await self._do(held, stopped_by_person=stopped_by_person)
            finally:
                renewing.cancel()
        return await self._store.work.get(work.id)

    async def _lane(self, kind: WorkKind) -> None:
        wake = self._wakes[kind]
        while not self.stop.is_set():
            wake.clear()
            try:
                work = await self._store.work.claim(
                    self.name,
                    [kind],
                    lease_seconds=self._lease.seconds,
                    most_attempts=self._lease.most_attempts,
                )
                if work is not None:
                    await self.perform(work)
                    continue
            except* StoreUnavailableError as group:
                log.warning("work waits for the database", reason=str(group.exceptions[0]))
            await self._wait(wake)

    async def _wait(self, wake: asyncio.Event) -> None:
        """Until something arrives; the dead tell nobody, so look now and then."""
        try:
            async with asyncio.timeout(self._lease.renewal_seconds):
                await wake.wait()
        except TimeoutError:
            return

    async def _do(self, held: _Held, *, stopped_by_person: bool) -> None:
        work = held.work
        try:
            if work.status is WorkStatus.FAILED:
                await self._give_up(work)
            elif work.kind is WorkKind.FORECAST:
                await self._forecast(work)
            else:
                await self._train(held, stopped_by_person=stopped_by_person)
        except StoreUnavailableError:
            raise
        except KokexError as error:
            if not stopped_by_person:  # a person at the terminal is told by the command itself
                log.error("work failed", request=work.key, reason=str(error))
            await self._store.work.fail(work.id, self.name, str(error))
        except Exception as error:
            # Not ours to understand: the request ends, and so does this process, whose memory may be in any state.
            reason = f"{type(error).__name__}: {error}"
            await self._store.work.fail(work.id, self.name, reason)
            if work.kind is WorkKind.TRAIN:
                await self._training.give_up(int(work.details["version_id"]), reason)
            raise

    async def _give_up(self, work: Work) -> None:
        log.error("work given up", request=work.key, reason=work.error)
        if work.kind is WorkKind.TRAIN:
            await self._training.give_up(int(work.details["version_id"]), work.error or "given up")

    async def _forecast(self, work: Work) -> None:
        began = self._clock.monotonic()
        forecaster = await self._forecaster(
            str(work.details["content_hash"]), str(work.details["forecaster"])
        )
        forecast = await asyncio.to_thread(
            forecaster.forecast,
            series_from(work),
            horizon=int(work.details["horizon"]),
            paths=int(work.details["paths"]),
            seed=int(work.details["seed"]),
        )
        answer, data = forecast_answer(forecast)
        in_time = await self._store.work.finish(work.id, self.name, answer, data)
        seconds = round(self._clock.monotonic() - began, 3)
        log.info("forecast made", request=work.key, seconds=seconds, in_time=in_time)

    async def _forecaster(self, content_hash: str, name: str) -> Forecaster:
        """Loaded once; versions with equal weights under two names are loaded twice."""
        key = f"{content_hash} {name}"
        known = self._loaded.get(key)
        if known is None:
            folder = self._files.find(content_hash)
            known = await asyncio.to_thread(self._trainer.load, folder, name)
            self._loaded[key] = known
            if len(self._loaded) > LOADED_MODELS:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return known

    async def _train(self, held: _Held, *, stopped_by_person: bool) -> None:
        work = held.work
        version_id = int(work.details["version_id"])
        log.info("training", request=work.key, attempt=work.attempts)
        version = await self._training.carry_out(
            version_id, self._trainer, lambda: held.lost or self.stop.is_set()
        )
        if version is not None:
            await self._store.work.finish(work.id, self.name, {"version": version.name})
            log.info("training ended", request=work.key, version=version.name)
        elif held.lost:
            log.warning("training lost to another worker", request=work.key)
        else:
            await self._store.work.release(work.id, self.name, stopped=stopped_by_person)

    async def _renew(self, held: _Held) -> None:
        while not held.lost:
            await self._clock.sleep(self._lease.renewal_seconds)
            try:
                mine = await self._store.work.renew(
                    held.work.id, self.name, lease_seconds=self._lease.seconds
                )
                held.lost = not mine
            except StoreUnavailableError as error:
                log.warning("a lease was not renewed", request=held.work.key, reason=str(error))

    async def _hear(self) -> None:
        while True:
            try:
                async for kind in self._store.work.arrivals():
                    for one, wake in self._wakes.items():
                        if kind in ("", one.value):
                            wake.set()
            except StoreUnavailableError as error:
                log.warning("requests wait for the database", reason=str(error))
                await self._clock.sleep(1.0)

    async def _tidy(self) -> None:
        while True:
            try:
                await self._store.work.tidy(older_than_seconds=TIDY_SECONDS)
            except StoreUnavailableError as error:
                log.warning("old requests were not removed", reason=str(error))
            await self._clock.sleep(TIDY_SECONDS)

    async def _wake_at_stop(self) -> None:
        await self.stop.wait()
        for wake in self._wakes.values():
            wake.set()

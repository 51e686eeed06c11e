"""Training in the foreground, going on with one, and following one that runs elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from kokex.bootstrap import Application, trainer, worker
from kokex.cli.model_report import progress_line
from kokex.cli.output import note, say, say_json
from kokex.cli.running import stop_signals
from kokex.domain.errors import StateError
from kokex.domain.model import ModelVersion, VersionStatus, VersionWish
from kokex.domain.plan import Plan
from kokex.ports.models import EvaluationWish, ProgressEvent, Trainer
from kokex.ports.work import Work, WorkStatus
from kokex.services.training import FAILED, Claim, work_key
from kokex.services.working import Lease, Worker

POLL_SECONDS: Final = 0.25
STEP_LINE_SECONDS: Final = 5.0
"""A line about a step comes at most this often."""


async def train_here(opened: Application, plan: Plan, wish: VersionWish) -> ModelVersion | None:
    """Train the plan's next version in this process; None where a person stopped it.

    Raises:
        ConfigurationError: a library or a setting is wrong; no version was made.
        KokexError: the training failed; its version says so.
    """
    made = trainer()
    await asyncio.to_thread(made.parameters, wish)
    lease = Lease()
    doing = worker(opened, lease, made)
    version = await opened.training.request(plan, wish, Claim(doing.name, lease.seconds))
    work = await opened.store.work.by_key(work_key(version))
    assert work is not None
    return await _perform(opened, doing, plan, version, work)


async def resume_training(opened: Application, plan: Plan, number: int) -> ModelVersion | None:
    """Go on with a training that was stopped, or whose worker died; None where a person stopped it again.

    Raises:
        NotFoundError: there is no such version.
        StateError: it is not to be gone on with.
    """
    version = await opened.store.models.by_number(plan.id, number)
    if version.status is not VersionStatus.TRAINING:
        raise StateError(f"version {version.name} is {version.status.value}; there is nothing to go on with")
    made: Trainer = trainer()
    lease = Lease()
    doing = worker(opened, lease, made)
    work = await opened.store.work.resume(work_key(version), doing.name, lease_seconds=lease.seconds)
    return await _perform(opened, doing, plan, version, work)


async def judge_here(
    opened: Application, version: ModelVersion, made: Trainer, wish: EvaluationWish
) -> ModelVersion | None:
    """Judge a version in this process; None where a person stopped it."""
    stop = asyncio.Event()
    with stop_signals(stop):
        return await opened.training.evaluate(version, made, wish, stop.is_set)


async def follow_training(
    opened: Application, plan: Plan, number: int | None, *, as_json: bool
) -> ModelVersion:
    """Show what a version's training tells until it ends; the newest version where no number is given."""
    if number is None:
        versions = await opened.models.versions(plan)
        if not versions:
            raise StateError(f"plan {plan.name} has no version yet; train one: kokex model train {plan.name}")
        number = versions[-1].number
    version = await opened.store.models.by_number(plan.id, number)
    lines = _Lines(opened, version, say, as_json=as_json)
    while True:
        current = await opened.store.models.get(version.id)
        await lines.show()
        if current.status is not VersionStatus.TRAINING:
            return current
        await asyncio.sleep(POLL_SECONDS)


async def _perform(
    opened: Application, doing: Worker, plan: Plan, version: ModelVersion, work: Work
) -> ModelVersion | None:
    lines = _Lines(
        opened, version, note, untold=("Finished", FAILED)
    )  # beside the result; an error tells the failure
    note(f"{version.name} is trained here; Ctrl-C stops it, and it can be gone on with.")
    with stop_signals(doing.stop):
        async with asyncio.TaskGroup() as tasks:
            showing = tasks.create_task(lines.keep_showing())
            ended = await doing.perform(work, stopped_by_person=True)
            showing.cancel()
    await lines.show()
    if ended.status is WorkStatus.FAILED:
        raise StateError(f"version {version.name} failed: {ended.error}")
    found = await opened.store.models.get(version.id)
    if found.status is VersionStatus.READY:
        return found
    note(f"Go on with it: kokex model train {plan.name} --resume {version.name}")
    return None


class _Lines:
    """Progress, a line each, from the events that are kept."""

    def __init__(
        self,
        opened: Application,
        version: ModelVersion,
        write: Callable[[str], None],
        *,
        as_json: bool = False,
        untold: tuple[str, ...] = ("Finished",),
    ) -> None:
        self._untold = untold
        self._opened = opened
        self._version = version
        self._write = write
        self._as_json = as_json
        self._after = 0
        self._last_step = float("-inf")

    async def keep_showing(self) -> None:
        """Until cancelled."""
        while True:
            await self.show()
            await asyncio.sleep(POLL_SECONDS)

    async def show(self) -> None:
        """What is new."""
        while page := await self._opened.store.models.told(self._version.id, self._after):
            self._after = page[-1][0]
            for _, event in page:
                self._tell(event)

    def _tell(self, event: ProgressEvent) -> None:
        if self._as_json:
            say_json(dict(event))
        elif event.get("kind") == "StepDone":
            now = time.monotonic()
            if now - self._last_step >= STEP_LINE_SECONDS:
                self._last_step = now
                self._write(progress_line(event))
        elif event.get("kind") not in self._untold:
            self._write(progress_line(event))

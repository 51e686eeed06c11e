"""The registry of models: which versions a plan has, which one it forecasts with, and their way in and out."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError, DataError, StateError
from kokex.domain.model import ModelVersion, VersionOrigin, VersionStatus, VersionWish
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.models import ModelFiles, Trainer, VersionOutcome
from kokex.ports.store import Store

EXPORTED = (
    "name", "origin", "preset", "parameters", "data", "code_revision", "device", "seeds", "curves", "parent",
    "started_at", "finished_at", "seconds", "evaluation", "content_hash", "content_bytes", "created_at",
)  # fmt: skip
"""What the record inside an exported file tells of a version."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a clean-up removed."""

    versions: tuple[ModelVersion, ...]
    bytes_freed: int


class ModelService:
    """Lists, switches, removes, exports and imports model versions."""

    def __init__(self, store: Store, clock: Clock, files: ModelFiles) -> None:
        self._store = store
        self._clock = clock
        self._files = files

    async def versions(self, plan: Plan | None = None) -> list[ModelVersion]:
        """All versions, or a plan's, by plan and number."""
        return await self._store.models.list(None if plan is None else plan.id)

    async def version(self, plan: Plan, number: int | None = None) -> ModelVersion:
        """One of the plan's; without a number the active one, else the newest that is ready.

        Raises:
            NotFoundError: there is none of that number.
            StateError: none is ready.
        """
        if number is not None:
            return await self._store.models.by_number(plan.id, number)
        versions = await self._store.models.list(plan.id)
        ready = [one for one in versions if one.status is VersionStatus.READY]
        chosen = next((one for one in ready if one.active), ready[-1] if ready else None)
        if chosen is None:
            raise StateError(
                f"plan {plan.name} has no version that is ready; train one: kokex model train {plan.name}"
            )
        return chosen

    async def activate(self, plan: Plan, number: int) -> ModelVersion:
        """The plan forecasts with this version from the next close on.

        Raises:
            NotFoundError: no such version, or its weights are not on this machine.
            StateError: it is not ready.
        """
        chosen = await self._store.models.by_number(plan.id, number)
        if chosen.content_hash is not None and chosen.status is VersionStatus.READY:
            self._files.find(chosen.content_hash)
        await self._store.models.activate(chosen.id, self._clock.now())
        return await self._store.models.get(chosen.id)

    async def roll_back(self, plan: Plan) -> ModelVersion | None:
        """Undo the last activation; what is active now, None: the baseline. Raises `StateError`: nothing was active."""
        return await self._store.models.roll_back(plan.id, self._clock.now())

    async def prune(self, plan: Plan, keep: int) -> Pruned:
        """Remove the weights of all but the newest `keep` ready versions, the active one, and unfinished trainings."""
        versions = await self._store.models.list(plan.id)
        ready = [one for one in versions if one.status is VersionStatus.READY]
        kept = {one.id for one in ready[len(ready) - keep :]} if keep else set()
        removable = (VersionStatus.READY, VersionStatus.FAILED)
        chosen = [
            one.id for one in versions if one.status in removable and one.id not in kept and not one.active
        ]
        pruned = await self._store.models.prune(chosen)
        needed = await self._store.models.hashes()
        freed = await asyncio.to_thread(self._files.remove_except, needed)
        for one in pruned:
            await asyncio.to_thread(self._files.remove_run, one.id)
        return Pruned(tuple(pruned), freed)

    async def export(self, plan: Plan, number: int | None, file: Path) -> tuple[ModelVersion, int]:
        """Write a version as one file; the version and the file's bytes.

        Raises:
            StateError: it is not ready.
            NotFoundError: its weights are not on this machine.
            ConfigurationError: the file cannot be written.
        """
        chosen = await self.version(plan, number)
        if chosen.status is not VersionStatus.READY or chosen.content_hash is None:
            raise StateError(
                f"version {chosen.name} is {chosen.status.value}; only a ready one can be exported"
            )
        record = export_record(plan, chosen)
        size = await asyncio.to_thread(self._files.pack, chosen.content_hash, record, file)
        return chosen, size

    async def import_(self, plan: Plan, file: Path, trainer: Trainer) -> ModelVersion:
        """Take in an exported file, or a folder of weights, as the plan's next version.

        Raises:
            DataError: the file is damaged, its content is not what its record says, or its weights do not fit their
                configuration. Nothing is kept then.
        """
        record, draft = await asyncio.to_thread(self._files.unpack, file)
        try:
            _check_record(record, plan)
            await asyncio.to_thread(_check_weights, trainer, draft, file)
            content_hash, size = await asyncio.to_thread(self._files.keep, draft)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        wish = VersionWish(preset=str(record.get("preset", "imported")))
        added = await self._store.models.add(plan.id, wish, VersionOrigin.IMPORTED)
        outcome = VersionOutcome(None, (), None, content_hash, size, None)
        await self._store.models.imported(added.id, record, outcome)
        return await self._store.models.get(added.id)


def export_record(plan: Plan, version: ModelVersion) -> dict[str, Any]:
    """What the file tells of a version besides its weights: plain JSON values."""
    whole: dict[str, Any] = {
        "format": 1,
        "plan": plan.name,
        "inst_id": plan.inst_id,
        "interval": str(plan.interval),
    }
    for name in EXPORTED:
        whole[name] = _plain(getattr(version, name))
    return whole


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _check_weights(trainer: Trainer, draft: Path, file: Path) -> None:
    """Raise `DataError` about the file that a person named, not about our copy of it."""
    try:
        trainer.check(draft)
    except DataError as error:
        raise DataError(str(error).replace(str(draft), str(file))) from error


def _check_record(record: Mapping[str, Any], plan: Plan) -> None:
    """An export of another interval would forecast nonsense in silence. Raises `DataError`."""
    interval = record.get("interval")
    if interval is None:
        return
    try:
        learnt = Interval(str(interval))
    except ConfigurationError as error:
        raise DataError(
            f"the file's record names the interval {interval!r}, which there is none of"
        ) from error
    if learnt != plan.interval:
        raise DataError(
            f"the file's model learnt candles of {learnt}, plan {plan.name} has candles of {plan.interval}; "
            "import it for a plan of its interval"
        )

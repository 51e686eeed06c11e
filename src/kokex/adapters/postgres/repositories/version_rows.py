"""Rows of `model_versions` as model versions."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, func, select

from kokex.adapters.postgres.tables import model_activations, model_versions
from kokex.domain.model import CurvePoint, ModelVersion, TrainingData, VersionOrigin, VersionStatus

_newest = (
    select(func.max(model_activations.c.id))
    .where(
        model_activations.c.plan_id == model_versions.c.plan_id, model_activations.c.withdrawn_at.is_(None)
    )
    .correlate(model_versions)
    .scalar_subquery()
)
STANDING = (
    model_versions.c.id
    == select(model_activations.c.version_id)
    .where(model_activations.c.id == _newest)
    .correlate(model_versions)
    .scalar_subquery()
)
"""Whether a version is its plan's active one."""

VERSIONS = select(model_versions, func.coalesce(STANDING, False).label("active"))
"""Versions with all that `version` reads."""


def version(row: Row[Any]) -> ModelVersion:
    """One row of `VERSIONS`."""
    return ModelVersion(
        id=row.id,
        plan_id=row.plan_id,
        number=row.number,
        status=VersionStatus(row.status),
        origin=VersionOrigin(row.origin),
        preset=row.preset,
        created_at=row.created_at,
        parameters=row.parameters,
        data=None if row.data is None else msgspec.convert(row.data, TrainingData),
        code_revision=row.code_revision,
        device=row.device,
        seeds=row.seeds,
        curves=msgspec.convert(row.curves, tuple[CurvePoint, ...]),
        parent=row.parent,
        started_at=row.started_at,
        finished_at=row.finished_at,
        seconds=row.seconds,
        evaluation=row.evaluation,
        content_hash=row.content_hash,
        content_bytes=row.content_bytes,
        error=row.error,
        active=row.active,
    )

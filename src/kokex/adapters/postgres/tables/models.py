"""Model versions, which of them was active when, what their trainings told, and requests to workers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import MOMENT, metadata, number_column

model_versions = Table(
    "model_versions",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("preset", Text, nullable=False),
    Column("wish", JSONB, nullable=False),
    Column("parameters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("data", JSONB),
    Column("code_revision", Text),
    Column("device", Text),
    Column("seeds", JSONB, nullable=False, server_default=text("'{}'")),
    Column("curves", JSONB, nullable=False, server_default=text("'[]'")),
    Column("parent", Integer),
    Column("started_at", MOMENT),
    Column("finished_at", MOMENT),
    Column("seconds", Double),
    Column("evaluation", JSONB),
    Column("content_hash", Text),
    Column("content_bytes", BigInteger),
    Column("error", Text),
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
    UniqueConstraint("plan_id", "number"),
)

# The active version of a plan is that of its newest row that was not withdrawn.
model_activations = Table(
    "model_activations",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("version_id", BigInteger, ForeignKey("model_versions.id"), nullable=False),
    Column("activated_at", MOMENT, nullable=False),
    Column("withdrawn_at", MOMENT),
)
Index(
    "idx_model_activations_standing",
    model_activations.c.plan_id,
    model_activations.c.id,
    postgresql_where=model_activations.c.withdrawn_at.is_(None),
)

model_events = Table(
    "model_events",
    metadata,
    number_column(),
    Column("version_id", BigInteger, ForeignKey("model_versions.id"), nullable=False),
    Column("event", JSONB, nullable=False),
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
)
Index("idx_model_events_version_id", model_events.c.version_id, model_events.c.id)

work_requests = Table(
    "work_requests",
    metadata,
    number_column(),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("data", LargeBinary),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("worker", Text),
    Column("lease_until", MOMENT),
    Column("wanted_until", MOMENT),  # None: for ever
    Column("answer", JSONB),
    Column("answer_data", LargeBinary),
    Column("error", Text),
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
    Column("ended_at", MOMENT),
)
Index(
    "idx_work_requests_open",
    work_requests.c.kind,
    work_requests.c.id,
    postgresql_where=work_requests.c.status.in_(("waiting", "running")),
)

"""Model versions, their activations and events; requests to workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _create_versions()
    _create_activations_and_events()
    _create_work_requests()


def _create_versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("preset", sa.Text, nullable=False),
        sa.Column("wish", JSONB, nullable=False),
        sa.Column("parameters", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("data", JSONB),
        sa.Column("code_revision", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("seeds", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("curves", JSONB, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("parent", sa.Integer),
        sa.Column("started_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
        sa.Column("seconds", sa.Double),
        sa.Column("evaluation", JSONB),
        sa.Column("content_hash", sa.Text),
        sa.Column("content_bytes", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("plan_id", "number", name="uq_model_versions_plan_id_number"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_model_versions_plan_id_plans"),
    )


def _create_activations_and_events() -> None:
    op.create_table(
        "model_activations",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("version_id", sa.BigInteger, nullable=False),
        sa.Column("activated_at", _MOMENT, nullable=False),
        sa.Column("withdrawn_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_model_activations"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_model_activations_plan_id_plans"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name="fk_model_activations_version_id_model_versions"
        ),
    )
    op.create_index(
        "idx_model_activations_standing",
        "model_activations",
        ["plan_id", "id"],
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "model_events",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("version_id", sa.BigInteger, nullable=False),
        sa.Column("event", JSONB, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_events"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name="fk_model_events_version_id_model_versions"
        ),
    )
    op.create_index("idx_model_events_version_id", "model_events", ["version_id", "id"])


def _create_work_requests() -> None:
    op.create_table(
        "work_requests",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("lease_until", _MOMENT),
        sa.Column("wanted_until", _MOMENT),
        sa.Column("answer", JSONB),
        sa.Column("answer_data", sa.LargeBinary),
        sa.Column("error", sa.Text),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_work_requests"),
        sa.UniqueConstraint("key", name="uq_work_requests_key"),
    )
    op.create_index(
        "idx_work_requests_open",
        "work_requests",
        ["kind", "id"],
        postgresql_where=sa.text("status IN ('waiting', 'running')"),
    )
    # Floats do not compress: do not let the server try.
    for column in ("data", "answer_data"):
        op.execute(f"ALTER TABLE work_requests ALTER COLUMN {column} SET STORAGE EXTERNAL")

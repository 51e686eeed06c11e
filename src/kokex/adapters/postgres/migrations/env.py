"""Alembic's entry: runs the revisions on the connection that `schema.upgrade` made, in one transaction."""

from __future__ import annotations

from alembic import context

from kokex.adapters.postgres.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()

"""The store on PostgreSQL, and the embedded server that it runs on by default."""

from kokex.adapters.postgres.embedded import EmbeddedPostgres
from kokex.adapters.postgres.schema import upgrade
from kokex.adapters.postgres.store import PostgresStore

__all__ = ["EmbeddedPostgres", "PostgresStore", "upgrade"]

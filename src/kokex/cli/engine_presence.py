"""Whether an engine works on a data folder, seen from another process."""

from __future__ import annotations

import fcntl
from pathlib import Path


def engine_process(folder: Path) -> str | None:
    """Process number of the engine that holds `folder`; None where none does."""
    try:
        with (folder / "engine.lock").open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "unknown"
    except OSError:
        return None
    return None

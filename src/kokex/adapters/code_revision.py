"""Which code this is: the version and, in a git checkout, the commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import kokex


def code_revision() -> str:
    """`0.1.0`, or `0.1.0+1a2b3c4` with `-dirty` behind it where the checkout was changed."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return kokex.__version__
    commit = told.stdout.strip()
    return f"{kokex.__version__}+{commit}" if told.returncode == 0 and commit else kokex.__version__

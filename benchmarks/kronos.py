"""The benchmarks of the model, each a program of its own: `benchmarks/kronos_*.py [--json FILE]`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ChildError

_FOLDER = Path(__file__).resolve().parent


def programs() -> list[str]:
    """Names of those that there are."""
    return sorted(path.stem for path in _FOLDER.glob("kronos_*.py"))


def run(name: str, folder: Path) -> object:
    """Run one, its table going straight to the terminal; what it wrote as JSON.

    Raises:
        ChildError: it failed.
    """
    result = folder / f"{name}.json"
    done = subprocess.run([sys.executable, str(_FOLDER / f"{name}.py"), "--json", str(result)], check=False)
    if done.returncode or not result.exists():
        raise ChildError(f"benchmarks/{name}.py failed (exit code {done.returncode})")
    return json.loads(result.read_text())

"""The machine that the figures were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.processes import ROOT


def describe(data_folder: Path) -> dict[str, str | float | int]:
    """Everything that a reader needs to judge a figure by."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "data_file_system": file_system(data_folder),
    }


def words(machine: dict[str, str | float | int]) -> str:
    """The description as one sentence."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['kernel']}, "
        f"Python {machine['python']}, data on {machine['data_file_system']} with fsync, "
        f"load average {machine['load_average_at_start']} at the start, commit {machine['commit']}, {machine['date']}"
    )


def file_system(folder: Path) -> str:
    """Kind of file system that `folder` lies on; "unknown" where the system does not tell."""
    found = ("", "unknown")
    for part in psutil.disk_partitions(all=True):
        if folder.resolve().is_relative_to(part.mountpoint) and len(part.mountpoint) > len(found[0]):
            found = (part.mountpoint, part.fstype)
    return found[1]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "src", "benchmarks")
        return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

"""Chooses the build of PyTorch for this machine: the CPU build unless there is a GPU.

On some platforms the package index's plain `torch` drags in gigabytes of CUDA. So pip is first asked (a dry run)
which file it would take; a CPU build is installed, anything else only where there is a GPU.

Settings (environment): `KOKEX_TORCH` is `cpu` or `cuda` where the guess is wrong; `KOKEX_TORCH_INDEX` is a package
index that has CPU builds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

CPU_INDEX = "https://download.pytorch.org/whl/cpu"

AskPip = Callable[[list[str]], str | None]


class NoBuildError(Exception):
    """No build of PyTorch that suits this machine can be had; the message says what to set."""


def wants_cuda(environ: Mapping[str, str]) -> bool:
    """Whether the CUDA build is wanted: as `KOKEX_TORCH` says, else whether an NVIDIA GPU answers."""
    choice = environ.get("KOKEX_TORCH", "")
    if choice not in ("", "cpu", "cuda"):
        raise NoBuildError(f"KOKEX_TORCH is {choice!r}; set it to cpu or cuda, or leave it unset")
    return choice == "cuda" if choice else _gpu_answers()


def _gpu_answers() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU" in listing.stdout


def is_cpu_build(report: Mapping[str, Any]) -> bool:
    """Whether the torch in pip's installation report needs no CUDA on the machine that pip reports.

    Raises:
        NoBuildError: the report names no torch.
    """
    found = [item["metadata"] for item in report["install"] if item["metadata"]["name"] == "torch"]
    if not found:
        raise NoBuildError("pip's report names no torch")
    if found[0]["version"].endswith("+cpu"):
        return True
    environment = report["environment"]
    needs = found[0].get("requires_dist", [])
    return not any(_is_cuda_package(need) and _applies(need, environment) for need in needs)


def _is_cuda_package(requirement: str) -> bool:
    return re.match(r"(nvidia|cuda)[-_]", requirement, re.IGNORECASE) is not None


def _applies(requirement: str, environment: Mapping[str, str]) -> bool:
    """Whether the requirement's platform markers (joined by `and`, as PyTorch writes them) fit."""
    if re.search(r"\bextra\s*==", requirement):
        return False
    platform = r"(platform_system|platform_machine|sys_platform)\s*==\s*[\"']([^\"']*)[\"']"
    return all(environment.get(name) == value for name, value in re.findall(platform, requirement))


def choose(environ: Mapping[str, str], ask_pip: AskPip) -> tuple[str, list[str]]:
    """Choose the build, and where it comes from.

    Args:
        environ: the process's environment.
        ask_pip: dry-runs pip with these options; its installation report (JSON), or None where it found nothing.

    Returns:
        `cuda` or `cpu`, and the options that make pip take that build.

    Raises:
        NoBuildError: there is no GPU, and no CPU build within reach.
    """
    if wants_cuda(environ):
        return "cuda", []
    own_index = environ.get("KOKEX_TORCH_INDEX", "")
    patience = ["--timeout", "15", "--retries", "1"]
    sources = [[], ["--index-url", CPU_INDEX, *patience]]
    if own_index:
        sources = [["--index-url", own_index]]
    for options in sources:
        report = ask_pip(options)
        if report is not None and is_cpu_build(json.loads(report)):
            return "cpu", options
    tried = own_index or f"pip's own configuration and {CPU_INDEX}"
    raise NoBuildError(
        f"no CPU build of PyTorch within reach (tried {tried}); set KOKEX_TORCH_INDEX to a package index "
        "that has one, or KOKEX_TORCH=cuda to take the large CUDA build"
    )


def variant_asked(environ: Mapping[str, str] = os.environ) -> str:
    """What the user asks for by name: `cpu`, `cuda`, or an empty string."""
    return environ.get("KOKEX_TORCH", "")

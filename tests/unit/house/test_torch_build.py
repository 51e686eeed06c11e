"""Which build of PyTorch set-up takes: CPU unless there is a GPU, and never CUDA by accident."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

LINUX = {"platform_system": "Linux", "platform_machine": "x86_64", "sys_platform": "linux"}
MAC = {"platform_system": "Darwin", "platform_machine": "arm64", "sys_platform": "darwin"}
CUDA_NEEDS = [
    "filelock",
    "nvidia-cublas==13.1; platform_system == 'Linux' and platform_machine == \"x86_64\"",
    "triton==3.7; platform_system == 'Linux'",
]


@pytest.fixture(scope="module")
def torch_build(checkout: Path) -> ModuleType:
    """The script, loaded from its file."""
    spec = importlib.util.spec_from_file_location("torch_build", checkout / "scripts" / "torch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(version: str, needs: list[str], environment: dict[str, str]) -> str:
    """pip's installation report for one torch file."""
    metadata = {"name": "torch", "version": version, "requires_dist": needs}
    return json.dumps({"install": [{"metadata": metadata}], "environment": environment})


@pytest.mark.parametrize(
    ("version", "needs", "environment", "cpu"),
    [
        ("2.13.0+cpu", ["filelock"], LINUX, True),
        ("2.13.0", CUDA_NEEDS, LINUX, False),
        ("2.13.0", CUDA_NEEDS, {**LINUX, "platform_machine": "aarch64"}, True),
        ("2.13.0", CUDA_NEEDS, MAC, True),
        ("2.13.0", ["cuda-bindings>=13; platform_system == 'Linux'"], LINUX, False),
        ("2.13.0", ["nvidia-nccl; extra == 'nccl'"], LINUX, True),
    ],
)
def test_a_cpu_build_is_known_by_what_it_needs(
    torch_build: ModuleType, version: str, needs: list[str], environment: dict[str, str], cpu: bool
) -> None:
    """A label `+cpu`, or no NVIDIA package on this platform."""
    assert torch_build.is_cpu_build(json.loads(report(version, needs, environment))) is cpu


def test_a_cpu_build_in_pips_own_reach_is_taken(torch_build: ModuleType) -> None:
    """No other index is asked."""
    asked: list[list[str]] = []

    def ask(options: list[str]) -> str:
        asked.append(options)
        return report("2.13.0+cpu", [], LINUX)

    assert torch_build.choose({"KOKEX_TORCH": "cpu"}, ask) == ("cpu", [])
    assert asked == [[]]


def test_pytorchs_own_index_helps_where_pip_would_take_cuda(torch_build: ModuleType) -> None:
    """The second source is asked, with little patience, and its options are used to install."""

    def ask(options: list[str]) -> str:
        return report("2.13.0+cpu", [], LINUX) if options else report("2.13.0", CUDA_NEEDS, LINUX)

    variant, options = torch_build.choose({"KOKEX_TORCH": "cpu"}, ask)
    assert variant == "cpu"
    assert options[:2] == ["--index-url", torch_build.CPU_INDEX]
    assert "--timeout" in options


@pytest.mark.parametrize("answer", [None, report("2.13.0", CUDA_NEEDS, LINUX)])
def test_without_a_cpu_build_nothing_is_installed(torch_build: ModuleType, answer: str | None) -> None:
    """The error says what to set; an index of the user's own is the only one asked."""
    asked: list[list[str]] = []

    def ask(options: list[str]) -> str | None:
        asked.append(options)
        return answer

    environ = {"KOKEX_TORCH": "cpu", "KOKEX_TORCH_INDEX": "file:///wheels"}
    with pytest.raises(torch_build.NoBuildError, match=r"file:///wheels.*set KOKEX_TORCH_INDEX"):
        torch_build.choose(environ, ask)
    assert asked == [["--index-url", "file:///wheels"]]


def test_cuda_is_taken_when_asked_for(torch_build: ModuleType) -> None:
    """pip is not even asked which file it would take."""
    assert torch_build.choose({"KOKEX_TORCH": "cuda"}, lambda _: pytest.fail("pip was asked")) == ("cuda", [])


def test_a_misspelt_choice_is_an_error(torch_build: ModuleType) -> None:
    """The message quotes the value."""
    with pytest.raises(torch_build.NoBuildError, match="'gpu'"):
        torch_build.choose({"KOKEX_TORCH": "gpu"}, lambda _: None)

"""The layers hold: what each module may import, and what the engine never loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_import_contracts_hold(checkout: Path) -> None:
    """Every contract of [tool.importlinter] is kept."""
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [str(program), "--no-cache", "--no-logo"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("heavy", ["torch", "langchain.agents", "pandas"])
def test_the_engine_starts_light(heavy: str, loaded_by_bootstrap: frozenset[str]) -> None:
    """Importing the engine's wiring loads none of the heavy libraries."""
    assert heavy not in loaded_by_bootstrap


@pytest.fixture(scope="module")
def loaded_by_bootstrap() -> frozenset[str]:
    """Modules that a fresh Python has loaded after `import kokex.bootstrap`."""
    code = "import sys, kokex.bootstrap; print('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    loaded = frozenset(result.stdout.split())
    assert "kokex.bootstrap" in loaded
    return loaded

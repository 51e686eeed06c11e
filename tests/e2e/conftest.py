"""Where the commands of these tests work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.terminal import KEYS


@pytest.fixture
def home(tmp_path: Path, own_place: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder and a database of its own, and the paper exchange's keys, as the environment of the commands."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("KOKEX_HOME", str(folder))
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return folder

"""Commands of these tests work on the test's own folder and database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog


@pytest.fixture(autouse=True)
def _own_place(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KOKEX_HOME", str(tmp_path))
    monkeypatch.setenv("KOKEX_DATABASE_URL", database_url)
    yield
    structlog.reset_defaults()

"""Commands of these tests work on the test's own folder and database."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_place(own_place: None) -> None:
    """For each of them."""

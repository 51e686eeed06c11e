"""Seeded runs, part 4 of 4: files, so that they are shared out over the cores."""

from __future__ import annotations

import pytest

from tests.simulation.conftest import Checked
from tests.simulation.generate import from_seed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 137, 4))
def test_the_records_agree_whatever_happens(seed: int, checked: Checked) -> None:
    """Trade, faults, deaths: the invariants hold once the faults have ended."""
    checked.hold(from_seed(seed))

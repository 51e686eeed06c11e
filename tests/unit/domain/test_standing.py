"""An account in trouble is degraded step by step, at the documented times."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kokex.domain.standing import HALTED_AFTER, REDUCE_ONLY_AFTER, Standing, Trouble
from tests.builders import START

A_MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("disagreement", "age", "expected"),
    [
        (False, timedelta(0), Standing.TRADING),
        (False, REDUCE_ONLY_AFTER - A_MOMENT, Standing.TRADING),
        (False, REDUCE_ONLY_AFTER, Standing.REDUCE_ONLY),
        (False, HALTED_AFTER - A_MOMENT, Standing.REDUCE_ONLY),
        (False, HALTED_AFTER, Standing.HALTED),
        (True, timedelta(0), Standing.REDUCE_ONLY),
        (True, HALTED_AFTER - A_MOMENT, Standing.REDUCE_ONLY),
        (True, HALTED_AFTER, Standing.HALTED),
    ],
)
def test_degradation_by_age(disagreement: bool, age: timedelta, expected: Standing) -> None:
    """Out of reach: held, reduce only, halted. In disagreement: reduce only, halted."""
    assert Trouble("why", START, disagreement).standing(START + age) is expected

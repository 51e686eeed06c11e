"""Runs drawn by hypothesis, which makes a failing one small."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.simulation import scenario as words
from tests.simulation.conftest import Checked
from tests.simulation.generate import from_seed, scenarios
from tests.simulation.scenario import Kill, Scenario, as_code
from tests.simulation.shrink import shrink


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(scenario=scenarios())
def test_the_records_agree_whatever_is_drawn(checked: Checked, scenario: Scenario) -> None:
    """As with seeds; here hypothesis looks for the smallest scenario that fails."""
    checked.hold(scenario)


@pytest.mark.parametrize("seed", range(40))
def test_a_scenario_prints_itself_as_code(seed: int) -> None:
    """What is printed makes the same scenario."""
    scenario = from_seed(seed)
    names = {name: getattr(words, name) for name in vars(words)}
    assert eval(as_code(scenario), names) == scenario


def test_a_seed_is_always_the_same_scenario() -> None:
    assert from_seed(11) == from_seed(11)
    assert from_seed(11) != from_seed(12)


def test_shrinking_leaves_what_fails() -> None:
    """Of a long scenario stays the one step that fails it, and no fault."""

    def fails(scenario: Scenario) -> bool:
        return any(isinstance(step, Kill) for step in scenario.steps)

    seed = next(seed for seed in range(100) if fails(from_seed(seed)) and from_seed(seed).faults.faults)
    small = shrink(from_seed(seed), fails, most=500)
    assert [type(step) for step in small.steps] == [Kill]
    assert not small.faults.faults and len(small.plans) == 1

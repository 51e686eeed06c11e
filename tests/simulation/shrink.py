"""From a failing scenario to a small one: what is left out, and still it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.scenario import Scenario, Trade


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool], *, most: int = 60) -> Scenario:
    """The smallest that was found within `most` runs."""
    runs = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(scenario):
            runs += 1
            if runs > most:
                return scenario
            if fails(candidate):
                scenario, smaller = candidate, True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Each a little simpler: half of the steps gone, then one step, one fault, one deed."""
    steps, faults = scenario.steps, scenario.faults.faults
    half = len(steps) // 2
    if half > 1:
        yield replace(scenario, steps=steps[:half])
        yield replace(scenario, steps=steps[half:])
    if len(faults) > 1:
        yield replace(scenario, faults=replace(scenario.faults, faults=()))
    for place in reversed(range(len(steps))):
        yield replace(scenario, steps=steps[:place] + steps[place + 1 :])
    for place in range(len(faults)):
        yield replace(scenario, faults=replace(scenario.faults, faults=faults[:place] + faults[place + 1 :]))
    last = len(scenario.plans) - 1
    if last and not any(isinstance(step, Trade) and step.plan == last for step in steps):
        yield replace(scenario, plans=scenario.plans[:-1])
    for place, step in enumerate(steps):
        if isinstance(step, Trade) and len(step.deeds) > 1:
            for deed in range(len(step.deeds)):
                less = replace(step, deeds=step.deeds[:deed] + step.deeds[deed + 1 :])
                yield replace(scenario, steps=(*steps[:place], less, *steps[place + 1 :]))

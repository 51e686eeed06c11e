"""An engine trades through every kind of fault, and its record is the exchange's own at the end."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kokex.adapters.okx import adapter, rest
from kokex.paper.faults import KINDS, FaultPlan
from kokex.services import trading
from kokex.services.reconciling import fates
from kokex.services.reconciling import service as reconciling
from tests.integration.faults.day import OUT_OF_ORDER, day
from tests.integration.faults.report import PAGE, expected
from tests.integration.faults.scenarios import SCENARIOS, Scenario

SETTLING_S = 20.0
"""Seconds within which the records must agree once nothing goes wrong any more."""
SHORT_S = 4.0
"""The same where they are known not to."""


class OutOfOrderError(AssertionError):
    """Every event is there once, but not in the exchange's order."""


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's patience, in a second or two instead of minutes."""
    policy = replace(adapter._LOCAL, idle_seconds=0.4, pong_seconds=0.3, answer_seconds=1.0)
    monkeypatch.setattr(adapter, "_LOCAL", policy)
    monkeypatch.setattr(rest, "_WRITE_SECONDS", 1.0)
    monkeypatch.setattr(trading, "SETTLED_AFTER", timedelta(seconds=1.5))
    monkeypatch.setattr(fates, "PATIENCE", timedelta(seconds=1))
    monkeypatch.setattr(reconciling, "LOOK_SECONDS", 2.0)
    monkeypatch.setattr(reconciling, "TROUBLED_SECONDS", 0.5)


def _case(scenario: Scenario) -> object:
    marks = (
        [pytest.mark.xfail(strict=True, raises=OutOfOrderError, reason=scenario.short)]
        if scenario.short
        else []
    )
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.slow
@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("scenario", [_case(scenario) for scenario in SCENARIOS])
async def test_the_records_agree_at_the_end(scenario: Scenario, database_url: str, tmp_path: Path) -> None:
    """Journal, orders, holdings and profit, once each and to the last digit; the fault struck."""
    plan = FaultPlan(scenario.faults)
    before = plan if scenario.before else None
    async with day(database_url, tmp_path, scenario.inst_id, before) as today:
        faults = today.world.server.faults
        if not scenario.before:
            faults.arm_plan(plan)
        if scenario.short:
            today.patience = SHORT_S
        await scenario.deed(today)
        assert faults.strikes(scenario.kind), "the fault never struck"
        faults.clear()
        differences = await today.at_the_end(SHORT_S if scenario.short else SETTLING_S)
    if differences and all(one.startswith(OUT_OF_ORDER) for one in differences):
        raise OutOfOrderError("; ".join(differences))
    assert not differences


def test_every_kind_has_its_day() -> None:
    """A kind that is added needs a scenario."""
    assert {scenario.kind for scenario in SCENARIOS} == set(KINDS)
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))


def test_the_docs_tell_the_same(checkout: Path) -> None:
    """docs/faults.md lists these faults and outcomes; `make faults` writes it."""
    if os.environ.get("KOKEX_WRITE_FAULTS"):
        pytest.skip("this run writes docs/faults.md at its end")
    assert (checkout / PAGE).read_text(encoding="utf-8") == expected(), "run `make faults`"

"""Writes docs/faults.md from what a run found, where KOKEX_WRITE_FAULTS is set."""

from __future__ import annotations

import os

import pytest

from tests.conftest import ROOT
from tests.integration.faults.report import PAGE, page
from tests.integration.faults.scenarios import SCENARIOS

_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of each scenario."""
    _, _, rest = report.nodeid.partition("::test_the_records_agree_at_the_end[")
    if not rest or report.when != "call":
        return
    if report.passed:
        _outcomes[rest.removesuffix("]")] = "records agree"
    elif report.skipped and hasattr(report, "wasxfail"):
        _outcomes[rest.removesuffix("]")] = f"falls short: {report.wasxfail.removeprefix('reason: ')}"


def pytest_sessionfinish() -> None:
    """Write the page, if every scenario has an outcome."""
    if os.environ.get("KOKEX_WRITE_FAULTS") and {one.name for one in SCENARIOS} == set(_outcomes):
        (ROOT / PAGE).write_text(page(_outcomes), encoding="utf-8")

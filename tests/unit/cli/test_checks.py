"""The doctor: what is found wrong, and what to do about it."""

from __future__ import annotations

from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kokex.bootstrap import sole_engine
from kokex.cli import checks
from kokex.cli.probing import AccountReport, clock_problem
from kokex.domain.account import AccountSnapshot, Endpoints, Environment, ExchangeAccount
from kokex.settings import Settings

ENDPOINTS = Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1")
ACCOUNT = ExchangeAccount(1, "desk", "okx", Environment.PAPER, ENDPOINTS)
NOTHING = AccountSnapshot({}, {}, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_folder_open_to_others_is_wrong(tmp_path: Path) -> None:
    """With the command that closes it; passing through is allowed."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    folder.chmod(0o711)
    assert checks.check_folder(folder).fine
    folder.chmod(0o750)
    found = checks.check_folder(folder)
    assert not found.fine
    assert found.advice == f"run: chmod 700 '{folder}'"


def test_a_folder_that_is_a_file_is_wrong(tmp_path: Path) -> None:
    """Wherever along the path."""
    (tmp_path / "file").write_text("")
    found = checks.check_folder(tmp_path / "file" / "home")
    assert not found.fine
    assert "is a file" in found.detail


async def test_what_was_not_looked_at_is_told(tmp_path: Path) -> None:
    """A doctor who is silent of the accounts would seem to find them in order."""
    (tmp_path / "file").write_text("")
    last = (await checks.examine(Settings(home=tmp_path / "file")))[-1]
    assert (last.name, last.fine) == ("database", False)
    assert "not looked at, nor are the accounts" in last.detail


def test_a_folder_to_be_made_is_fine(tmp_path: Path) -> None:
    """Nothing is made by looking."""
    assert checks.check_folder(tmp_path / "a" / "b").fine
    assert not (tmp_path / "a").exists()


def test_a_full_disk_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a gigabyte."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage(2e9, 1.5e9, 5e8))
    found = checks.check_disk(tmp_path)
    assert not found.fine
    assert "0.5 GB free" in found.detail
    assert "KOKEX_HOME" in found.advice


def test_an_engine_at_work_is_named(tmp_path: Path) -> None:
    """By its process; its absence is not wrong."""
    assert "none works" in checks.check_engine(tmp_path).detail
    with sole_engine(tmp_path):
        assert "works on this data folder" in checks.check_engine(tmp_path).detail
    assert "none works" in checks.check_engine(tmp_path).detail


def test_an_endpoint_without_address_is_wrong(tmp_path: Path) -> None:
    """And no endpoint is a choice."""
    assert checks.check_agent(Settings(home=tmp_path, llm_base_url=None)).fine
    assert not checks.check_agent(Settings(home=tmp_path, llm_base_url="localhost/v1")).fine


async def test_a_database_that_is_down_is_wrong(tmp_path: Path) -> None:
    """Its password is not shown."""
    url = "postgresql://someone:hidden@127.0.0.1:1/kokex"
    findings = await checks.examine(Settings(home=tmp_path, database_url=url))
    found = {finding.name: finding for finding in findings}["database"]
    assert not found.fine
    assert found.advice == "start it, or correct KOKEX_DATABASE_URL"
    assert "hidden" not in found.detail


@pytest.mark.parametrize(("offset", "wrong"), [(0.2, False), (-4.9, False), (31.0, True), (-8.0, True)])
def test_a_clock_that_is_off_is_wrong(offset: float, wrong: bool) -> None:
    """From five seconds on, either way."""
    problem = clock_problem(offset)
    assert (problem is not None) is wrong
    if problem:
        assert f"{-offset:+.1f} s" in problem


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (AccountReport(ACCOUNT, problem="no answer"), "start it (kokex paper serve)"),
        (AccountReport(ACCOUNT, 0.0, problem="50113"), "key, secret and passphrase are those of the paper"),
        (AccountReport(ACCOUNT, 60.0, NOTHING, problem="clock"), "set this computer's clock"),
    ],
)
def test_advice_fits_how_far_one_came(report: AccountReport, words: str) -> None:
    """Unreachable, keys refused, clock or stream."""
    found = checks.account_finding(report)
    assert not found.fine
    assert words in found.advice


def test_an_account_in_order_has_no_advice() -> None:
    """Its finding tells the clock's offset."""
    found = checks.account_finding(AccountReport(ACCOUNT, 0.25, NOTHING, stream=True))
    assert found.fine
    assert found.advice == ""
    assert "+0.250 s" in found.detail

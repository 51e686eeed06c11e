"""What tests ask of `kokex` in this process, and what they keep beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kokex.adapters.okx import endpoints_for
from kokex.bootstrap import application
from kokex.cli.app import run
from kokex.domain.account import Credentials, Environment
from kokex.domain.candle import Interval
from kokex.domain.plan import NewPlan
from kokex.settings import Settings
from tests.e2e.terminal import Running


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """The one sentence that a command ends with."""
    capsys.readouterr()
    assert run(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("Error: ")
    return lines[0]


def add_account(capsys: pytest.CaptureFixture[str], paper: Running, name: str = "desk") -> None:
    """Keep an account of the paper exchange."""
    url = paper.ready["rest_url"]
    assert run(["account", "add", name, "--environment", "paper", "--paper-url", url]) == 0
    capsys.readouterr()


def checked(capsys: pytest.CaptureFixture[str], name: str) -> str:
    """What `account check` finds wrong."""
    assert run(["account", "check", name, "--json"]) == 1
    problem: str = json.loads(capsys.readouterr().out)["problem"]
    return problem


async def keep_plan(folder: Path) -> None:
    """A plan `eth` on an account `desk` of an exchange that does not answer, in the environment's database."""
    endpoints = endpoints_for("global", Environment.PAPER, paper_url="http://127.0.0.1:9")
    async with application(Settings(home=folder)) as opened:
        account = await opened.store.accounts.add(
            "desk", "okx", Environment.PAPER, endpoints, Credentials("k", "s", "p")
        )
        await opened.store.plans.add(NewPlan("eth", account.id, "ETH-USDT", Interval("1H")))

"""`kokex plan capital` on a kept plan."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from kokex.cli.app import run
from tests.e2e.asking import keep_plan
from tests.e2e.terminal import Terminal


def test_the_use_of_capital_is_shown_changed_and_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON and for people; what cannot be is one sentence, and changes nothing."""
    asyncio.run(keep_plan(home))

    def told(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(["plan", *arguments]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    changes = ("--set", "sizing=kelly", "--set", "trailing_stop=5%", "--set", "avg_orders_per_batch=3")
    why = ("--by", "ann", "--reason", "proven")
    document = json.loads(told("capital", "eth", *changes, *why, "--json"))
    changed = document["capital"]
    (change,) = document["changes"]
    assert (change["version"], change["changed_by"], change["reason"]) == (2, "ann", "proven")
    assert change["changes"]["trailing_stop"] == {"before": None, "after": "0.05"}
    assert (changed["sizing"], changed["trailing_stop"], changed["avg_orders_per_batch"]) == (
        "kelly",
        "0.05",
        3,
    )
    wrong = told("capital", "eth", "--set", "sizing=fixed", "--set", "trailing_stop=none", code=1)
    assert wrong == "Error: sizing fixed needs fixed_notional, the worth of the holding in quote currency\n"
    assert "there is no plan 'btc'" in told("capital", "btc", code=1)
    assert json.loads(told("show", "eth", "--json"))["capital"] == changed
    shown = told("show", "eth")
    assert "kelly: 25 % of it, times proven skill" in shown
    assert "5 % from the best price since entry" in shown
    people = told("capital", "eth")
    assert "3, 0.2 % apart" in people
    assert "Changes" in people and "ann" in people and "proven" in people


def test_a_plan_is_created_with_its_use_of_capital(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked of an exchange, kept, and shown."""
    with Terminal(tmp_path / "paper").serving("paper", "serve", "--port", "0", "--json") as paper:
        url = paper.ready["rest_url"]
        assert run(["account", "add", "desk", "--environment", "paper", "--paper-url", url]) == 0
        wanted = ("--sizing", "kelly", "--capital", "trailing_stop=5%", "--capital", "kelly_fraction=0.1")
        limits = ("--limit", "max_single_order_ratio=20%", "--limit", "capital=2000")
        plan = ("plan", "create", "eth", "--account", "desk", "--inst-id", "ETH-USDT")
        assert run([*plan, *wanted, *limits]) == 0
    capsys.readouterr()
    assert run(["plan", "show", "eth", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["capital"]["sizing"] == "kelly"
    assert (shown["capital"]["trailing_stop"], shown["capital"]["kelly_fraction"]) == ("0.05", "0.1")
    assert shown["limits"]["max_single_order_ratio"] == "0.2"

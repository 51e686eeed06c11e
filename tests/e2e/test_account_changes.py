"""`kokex account keys` and `remove`: other keys, or none any more."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kokex.cli.app import run
from tests.e2e.asking import add_account, checked, refused
from tests.e2e.terminal import KEYS, Running, Terminal


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A paper exchange with two accounts."""
    pair = ["--account", ":".join(KEYS.values()), "--account", "other-key:other-secret:other-passphrase"]
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    with terminal.serving("paper", "serve", *pair, "--port", "0", "--json") as running:
        yield running


def test_keys_are_replaced(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """The wrong ones by the right ones, from standard input; they are never told."""
    monkeypatch.setenv("KOKEX_API_PASSPHRASE", "mistyped")
    add_account(capsys, paper)
    assert "passphrase" in checked(capsys, "desk").lower()
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(KEYS.values())))
    assert run(["account", "keys", "desk", "--stdin", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"account": "desk", "replaced": True}
    assert not [value for value in KEYS.values() if value in told.out + told.err]
    assert run(["account", "check", "desk", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problem"] is None


def test_keys_of_another_account_are_refused(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """Plans would trade beside what they hold."""
    add_account(capsys, paper)
    for name, value in zip(KEYS, ("other-key", "other-secret", "other-passphrase"), strict=True):
        monkeypatch.setenv(name, value)
    sentence = refused(capsys, "account", "keys", "desk")
    assert "these keys open account" in sentence and "nothing was changed" in sentence
    assert run(["account", "check", "desk", "--json"]) == 0


def test_keys_need_an_account_and_three_lines(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """Before anything is asked."""
    assert "no account named 'desk'" in refused(capsys, "account", "keys", "desk")
    add_account(capsys, paper)
    monkeypatch.setattr("sys.stdin", io.StringIO("paper-key\n"))
    sentence = refused(capsys, "account", "keys", "desk", "--stdin")
    assert "standard input holds 1 line; three are needed" in sentence


def test_an_account_is_removed_when_nothing_works_on_it(
    home: Path, paper: Running, capsys, monkeypatch
) -> None:
    """Asked for, refused while a plan runs, then gone from the list; the plan still says whose it was."""
    add_account(capsys, paper)
    create = ("plan", "create", "eth", "--account", "desk", "--inst-id", "ETH-USDT")
    assert run(create) == 0
    assert run(["plan", "start", "eth"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "pass --yes" in refused(capsys, "account", "remove", "desk")
    assert "is used by plans 'eth'; stop them first" in refused(capsys, "account", "remove", "desk", "--yes")
    assert run(["plan", "stop", "eth"]) == 0
    assert run(["account", "remove", "desk", "--yes"]) == 0
    capsys.readouterr()
    assert run(["account", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["plan", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["account"] == "desk"
    assert run(["plan", "show", "eth", "--json"]) == 0
    capsys.readouterr()
    assert "was removed" in refused(capsys, "plan", "start", "eth")
    assert "no account named 'desk'" in refused(capsys, "account", "remove", "desk", "--yes")
    url = paper.ready["rest_url"]
    taken = refused(capsys, "account", "add", "desk", "--environment", "paper", "--paper-url", url)
    assert "or did and was removed" in taken


def test_a_person_is_asked_before_an_account_goes(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """No is no."""
    add_account(capsys, paper)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert run(["account", "remove", "desk"]) == 1
    assert "stays" in capsys.readouterr().out
    assert run(["account", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1

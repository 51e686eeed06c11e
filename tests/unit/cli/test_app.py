"""The command line's frame: what is loaded when, and how every end reaches a person."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer

from kokex.cli import app as frame
from kokex.domain.errors import NotFoundError

HEAVY = (
    "torch",
    "langchain",
    "langchain_core",
    "sqlalchemy",
    "psycopg",
    "aiohttp",
    "numpy",
    "kokex.bootstrap",
)


def modules_after(*arguments: str) -> set[str]:
    """Modules that a fresh Python has loaded after one command line."""
    code = (
        "import sys; from kokex.cli.app import run; "
        f"run({list(arguments)!r}); print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(result.stderr.split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("version",), ("plan", "--help"), ("plan", "create", "--bad")]
)
def test_help_and_wrong_usage_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Nobody waits for a database driver or a model's client to be told how a command is called."""
    loaded = modules_after(*arguments)
    assert "kokex.cli.app" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With one line each, on standard output."""
    assert frame.run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in frame.COMMANDS)


@pytest.mark.parametrize("name", frame.COMMANDS)
def test_every_command_loads_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The lazy table names modules that exist."""
    assert frame.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert name in shown
    assert "--install-completion" not in shown


def test_help_says_what_it_means_to_say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words between colons are not taken for pictures (`:secret:` is one)."""
    monkeypatch.setenv("COLUMNS", "200")
    assert frame.run(["paper", "serve", "--help"]) == 0
    assert "Key, secret and passphrase of an account" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--as-history",), "--candles FILE"), (("--speed", "0"), "1 is as fast as the wall clock")],
)
def test_a_paper_exchange_that_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words of the command line."""
    assert frame.run(["paper", "serve", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    """As wrong usage, without an error sentence."""
    assert frame.run([]) == 2
    captured = capsys.readouterr()
    assert "Usage" in captured.out
    assert captured.err == ""


def test_a_misspelt_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest one is suggested."""
    assert frame.run(["versoin"]) == 2
    assert capsys.readouterr().err == (
        "Error: No such command 'versoin'. Did you mean 'version'? (see `kokex --help`)\n"
    )


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (NotFoundError("there is no plan 'x';\nthe plans are: y"), 1, "Error: there is no plan 'x'; the plans are: y"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Abort(), 130, "Error: stopped"),
        (RuntimeError("odd"), 1, "Error: RuntimeError: odd. This is a fault in KOKEX; KOKEX_LOG_LEVEL=debug shows where it lies"),
    ],
)  # fmt: skip
def test_every_end_is_one_sentence(
    raised: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On standard error, with the exit code of its kind, and never a traceback; Ctrl-C needs no words."""
    monkeypatch.delenv("KOKEX_LOG_LEVEL", raising=False)
    broken = typer.Typer()

    @broken.command()
    def version() -> None:
        raise raised

    monkeypatch.setattr(frame, "import_module", lambda _: SimpleNamespace(app=broken))
    assert frame.run(["version"]) == code
    captured = capsys.readouterr()
    assert captured.err == (f"{words}\n" if words else "")
    assert captured.out == ""


def test_a_command_s_own_exit_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """`typer.Exit(1)` means that something was found wrong."""
    finding = typer.Typer()

    @finding.command()
    def version() -> None:
        raise typer.Exit(1)

    monkeypatch.setattr(frame, "import_module", lambda _: SimpleNamespace(app=finding))
    assert frame.run(["version"]) == 1


def test_an_account_whose_certificate_is_missing_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be told much later otherwise, by a connection that cannot be made."""
    wanted = ("--environment", "paper", "--paper-url", "https://127.0.0.1:1", "--certificate", "/nowhere.pem")
    assert frame.run(["account", "add", "paper", *wanted]) == 1
    assert "--certificate /nowhere.pem is no file" in capsys.readouterr().err

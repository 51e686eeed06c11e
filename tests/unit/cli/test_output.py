"""What commands write as JSON can be read by any program."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kokex.cli.output import json_line, note, say, say_json, say_table
from kokex.domain.limits import RiskLimits


def test_values_of_the_domain_are_written_plainly() -> None:
    """Money as text, times in UTC, durations in seconds, sets in order."""
    document = {
        "money": Decimal("1E+3"),
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "period": timedelta(minutes=5),
        "words": frozenset({"b", "a"}),
    }
    read = json.loads(json_line(document))
    assert read["money"] == "1000"
    assert read["at"].startswith("2026-01-02T03:00:00")
    assert (read["period"], read["words"]) == (300, ["a", "b"])


def test_limits_can_be_written() -> None:
    """Every limit a plan has."""
    read = json.loads(json_line(asdict(RiskLimits())))
    assert read["protections"]["rest"] == 4 * 3600
    assert read["sides"] == ["buy", "sell"]


def test_what_is_no_value_of_ours_is_refused() -> None:
    """A programming error is told, not guessed."""
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        json_line({"x": object()})


class _Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", ["60", "140"])
def test_a_table_too_wide_for_its_terminal_is_told_in_blocks_that_cut_nothing(
    monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    columns = (
        "order",
        "plan",
        "instrument",
        "side",
        "type",
        "quantity",
        "filled",
        "price",
        "status",
        "since",
    )
    row = (
        "KX640sP7D2gS0",
        "swap",
        "BTC-USDT-SWAP",
        "sell",
        "post_only",
        "1.62",
        "0",
        "60840.8",
        "accepted",
        "-",
    )
    terminal = _Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")

    say_table("Pending", columns, [row, row])

    told = terminal.getvalue()
    assert "…" not in told
    assert told.count("KX640sP7D2gS0") == told.count("BTC-USDT-SWAP") == told.count("60840.8") == 2
    assert ("  order       KX640sP7D2gS0\n" in told) == (width == "60")


def test_what_others_wrote_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason that would erase the line, or turn its direction, is shown for what it is; lines and letters stay."""
    told = "buy\x1b[2K\x9b1A\u202e 9\tok\nß買"
    shown = "buy\\u001b[2K\\u009b1A\\u202e 9\tok\nß買"
    say(told)
    note(told)
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{shown}\n", f"{shown}\n")
    say_table("", ("reason",), [("a\x1b[31mb",)])
    assert "a\\u001b[31mb" in capsys.readouterr().out
    hidden = told + "\x7f\U000e0041"
    say_json({"reason": hidden})
    document = capsys.readouterr().out
    assert json.loads(document) == {"reason": hidden} and document.strip().isprintable()

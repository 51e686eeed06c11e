"""Words in and out: options, keys, settings, JSON."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kokex.cli import options
from kokex.cli.keys import VARIABLES, read_keys
from kokex.cli.output import json_line, plain
from kokex.cli.plan_settings import agent_settings, check_forecaster
from kokex.cli.running import load_settings, raise_first
from kokex.domain.account import Environment
from kokex.domain.errors import ConfigurationError, StateError
from kokex.domain.plan import AgentSettings, ForecastSettings, TriggerKind


def test_money_is_read_exactly() -> None:
    """Every digit, no float on the way."""
    assert options.decimal_number("1000.000000000000000000001") == Decimal("1000.000000000000000000001")


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (options.decimal_number, "abc", "'abc' is not a number"),
        (options.decimal_number, "nan", "'nan' is not a finite number"),
        (options.decimal_number, "1e999999999", "'1e999999999' is beyond every amount of money"),
        (options.whole_number, "-5", "'-5' must not be negative"),
        (options.whole_number, "1.5", "'1.5' is not a whole number"),
        (options.seconds, "0", "'0' must be more than 0"),
        (options.seconds, "inf", "'inf' must be more than 0"),
        (options.seconds, "soon", "'soon' is not a number"),
        (options.moment, "yesterday", "'yesterday' is not a date or time"),
    ],
)
def test_a_wrong_value_is_named(parse, text: str, words: str) -> None:
    """The sentence quotes what was typed."""
    with pytest.raises(ValueError, match="^" + words.replace(".", r"\.")):
        parse(text)


def test_a_time_without_zone_is_utc() -> None:
    """And one with a zone is brought to UTC."""
    assert options.moment("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert options.moment("2026-01-31T12:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_json_keeps_money_as_text() -> None:
    """Decimals never become floats; times are UTC; nothing that is not JSON gets through."""
    document = {"pnl": Decimal("1E-10"), "at": datetime(2026, 1, 1, tzinfo=UTC), "where": Environment.PAPER}
    assert json.loads(json_line(document)) == {
        "pnl": "0.0000000001",
        "at": "2026-01-01T00:00:00.000Z",
        "where": "paper",
    }
    with pytest.raises(ValueError, match="JSON compliant"):
        json_line({"volume": float("nan")})


@pytest.mark.parametrize(
    ("number", "text"),
    [("1.500", "1.5"), ("1E+3", "1000"), ("100", "100"), ("0.00", "0"), ("4.936E-7", "0.0000004936")],
)
def test_numbers_are_plain(number: str, text: str) -> None:
    """No exponents, no trailing zeros, no digit lost."""
    assert plain(Decimal(number)) == text


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All three variables."""
    for name, value in zip(VARIABLES, ("k", "s", "p"), strict=True):
        monkeypatch.setenv(name, value)
    assert read_keys(from_stdin=False) == ("k", "s", "p")


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, never the value of another."""
    monkeypatch.setenv(VARIABLES[0], "topsecret")
    monkeypatch.delenv(VARIABLES[1], raising=False)
    monkeypatch.setenv(VARIABLES[2], "alsosecret")
    with pytest.raises(ConfigurationError, match=r"^KOKEX_API_SECRET is not set") as caught:
        read_keys(from_stdin=False)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\ntwo\n", "standard input holds 2 lines; three are needed: key, secret, passphrase"),
        ("key\nsec\x07ret\npass\n", "the secret has characters that no key has; nothing was kept"),
    ],
)
def test_bad_keys_on_standard_input(text: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, or refused by name."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(ConfigurationError) as caught:
        read_keys(from_stdin=True)
    assert str(caught.value) == words


def test_without_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how keys can be given."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(ConfigurationError, match="--stdin"):
        read_keys(from_stdin=False)


def test_triggers_are_words() -> None:
    """Given ones replace the defaults; none given keeps them."""
    chosen = agent_settings("calm", ["forecast", "CANDLE"], None, 60.0, 5)
    assert chosen.triggers == {TriggerKind.FORECAST, TriggerKind.CANDLE}
    assert chosen.order_triggers == AgentSettings().order_triggers
    with pytest.raises(ConfigurationError, match="trigger 'moon' is unknown; use one of forecast, candle"):
        agent_settings("", ["moon"], None, 60.0, 5)
    with pytest.raises(ConfigurationError, match="max tool calls 0 must be at least 1"):
        agent_settings("", None, None, 60.0, 0)


def test_an_unknown_forecaster_is_refused_at_once() -> None:
    """Not only when the engine starts."""
    check_forecaster(ForecastSettings())
    with pytest.raises(ConfigurationError, match="forecaster 'magic' is unknown; use block_bootstrap"):
        check_forecaster(ForecastSettings(forecaster="magic"))


def test_a_wrong_setting_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable as a person typed it."""
    monkeypatch.setenv("KOKEX_HOME", str(tmp_path))
    monkeypatch.setenv("KOKEX_LLM_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError, match="KOKEX_LLM_TIMEOUT 'soon' is wrong"):
        load_settings()


def test_a_group_of_errors_is_told_by_the_one_that_explains_it() -> None:
    """Ours before anybody else's, however deep."""
    inner = ExceptionGroup("tasks", [ValueError("first"), ExceptionGroup("more", [StateError("ours")])])
    with pytest.raises(StateError, match="ours"):
        raise_first(inner)
    with pytest.raises(ValueError, match="first"):
        raise_first(ExceptionGroup("tasks", [ValueError("first")]))

"""The fan on a terminal of any width."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kokex.cli.fan import make_folder, sketch
from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.errors import ConfigurationError
from kokex.domain.forecast import Forecast

HOUR = Interval("1H")


def past(count: int) -> CandleSeries:
    """Candles of a market that rises."""
    closes = np.linspace(90, 100, count)
    return CandleSeries("ETH-USDT", HOUR, 3600 * np.arange(count), np.repeat(closes[:, None], 6, axis=1))


def future(horizon: int) -> Forecast:
    """Paths that fan out from 100."""
    steps = np.arange(1, horizon + 1) / horizon
    closes = 100 + np.linspace(-20, 20, 41)[:, None] * steps
    paths = np.repeat(closes[:, :, None], 6, axis=2).astype(np.float32)
    return Forecast("ETH-USDT", HOUR, "someone", datetime(2026, 1, 1, tzinfo=UTC), 100.0, paths)


@pytest.mark.parametrize("width", [20, 40, 80, 100, 300])
@pytest.mark.parametrize("horizon", [1, 24, 300, 3000])
def test_no_line_is_wider_than_the_terminal(width: int, horizon: int) -> None:
    """Steps are left out evenly; the last one, where the fan is widest, stays."""
    lines = sketch(past(60), future(horizon), width=width)
    assert max(len(line) for line in lines) <= width
    assert all(sum("│" in line for line in lines) == len(lines) for _ in lines)
    assert lines[0].startswith("        118") and lines[-1].rstrip().endswith("░")


def test_one_known_candle_is_enough() -> None:
    """And a forecast that never moves."""
    flat = Forecast(
        "A-B", HOUR, "x", datetime(2026, 1, 1, tzinfo=UTC), 100.0, np.full((3, 2, 6), 100, np.float32)
    )
    assert any("●" in line for line in sketch(past(1), flat, width=40))


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Before the forecast is made."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/below cannot be made: Not a directory"):
        make_folder(tmp_path / "file" / "below")

"""The demo's screen, lines and folder."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from kokex.bootstrap import sole_engine
from kokex.cli.demo import market_choice
from kokex.demo.folder import make_anew, state_file, take_up
from kokex.demo.lines import Lines
from kokex.demo.model import DemoModel, ModelState
from kokex.demo.options import FORECAST, LIMITS, MarketChoice
from kokex.demo.view import band, draw, sparkline
from kokex.demo.watch import Happening, Picture
from kokex.domain.account import Ticker
from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError, DataError, StateError
from kokex.domain.forecast import Forecast
from kokex.domain.model import ModelVersion, VersionOrigin, VersionStatus
from kokex.domain.plan import Plan, PlanStatus
from kokex.domain.position import PlanBook
from tests.builders import ETH

NOW = datetime(2026, 1, 3, 14, tzinfo=UTC)
PLAN = Plan(1, "demo", 1, "ETH-USDT", Interval("1H"), PlanStatus.RUNNING, NOW, LIMITS, forecast=FORECAST)
CHOICE = MarketChoice(7, 3600.0, None)


def screen(picture: Picture, width: int = 140, height: int = 40) -> str:
    """One screen as text."""
    console = Console(width=width, height=height, legacy_windows=False)
    with console.capture() as capture:
        console.print(draw(picture, CHOICE, width))
    return capture.get()


def test_what_the_owner_says_is_shown() -> None:
    """Among the decisions, by whom it was said to."""
    picture = full_picture()
    picture.keep([Happening("owner", NOW, "approves buy 0.5 market, worth 1500.00", "demo")])
    assert "demo: approves buy 0.5 market" in screen(picture)


def full_picture() -> Picture:
    """In the middle of a run."""
    paths = np.full((10, 24, 6), 2500.0, dtype=np.float32)
    paths[:, :, 3] = np.linspace(2400, 2600, 10)[:, None]
    picture = Picture(PLAN)
    picture.ticker = Ticker("ETH-USDT", Decimal("2501.5"), Decimal("2501.4"), Decimal("2501.6"), NOW)
    picture.closes = [2490.0, 2495.0, 2500.0]
    picture.forecast = Forecast("ETH-USDT", Interval("1H"), "block_bootstrap", NOW, 2500.0, paths)
    picture.book = PlanBook(
        ETH, quantity=Decimal("0.5"), cash=Decimal(-1240), fees=(("ETH", Decimal("-0.0005")),)
    )
    picture.latest = {
        "decision": deque([Happening("decision", NOW, "act: asked to buy 0.5 ETH")]),
        "denied": deque([Happening("denied", NOW, "buy 9: order_too_large: over the limit")]),
        "event": deque([Happening("event", NOW, "buy_order_done: 0.5 at 2480")]),
    }
    return picture


def test_the_screen_shows_everything() -> None:
    """Clock, price, band with the naive forecast, holding, profit, reasons, events, and no promise."""
    shown = screen(full_picture())
    for words in (
        "2026-01-03 14:00 UTC", "made-up market", "2501.5", "naive, no change: 2500.00", "0.5 ETH", "+10.75 USDT",
        "asked to buy 0.5 ETH", "order_too_large", "buy_order_done", "block_bootstrap; nothing is promised",
    ):  # fmt: skip
        assert words in shown


def test_two_plans_stand_side_by_side() -> None:
    """Each with its holding; a decision says whose it is, a question who was asked."""
    picture = full_picture()
    picture.second = replace(full_picture(), plan=replace(PLAN, name="language"))
    picture.second.book = PlanBook(ETH, quantity=Decimal("0.25"))
    picture.latest["decision"].append(Happening("decision", NOW, "hold: enough", "language"))
    picture.latest["owner"] = deque([Happening("owner", NOW, "Why did you buy?", "language")])
    shown = screen(picture)
    for words in ("0.5 ETH", "0.25 ETH", "language: hold: enough", "owner language: Why did you buy?"):
        assert words in shown


def judged_model(model_crps: float = 1.9, baseline_crps: float = 1.6, **changes: Any) -> DemoModel:
    """A version that was judged beside the baseline."""
    scores = {
        name: {"windows": 39, "crps_mean": crps, "bands": {"0.9": {"coverage_mean": 0.91}}}
        for name, crps in (("kronos v1, conformal", model_crps), ("block_bootstrap", baseline_crps))
    }
    pair = {
        "first": "kronos v1, conformal", "second": "block_bootstrap",
        "overall": {"verdict": "no difference", "p_value": 0.2},
    }  # fmt: skip
    version = ModelVersion(
        1, 1, 1, VersionStatus.READY, VersionOrigin.TRAINED, "tiny", NOW, active=True,
        evaluation={"scores": scores, "diebold_mariano": [pair]},
    )  # fmt: skip
    return DemoModel.of(replace(version, **changes))


def test_a_training_shows_how_far_it_is_and_then_both_scores() -> None:
    """Whichever is better."""
    picture = full_picture()
    picture.model = judged_model(status=VersionStatus.TRAINING, evaluation=None).at(
        "predictor epoch 2/6", 0.6
    )
    shown = screen(picture)
    assert "v1 learns" in shown and "60%" in shown and "predictor epoch 2/6" in shown
    picture.model = judged_model()
    shown = screen(picture)
    assert "block_bootstrap is better on 39 unseen windows" in shown
    assert "no different from block_bootstrap (p = 0.200)" in shown
    assert "kronos v1, conformal: CRPS 1.900 %, its 90 % band held 91%" in shown
    picture.model = judged_model(1.5)
    assert "kronos v1, conformal is better on 39" in screen(picture)
    picture.model = DemoModel(ModelState.LEFT_OUT)
    assert "the model" not in screen(picture)


def test_a_model_s_sentence_says_where_it_stands() -> None:
    """Ready, judged or not; failed; still at it; not wanted."""
    assert "CRPS 1.900 %, worse than the baseline's 1.600 % on 39 windows" in judged_model().sentence
    assert "better than" in judged_model(1.5).sentence
    assert (
        judged_model(evaluation=None).sentence == "v1 is ready and was not judged; the plan forecasts with it"
    )
    failed = judged_model(status=VersionStatus.FAILED, error="too few candles")
    assert failed.sentence == "v1 failed: too few candles; the baseline goes on"
    training = judged_model(status=VersionStatus.TRAINING, evaluation=None)
    assert "`kokex demo --resume` goes on with it" in training.closing_lines()[0]
    assert training.document() == {
        "state": "training", "version": "v1", "active": True, "words": training.sentence, "share_done": None,
    }  # fmt: skip
    assert DemoModel(ModelState.LEFT_OUT).closing_lines() == []


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (250, 70)])
def test_any_terminal_will_do(width: int, height: int) -> None:
    """Nothing is wider than it; nothing fails before the first price either."""
    with_model = full_picture()
    with_model.model = judged_model()
    for picture in (full_picture(), with_model, Picture(PLAN)):
        lines = screen(picture, width, height).splitlines()
        assert len(lines) <= height
        assert max(len(row) for row in lines) <= width


def test_markup_in_words_is_only_words() -> None:
    """A reason with brackets neither fails nor vanishes."""
    picture = full_picture()
    picture.latest["decision"].append(Happening("decision", NOW, "hold: [bold]not markup[/wrong]"))
    assert "[bold]not markup[/wrong]" in screen(picture)


def test_a_sparkline_goes_from_lowest_to_highest() -> None:
    """And keeps the last ones."""
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([9, 1, 2], 2) == "▁█"
    assert sparkline([5, 5], 8) == "▄▄"
    assert sparkline([], 8) == ""


def test_the_band_shows_the_median_beside_no_change() -> None:
    """Also where no change lies outside of it, or meets the median."""
    assert band(0, 5, 10, 2, 11) == "├─┼──●────┤"
    assert band(0, 5, 10, 5, 11) == "├────◉────┤"
    assert band(4, 5, 10, 0, 11) == "┼   ├●────┤"
    assert band(3, 3, 3, 3, 5).strip() == "◉"


def test_without_terminal_each_happening_is_a_line() -> None:
    """With the market's time and its kind."""
    written: list[str] = []
    Lines(written.append).show(Picture(PLAN), [Happening("denied", NOW, "buy 9: too large")])
    Lines(written.append).show(Picture(PLAN), [Happening("decision", NOW, "hold: enough", "language")])
    assert written == [
        "2026-01-03 14:00 UTC  denied    buy 9: too large",
        "2026-01-03 14:00 UTC  decision  language: hold: enough",
    ]


def test_a_new_demo_removes_the_former_and_nothing_else(tmp_path: Path) -> None:
    """What no demo made stops it before anything is removed."""
    with sole_engine(tmp_path):
        state_file(tmp_path).write_text("former")
        (tmp_path / "mine.txt").write_text("dear")
        with pytest.raises(StateError, match=r"mine\.txt"):
            make_anew(tmp_path, CHOICE)
        assert state_file(tmp_path).read_text() == "former"
        (tmp_path / "mine.txt").unlink()
        make_anew(tmp_path, CHOICE)
        assert not state_file(tmp_path).exists()


def test_a_former_demo_is_taken_up_as_it_was(tmp_path: Path) -> None:
    """Its seed, speed and instrument; without one there is nothing to resume."""
    choice = MarketChoice(11, 1800.0, None, "BTC-USDT")
    with sole_engine(tmp_path):
        with pytest.raises(StateError, match="no former demo"):
            take_up(tmp_path)
        make_anew(tmp_path, choice)
        state_file(tmp_path).write_text("")
        assert take_up(tmp_path) == choice
        (tmp_path / "market.json").write_text("{}")
        with pytest.raises(ConfigurationError, match=r"market\.json cannot be read"):
            take_up(tmp_path)


def hourly(path: Path, *, minutes: int = 60, spoil: str = "") -> Path:
    """A candle file of twelve rows."""
    rows = [f"{1_735_689_600 + index * minutes * 60},100,110,90,105,1,105" for index in range(12)]
    path.write_text("ts,open,high,low,close,volume,amount\n" + "\n".join([*rows, spoil]) + "\n")
    return path


def test_a_candle_file_chooses_its_instrument(tmp_path: Path) -> None:
    """By its name, where the market lists it; else the demo's usual one."""
    assert market_choice(hourly(tmp_path / "BTC-USDT_1H.csv"), 7, 3600.0).inst_id == "BTC-USDT"
    assert market_choice(hourly(tmp_path / "DOGE-USDT_1H.csv"), 7, 3600.0).inst_id == "ETH-USDT"


def test_a_candle_file_is_read_before_anything_else(tmp_path: Path) -> None:
    """A flawed row, another interval or no file: one sentence, and no former demo is touched."""
    with pytest.raises(DataError, match="line 14"):
        market_choice(hourly(tmp_path / "bad.csv", spoil="1735732800,abc,1,1,1,1,1"), 7, 3600.0)
    with pytest.raises(ConfigurationError, match="of 5m, and the demo needs 1H"):
        market_choice(hourly(tmp_path / "short.csv", minutes=5), 7, 3600.0)
    with pytest.raises(DataError, match="cannot be read"):
        market_choice(tmp_path / "absent.csv", 7, 3600.0)


def test_the_candles_are_kept_with_the_demo(tmp_path: Path) -> None:
    """So that it can be resumed when the file is gone."""
    folder = tmp_path / "demo"
    choice = market_choice(hourly(tmp_path / "ETH-USDT.csv"), 7, 3600.0)
    with sole_engine(folder):
        make_anew(folder, choice)
        assert choice.candles is not None
        choice.candles.unlink()
        state_file(folder).write_text("")
        assert take_up(folder) == choice
        assert (folder / "candles.csv.gz").exists()

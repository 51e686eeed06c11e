"""The whole evaluation: from walk-forward over a model and baselines to the report's files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kokex.kronos import Kronos, KronosConfig, KronosTokenizer, TokenizerConfig
from kokex.kronos.evaluation import (
    Drift,
    ModelSampler,
    Persistence,
    Protocol,
    evaluate,
    recalibrator_from_json,
    write_report,
)
from kokex.kronos.evaluation.__main__ import main as evaluation_command
from kokex.kronos.evaluation.model_sampler import anchor
from kokex.kronos.forecaster import KronosForecaster
from kokex.kronos.training import CandleSeries, split_by_time
from kokex.kronos.training.__main__ import changed_by_text
from kokex.kronos.training.__main__ import main as training_command
from kokex.kronos.training.errors import BadSettingsError
from kokex.kronos.training.settings import preset
from tests.unit.kronos.walks import HOUR, walk

Array = np.ndarray


@dataclass(frozen=True)
class Overconfident:
    """A random walk whose deviation is half the truth."""

    name: str = "half as wide"

    def sample(self, known: CandleSeries, origins: Array, horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        rng = np.random.default_rng(1)
        last = known.values[origins - 1, 3]
        steps = rng.normal(0, 0.005, size=(len(origins), paths, horizon))
        return np.asarray(last[:, None, None] * np.exp(steps.cumsum(axis=2)))


@pytest.fixture(scope="module")
def forecaster() -> KronosForecaster:
    shape = {"d_model": 16, "n_heads": 4, "ff_dim": 16, "s1_bits": 4, "s2_bits": 4}
    tokenizer = KronosTokenizer(TokenizerConfig(n_enc_layers=2, n_dec_layers=2, **shape))
    return KronosForecaster(Kronos(KronosConfig(n_layers=1, **shape)), tokenizer, max_context=64)


def test_recalibration_helps_an_overconfident_model_and_baselines_are_compared() -> None:
    """Coverage of the 90 % band goes from about 60 % to about 90 %, and the drift baseline beats the raw model."""
    known = walk(4000)
    split = split_by_time(len(known), 60, validation_share=0.3, test_share=0.3)
    found = evaluate(known, split, Protocol(48, 12, 6, 60), [Overconfident()], [Persistence(), Drift()])
    raw, corrected = (found.scores_of(name) for name in ("half as wide", "half as wide, conformal"))
    assert raw.band(0.9).coverage.mean() < 0.7
    assert 0.86 < corrected.band(0.9).coverage.mean() < 0.94
    assert corrected.crps.mean() < raw.crps.mean()
    pair = next(c for c in found.comparisons if (c.first, c.second) == ("half as wide", "drift"))
    assert pair.overall.verdict == "worse"
    assert found.scores_of("persistence").crps.mean() > found.scores_of("drift").crps.mean()


def test_the_models_test_windows_lie_after_the_purge_gap(forecaster: KronosForecaster) -> None:
    """Every origin of a walk lies in the test part, and its context after the validation part."""
    known = walk(1500)
    split = split_by_time(len(known), 60, validation_share=0.3, test_share=0.3)
    found = evaluate(known, split, Protocol(48, 12, 12, 5), [ModelSampler(forecaster, 48)], [Persistence()])
    origins = found.walks["Kronos"].origins
    assert origins.min() >= split.test.start
    assert origins.min() - 48 >= split.validation.stop
    assert origins.max() + 12 <= split.test.stop


def test_choices_are_made_without_the_test_part() -> None:
    """The validation part in two halves, a window between them, and nothing after it."""
    split = split_by_time(3000, 60, validation_share=0.3, test_share=0.3)
    choosing = split.of_validation()
    assert choosing.validation.start == split.validation.start
    assert choosing.test.stop == split.validation.stop <= split.test.start - 60
    assert choosing.test.start - choosing.validation.stop >= 60
    assert len(choosing.validation) == len(choosing.test)
    with pytest.raises(BadSettingsError, match="two halves"):
        split_by_time(1000, 60, validation_share=0.2, test_share=0.2).of_validation()


def test_the_model_sees_nothing_from_its_origin_on(forecaster: KronosForecaster) -> None:
    """Other futures, equal forecasts; the batch plays no part either."""
    known = walk(1500)
    values = known.values.copy()
    values[900:] *= 2
    changed = CandleSeries(values, known.open_times, HOUR)
    sampler = ModelSampler(forecaster, 48)
    first, second = (sampler.sample(s, np.array([800, 900]), 6, 4) for s in (known, changed))
    np.testing.assert_array_equal(first, second)
    one_by_one = ModelSampler(forecaster, 48, batch=1).sample(known, np.array([800, 900]), 6, 4)
    np.testing.assert_allclose(first, one_by_one, rtol=1e-4)


def test_anchoring_makes_every_path_open_at_the_last_close() -> None:
    """Closes keep their ratio to their own path's first open."""
    known = walk(1500)
    opens, closes = np.array([[900.0, 1100.0]]), np.array([[[909.0], [1089.0]]])
    last = known.values[799, 3]
    anchored = anchor(opens, closes, known, np.array([800]))
    np.testing.assert_allclose(anchored[0, :, 0], [last * 1.01, last * 0.99])


def test_the_report_is_whole_and_self_contained(tmp_path: Path) -> None:
    """Markdown, strict JSON, small plots, one HTML file that loads nothing, and recalibrators that can be read back."""
    known = walk(3000)
    split = split_by_time(len(known), 60, validation_share=0.3, test_share=0.3)
    found = evaluate(known, split, Protocol(48, 12, 12, 20), [Overconfident()], [Persistence(), Drift()])
    write_report(found, tmp_path, "A <test>", {"candles": "made up"})
    record = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert set(record["scores"]) == {scores.name for scores in found.scores}
    assert len(record["scores"]["drift"]["crps"]) == 12
    assert record["scores"]["persistence"]["rank_ic"] == [None] * 12
    page = (tmp_path / "report.html").read_text()
    assert "A &lt;test&gt;" in page
    assert len(re.findall('src="data:image/png;base64,', page)) == 4
    assert not re.search('(src|href)="http', page)
    plots = sorted(path.name for path in tmp_path.glob("*.png"))
    assert plots == ["coverage.png", "crps.png", "fan.png", "pit.png"]
    assert all(path.stat().st_size < 200_000 for path in tmp_path.glob("*.png"))
    assert "| drift |" in (tmp_path / "report.md").read_text()
    kept = json.loads((tmp_path / "recalibration.json").read_text())
    again = recalibrator_from_json(kept["half as wide, conformal"])
    raw = found.walks["half as wide"]
    expected = found.walks["half as wide, conformal"].samples
    np.testing.assert_allclose(again.apply(raw.samples), expected, rtol=1e-3, atol=1e-4)


def test_both_command_lines_from_candles_to_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Train a few steps, evaluate, and refuse other candles."""
    known = walk(1200)
    _write_csv(known, tmp_path / "candles.csv")
    small = ["tokenizer.epochs=1", "predictor.epochs=1", "tokenizer.windows_per_epoch=32"]
    small += ["predictor.windows_per_epoch=32", "context=32", "horizon=12", "shortest_context=16", "stride=8"]
    sets = [word for change in small for word in ("--set", change)]
    run = str(tmp_path / "run")
    assert training_command([str(tmp_path / "candles.csv"), "--out", run, "--accelerator", "cpu", *sets]) == 0
    command = ["--run", run, "--out", str(tmp_path / "report"), "--paths", "4", "--stride", "6"]
    assert evaluation_command([str(tmp_path / "candles.csv"), *command]) == 0
    assert "Kronos anchored, conformal" in (tmp_path / "report" / "report.md").read_text()
    choosing = [
        *command[:2],
        "--out",
        str(tmp_path / "chosen"),
        "--paths",
        "4",
        "--stride",
        "1",
        "--horizon",
        "6",
    ]
    assert evaluation_command([str(tmp_path / "candles.csv"), *choosing, "--part", "validation"]) == 0
    report = (tmp_path / "chosen" / "report.md").read_text()
    assert "the test part was not touched" in report and "tested on" not in report
    _write_csv(walk(1200, seed=3), tmp_path / "other.csv")
    assert evaluation_command([str(tmp_path / "other.csv"), *command]) == 1
    assert training_command([str(tmp_path / "none.csv"), "--out", run]) == 1
    said = capsys.readouterr()
    assert "best weights" in said.out
    assert "other candles" in said.err
    assert "no candle file" in said.err


def test_settings_by_text_come_together() -> None:
    """Two changes that contradict alone may agree together; unknown names are refused."""
    changes = [
        "tokenizer_shape.s1_bits=5",
        "predictor_shape.s1_bits=5",
        "predictor.patience=none",
        "context=64",
    ]
    settings = changed_by_text(preset("tiny"), changes)
    assert settings.tokenizer_shape["s1_bits"] == settings.predictor_shape["s1_bits"] == 5
    assert settings.predictor.patience is None
    assert settings.context == 64
    for wrong in ("contxt=5", "predictor.nothing=1", "window=3", "context"):
        with pytest.raises(BadSettingsError):
            changed_by_text(preset("tiny"), [wrong])


def _write_csv(known: CandleSeries, path: Path) -> None:
    rows = np.column_stack([known.open_times, known.values[:, :5]])
    np.savetxt(path, rows, delimiter=",", header="ts,open,high,low,close,volume", comments="", fmt="%.6f")

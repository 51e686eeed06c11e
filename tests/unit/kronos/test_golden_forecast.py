"""The golden greedy forecasts, with and without a sliding window."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars
import pytest

from kokex.kronos import Candles, KronosForecaster

if TYPE_CHECKING:
    from conftest import GoldenCase

MAX_CONTEXT = {"tiny": 512, "small-fixed-te": 512, "past-context": 64}


def golden_candles(case: GoldenCase) -> tuple[Candles, np.ndarray]:
    """The context, with the times of the future candles, and the expected forecast (horizon, 6)."""
    table = polars.read_csv(case.folder / "candles.csv", try_parse_dates=True)
    expected = polars.read_csv(case.folder / "greedy_forecast.csv").to_numpy()
    horizon = len(expected)
    context, future = table[:-horizon], table[-horizon:]
    return Candles.from_table(context, future_times=future["ts"]), expected


@pytest.mark.parametrize("draws", ["counter", "torch"])
def test_the_greedy_forecast_matches(case: GoldenCase, draws: str) -> None:
    candles, expected = golden_candles(case)
    forecaster = KronosForecaster(case.model, case.tokenizer, MAX_CONTEXT[case.name], draws=draws)
    forecast = forecaster.forecast(candles, len(expected), paths=3, top_k=1, seed=1)
    for path in forecast.paths:
        np.testing.assert_allclose(path, expected, rtol=1e-5)
    np.testing.assert_allclose(forecast.mean, expected, rtol=1e-5)


def test_checkpoints_saved_again_hold_the_same_tensors_and_keys(case: GoldenCase, tmp_path) -> None:
    for part, original in ((case.model, case.predictor_folder), (case.tokenizer, case.tokenizer_folder)):
        folder = tmp_path / original.name
        part.save_pretrained(folder)
        again = type(part).from_pretrained(folder)
        assert again.config == part.config
        assert json.loads((folder / "config.json").read_text()) == json.loads(
            (original / "config.json").read_text()
        )
        for name, tensor in part.state_dict().items():
            assert tensor.equal(again.state_dict()[name]), name

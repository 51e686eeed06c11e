"""What a caller may rely on: seeds, batches, paths, kinds of tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import numpy as np
import pandas
import polars
import pytest
import torch

from kokex.kronos import Candles, Kronos, KronosForecaster, KronosTokenizer, Sampling
from kokex.kronos import forecaster as forecaster_module
from kokex.kronos.candles import COLUMNS
from kokex.kronos.errors import ConfigError, RequestError
from kokex.kronos.inference.philox import path_uniforms, philox

Walk = Callable[..., Candles]


def test_a_seed_repeats_and_another_does_not(forecaster: KronosForecaster, candle_walk: Walk) -> None:
    first, again, other = (forecaster.forecast(candle_walk(30), 6, paths=4, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.paths, again.paths)
    assert not np.array_equal(first.paths, other.paths)


def test_no_seed_takes_a_random_one_and_names_it(forecaster: KronosForecaster, candle_walk: Walk) -> None:
    one, other = (forecaster.forecast(candle_walk(30), 6, paths=4) for _ in range(2))
    assert one.seed != other.seed
    again = forecaster.forecast(candle_walk(30), 6, paths=4, seed=one.seed)
    np.testing.assert_array_equal(again.paths, one.paths)


def test_more_paths_leave_the_first_ones_as_they_were(
    forecaster: KronosForecaster, candle_walk: Walk
) -> None:
    few, many = (forecaster.forecast(candle_walk(30), 6, paths=count, seed=9) for count in (3, 11))
    np.testing.assert_allclose(many.paths[:3], few.paths, rtol=1e-5)


@pytest.mark.parametrize("cache_bytes", [forecaster_module.CACHE_BYTES, 200_000])
def test_a_batch_gives_what_each_series_gives_alone(
    forecaster: KronosForecaster,
    candle_walk: Walk,
    monkeypatch: pytest.MonkeyPatch,
    assert_same_paths: Callable[..., None],
    cache_bytes: int,
) -> None:
    """Lengths, horizons and seeds all differ; some windows slide; little memory makes many groups and turns."""
    monkeypatch.setattr(forecaster_module, "CACHE_BYTES", cache_bytes)
    lengths, horizons = (20, 64, 33, 2, 61, 100, 64, 21), (7, 3, 12, 5, 9, 4, 12, 1)
    series = [candle_walk(length, seed) for seed, length in enumerate(lengths)]
    together = forecaster.forecast_many(series, horizons, paths=5, seeds=range(8))
    for seed, (candles, horizon, batched) in enumerate(zip(series, horizons, together, strict=True)):
        alone = forecaster.forecast(candles, horizon, paths=5, seed=seed)
        assert batched.paths.shape == (5, horizon, 6)
        np.testing.assert_array_equal(batched.times, alone.times)
        assert_same_paths(batched.paths, alone.paths, candles)


def test_no_series_no_forecasts(forecaster: KronosForecaster) -> None:
    assert forecaster.forecast_many([], 5) == []


def test_times_follow_the_interval_or_are_the_ones_given(
    forecaster: KronosForecaster, candle_walk: Walk
) -> None:
    candles = candle_walk(30)
    ahead = forecaster.forecast(candles, 3, paths=1, seed=0).times
    np.testing.assert_array_equal(ahead, candles.times[-1] + np.timedelta64(1, "h") * np.arange(1, 4))
    given = candles.times[-1] + np.timedelta64(1, "D") * np.arange(1, 4)
    sessions = Candles.from_arrays(candles.times, candles.values, future_times=given)
    np.testing.assert_array_equal(forecaster.forecast(sessions, 3, paths=1, seed=0).times, given)


def test_a_future_candle_cannot_change_what_the_model_reads(
    candle_walk: Walk, forecaster: KronosForecaster
) -> None:
    """The context alone is normalised, tokenised and read: two histories that part after it forecast alike."""
    whole, altered = candle_walk(40, 3), candle_walk(40, 3).values.copy()
    altered[30:] *= 7
    forecasts = [
        forecaster.forecast(Candles.from_arrays(whole.times[:30], values[:30]), 5, paths=2, seed=4)
        for values in (whole.values, altered)
    ]
    np.testing.assert_array_equal(forecasts[0].paths, forecasts[1].paths)


def test_numpy_pandas_polars_and_mappings_read_alike(candle_walk: Walk) -> None:
    candles = candle_walk(30)
    columns = {name: candles.values[:, i] for i, name in enumerate(COLUMNS)}
    plain = {"open_time": candles.times, **columns}
    frame = pandas.DataFrame({"Timestamps": candles.times, **columns})
    zoned = frame.assign(Timestamps=frame["Timestamps"].dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai"))
    lazy = polars.DataFrame(plain)
    moments = [moment.replace(tzinfo=UTC) for moment in candles.times.astype("datetime64[us]").tolist()]
    structured = np.rec.fromarrays([candles.times, *columns.values()], names=["time", *columns])
    tables = {
        "mapping": plain,
        "pandas": frame,
        "pandas with a zone": zoned,
        "pandas with an index": frame.set_index("Timestamps"),
        "pandas with a zoned index": zoned.set_index("Timestamps"),
        "polars": lazy,
        "polars with a zone": lazy.with_columns(
            polars.col("open_time").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Shanghai")
        ),
        "lists": {"time": moments, **{name: column.tolist() for name, column in columns.items()}},
        "structured": np.asarray(structured),
    }
    for kind, table in tables.items():
        read = Candles.from_table(table)
        np.testing.assert_array_equal(read.times, candles.times, err_msg=kind)
        np.testing.assert_array_equal(read.values, candles.values, err_msg=kind)


def test_missing_volume_and_amount_are_filled_as_published(candle_walk: Walk) -> None:
    candles = candle_walk(30)
    prices_only = Candles.from_arrays(candles.times, candles.values[:, :4])
    assert not prices_only.values[:, 4:].any()
    with_volume = Candles.from_arrays(candles.times, candles.values[:, :5])
    expected = candles.values[:, 4] * candles.values[:, :4].mean(axis=1)
    np.testing.assert_allclose(with_volume.values[:, 5], expected)
    columns = {name: candles.values[:, i] for i, name in enumerate(COLUMNS) if name != "volume"}
    assert (
        not Candles.from_table({"time": candles.times, **columns}).values[:, 4:].any()
    )  # amount without volume


def test_bfloat16_draws_from_nearly_the_same_distribution(
    tiny_model: Kronos, tiny_tokenizer: KronosTokenizer, candle_walk: Walk
) -> None:
    """Single tokens flip, so whole distributions are compared: the deciles of 400 closes, against the spread."""
    exact, narrow = (
        KronosForecaster(tiny_model, tiny_tokenizer, 64, dtype=dtype).forecast(
            candle_walk(40), 4, paths=400, seed=3
        )
        for dtype in (torch.float32, torch.bfloat16)
    )
    deciles = np.arange(0.1, 0.95, 0.1)
    spread = exact.column("close").std(axis=0)
    apart = np.abs(exact.quantiles(deciles) - narrow.quantiles(deciles)) / spread
    assert apart.max() < 0.25


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 64}, "max_context - 1"),
        ({"paths": 0}, "paths"),
        ({"temperature": 0.0}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_impossible_settings_are_refused_by_name(
    forecaster: KronosForecaster, candle_walk: Walk, settings: dict[str, float], named: str
) -> None:
    with pytest.raises(RequestError, match=named):
        forecaster.forecast(candle_walk(30), **{"horizon": 5, **settings})  # type: ignore[arg-type]


def test_as_many_horizons_and_seeds_as_series(forecaster: KronosForecaster, candle_walk: Walk) -> None:
    with pytest.raises(RequestError, match="2 horizons for 1 series"):
        forecaster.forecast_many([candle_walk(30)], [3, 4])
    with pytest.raises(RequestError, match="2 seeds for 1 series"):
        forecaster.forecast_many([candle_walk(30)], 3, seeds=[1, 2])


def test_published_draws_need_equal_series(
    tiny_model: Kronos, tiny_tokenizer: KronosTokenizer, candle_walk: Walk
) -> None:
    forecaster = KronosForecaster(tiny_model, tiny_tokenizer, 64, draws="torch")
    with pytest.raises(RequestError, match="one length"):
        forecaster.forecast_many([candle_walk(30), candle_walk(31)], 3, seeds=1)


def test_a_model_and_a_tokenizer_of_other_bits_are_refused(
    case_of_bits: tuple[Kronos, KronosTokenizer],
) -> None:
    with pytest.raises(ConfigError, match=r"4\+5 bit tokens"):
        KronosForecaster(*case_of_bits)


@pytest.fixture
def case_of_bits(tiny_model: Kronos) -> tuple[Kronos, KronosTokenizer]:
    from kokex.kronos import TokenizerConfig  # noqa: PLC0415

    config = TokenizerConfig(
        d_model=8, n_heads=1, ff_dim=8, n_enc_layers=2, n_dec_layers=2, s1_bits=4, s2_bits=4
    )
    return tiny_model, KronosTokenizer(config)


def test_philox_gives_the_published_test_vectors() -> None:
    """Known answers of Random123 for philox4x32-10."""
    zeros = philox(np.zeros(4, dtype=np.uint64), 0)
    assert [f"{word:08x}" for word in zeros.tolist()] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    ones = philox(np.full(4, 0xFFFFFFFF, dtype=np.uint64), 2**64 - 1)
    assert [f"{word:08x}" for word in ones.tolist()] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


def test_uniform_numbers_depend_on_their_place_alone() -> None:
    whole, part = path_uniforms(5, range(10), 8), path_uniforms(5, range(4, 7), 3)
    np.testing.assert_array_equal(whole[4:7, :3], part)
    many = path_uniforms(6, range(500), 40)
    assert many.min() > 0
    assert many.max() < 1
    assert abs(many.mean() - 0.5) < 0.01 and abs(many.var() - 1 / 12) < 0.005


def test_truncation_keeps_ties_and_the_token_that_crosses() -> None:
    logits = torch.log(torch.tensor([0.4, 0.2, 0.2, 0.15, 0.05]))
    kept = Sampling(top_k=2, top_p=0.1).probabilities(logits)
    assert (kept > 0).tolist() == [
        True,
        True,
        True,
        False,
        False,
    ]  # the tie with the second, and top_p ignored
    kept = Sampling(top_p=0.5).probabilities(logits)
    assert int((kept > 0).sum()) == 2
    torch.testing.assert_close(kept.sum(), torch.tensor(1.0))
    torch.testing.assert_close(Sampling(top_p=0.01).probabilities(logits)[0], torch.tensor(1.0))
    hot = Sampling(temperature=2.0).probabilities(logits)
    assert hot[0] < 0.4 and hot[-1] > 0.05


def test_the_library_stands_alone() -> None:
    """Importing it brings in nothing else of KOKEX, and neither pandas nor polars."""
    code = (
        "import sys, kokex.kronos;"
        "print([name for name in sys.modules if name.split('.')[0] in ('pandas', 'polars')"
        " or (name.startswith('kokex.') and not name.startswith('kokex.kronos'))])"
    )
    source = Path(__file__).resolve().parents[3] / "src"
    environment = {"PYTHONPATH": str(source)}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "[]"

"""A forecast's fan: as a sketch on the terminal, as a picture, and as numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kokex.adapters.model_libraries import missing_libraries
from kokex.cli.output import utc
from kokex.domain.candle import CandleSeries
from kokex.domain.errors import ConfigurationError
from kokex.domain.forecast import Forecast

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_HEIGHT: Final = 13
_LABEL: Final = 11
_PAST: Final = 24
_SHADES: Final = {"outer": "░", "inner": "▒", "median": "●", "past": "•"}


def sketch(series: CandleSeries, forecast: Forecast, *, width: int = 72) -> list[str]:
    """Lines of at most `width`: the last closes, then the bands of 90 and 50 in 100 paths and the median; prices on the left.

    Where not every step has a column, steps are left out evenly; the last one stays.
    """
    columns = max(width - _LABEL - 1, 8)
    past = series.closes[-min(_PAST, len(series), columns // 3) :]
    room = columns - len(past) - 1
    bands = forecast.quantiles(LEVELS)  # (levels, horizon)
    if forecast.horizon > room:
        bands = bands[:, np.linspace(0, forecast.horizon - 1, room).round().astype(int)]
    steps = bands.shape[1]
    repeat = max((columns - 1) // (len(past) + steps), 1)
    low, high = float(min(past.min(), bands.min())), float(max(past.max(), bands.max()))
    span = (high - low) or max(abs(high), 1.0) * 1e-6
    rows = [[" "] * ((len(past) + steps) * repeat + 1) for _ in range(_HEIGHT)]

    def row(price: float) -> int:
        return round((high - price) / span * (_HEIGHT - 1))

    for index, close in enumerate(past):
        for extra in range(repeat):
            rows[row(float(close))][index * repeat + extra] = _SHADES["past"]
    for line in rows:
        line[len(past) * repeat] = "│"
    for step in range(steps):
        column = (len(past) + step) * repeat + 1
        _draw_step(rows, [row(float(price)) for price in bands[:, step]], column, repeat)
    labels = [high - span * index / (_HEIGHT - 1) for index in range(_HEIGHT)]
    return [
        f"{label:>{_LABEL}.6g} {''.join(line)}".rstrip() for label, line in zip(labels, rows, strict=True)
    ]


def summary(forecast: Forecast) -> dict[str, Any]:
    """What can be said of the fan in a few numbers."""
    bands = forecast.quantiles(LEVELS)
    return {
        "inst_id": forecast.inst_id,
        "interval": str(forecast.interval),
        "forecaster": forecast.forecaster,
        "origin_time": utc(forecast.origin_time),
        "origin_price": forecast.origin_price,
        "horizon": forecast.horizon,
        "paths": int(forecast.paths.shape[0]),
        "probability_up": forecast.probability_up(),
        "expected_return": forecast.expected_return(),
        "spread": forecast.spread(),
        "quantiles": {
            str(level): [float(price) for price in band] for level, band in zip(LEVELS, bands, strict=True)
        },
    }


def write_files(series: CandleSeries, forecast: Forecast, folder: Path) -> list[Path]:
    """The fan as `.json`, all paths as `.npz` and, where matplotlib is installed, a picture; the files."""
    make_folder(folder)
    stem = f"{forecast.inst_id}-{forecast.interval}-{forecast.origin_time:%Y%m%dT%H%M}"
    numbers, paths = folder / f"{stem}.json", folder / f"{stem}.npz"
    numbers.write_text(json.dumps(summary(forecast), indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(paths, paths=forecast.paths)
    files = [numbers, paths]
    if not missing_libraries(("matplotlib",)):
        files.append(_picture(series, forecast, folder / f"{stem}.png"))
    return files


def make_folder(folder: Path) -> None:
    """Make it, or raise `ConfigurationError`: called before long work, so that none is lost."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


def _draw_step(rows: list[list[str]], at: list[int], column: int, repeat: int) -> None:
    outer, inner, median = (at[4], at[0]), (at[3], at[1]), at[2]
    for cell in range(column, min(column + repeat, len(rows[0]))):
        for name, (top, bottom) in (("outer", outer), ("inner", inner)):
            for index in range(top, bottom + 1):
                rows[index][cell] = _SHADES[name]
        rows[median][cell] = _SHADES["median"]


def _picture(series: CandleSeries, forecast: Forecast, path: Path) -> Path:
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, and not everywhere installed

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    past: NDArray[np.float64] = series.closes[-min(4 * forecast.horizon, len(series)) :]
    ahead = np.arange(forecast.horizon + 1)
    bands = np.column_stack([np.full(len(LEVELS), forecast.origin_price), forecast.quantiles(LEVELS)])
    axes.plot(np.arange(-len(past) + 1, 1), past, color="black", linewidth=1.2, label="closes")
    for closes in forecast.closes[:20]:
        axes.plot(ahead, [forecast.origin_price, *closes], color="tab:blue", alpha=0.15, linewidth=0.7)
    axes.fill_between(
        ahead, bands[0], bands[-1], color="tab:blue", alpha=0.15, linewidth=0, label="90 of 100 paths"
    )
    axes.fill_between(
        ahead, bands[1], bands[-2], color="tab:blue", alpha=0.3, linewidth=0, label="50 of 100 paths"
    )
    axes.plot(ahead, bands[2], color="tab:blue", linewidth=1.4, label="median")
    axes.set(
        title=f"{forecast.inst_id} {forecast.interval}, {forecast.forecaster}, from {utc(forecast.origin_time)}",
        xlabel="candles from the origin",
        ylabel="price",
    )
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    return path

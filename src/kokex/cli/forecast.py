"""`kokex forecast`: the future of a plan's candles, or of a file's, with a chart."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import AsJson, count_option
from kokex.cli.output import market_time, note, say, say_json
from kokex.cli.running import load_settings, quiet_logs, run_async
from kokex.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.candle import CandleSeries
    from kokex.domain.forecast import Forecast
    from kokex.domain.model import ModelVersion
    from kokex.domain.plan import ForecastSettings, Plan
    from kokex.ports.forecaster import Forecaster

app = typer.Typer()

MOST_CONTEXT = 2048
MOST_CANDLES = 5_000_000
"""Of all paths together; 120 MB."""


@app.command()
def forecast(  # noqa: PLR0917 - Typer makes options of them
    plan: Annotated[str | None, typer.Argument(metavar="[PLAN]", help="The plan's name or number.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Forecast from this candle file instead.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A folder of weights, or a version of the plan; the active one where not given."),
    ] = None,
    horizon: Annotated[
        int | None, count_option("--horizon", help="Future candles; the plan's, or 24.")
    ] = None,
    paths: Annotated[int | None, count_option("--paths", help="Sampled futures; the plan's, or 256.")] = None,
    seed: Annotated[int, count_option("--seed", help="Equal seeds give equal paths.")] = 0,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="With --csv: leave flawed rows out instead of refusing the file."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for chart and numbers; `forecasts` in KOKEX_HOME."),
    ] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Forecast from the newest candles: a sketch of the fan here, chart and numbers in files.

    Without a model the baseline forecasts: pieces of the recent past, put together anew.
    """
    from kokex.cli.fan import make_folder, summary, write_files
    from kokex.domain.plan import ForecastSettings

    if (plan is None) == (csv is None):
        raise ConfigurationError("name a plan, or give a file with --csv")
    settings = load_settings()
    quiet_logs(settings)
    folder = (out or settings.folder / "forecasts").expanduser()
    make_folder(folder)
    wanted = ForecastSettings(paths=256)
    if csv is not None:
        series = _file_series(csv.expanduser(), lenient=lenient)
        forecaster = _of_folder(model) if model is not None else _baseline()
    else:
        assert plan is not None
        series, wanted, forecaster = run_async(_of_plan(plan, model))
    wanted = _resized(wanted, horizon, paths)
    made = forecaster.forecast(series, horizon=wanted.horizon, paths=wanted.paths, seed=seed)
    files = write_files(series, made, folder)
    if as_json:
        say_json(summary(made) | {"files": files})
    else:
        _print(series, made, files)


def _resized(wanted: ForecastSettings, horizon: int | None, paths: int | None) -> ForecastSettings:
    """`wanted` with the sizes that are given. Raises `ConfigurationError` where memory should not hold it."""
    from dataclasses import replace

    sized = replace(
        wanted,
        horizon=wanted.horizon if horizon is None else horizon,
        paths=wanted.paths if paths is None else paths,
    )
    if sized.horizon * sized.paths > MOST_CANDLES:
        raise ConfigurationError(
            f"{sized.paths} paths of {sized.horizon} candles are more than memory should hold; "
            f"ask for {MOST_CANDLES:,} candles at most"
        )
    return sized


async def _of_plan(name: str, model: str | None) -> tuple[CandleSeries, ForecastSettings, Forecaster]:
    from kokex.bootstrap import application
    from kokex.cli.finding import find_plan
    from kokex.services.accounts import market_of

    async with application(load_settings()) as opened:
        plan = await find_plan(opened.store, name)
        market = market_of(await opened.store.accounts.get(plan.account_id))
        depth = max(plan.forecast.context, MOST_CONTEXT)
        series = await opened.store.candles.latest(market, plan.inst_id, plan.interval, depth)
        if not len(series):
            raise ConfigurationError(
                f"no candles of {plan.inst_id} {plan.interval} are kept for {market}; `kokex data sync` brings some"
            )
        return series, plan.forecast, await _forecaster(opened, plan, model)


async def _forecaster(opened: Application, plan: Plan, model: str | None) -> Forecaster:
    from kokex.domain.model import version_number

    if model is not None and _is_folder(model):
        return _of_folder(model)
    version: ModelVersion | None
    if model is None:
        version = await opened.store.models.active(plan.id)
        if version is None:
            return _baseline()
    else:
        version = await opened.models.version(plan, version_number(model))
    if version.content_hash is None:
        raise ConfigurationError(f"version {version.name} is {version.status.value} and has no weights")
    return _load(opened.model_files.find(version.content_hash), version.forecaster)


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()


def _of_folder(folder: str) -> Forecaster:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ConfigurationError(f"--model {folder}: there is no such folder")
    return _load(path, path.name)


def _load(weights: Path, name: str) -> Forecaster:
    from kokex.adapters.model_libraries import FORECASTING, require_libraries

    require_libraries(FORECASTING)
    from kokex.adapters.kronos_forecaster import KronosModelForecaster

    return KronosModelForecaster(weights, name)


def _baseline() -> Forecaster:
    from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster

    note("No model is chosen: the baseline forecasts, from pieces of the recent past.")
    return BlockBootstrapForecaster()


def _file_series(csv: Path, *, lenient: bool) -> CandleSeries:
    """The newest stretch without a gap. The instrument's name matters to nobody but the reader."""
    from kokex.adapters.model_candles import check_movement, read_model_candles

    file = read_model_candles(csv, lenient=lenient)
    stretches = file.segments(file.inst_id or csv.name.split(".")[0])
    series = stretches[-1]
    if len(stretches) > 1:
        note(
            f"{csv.name} has gaps in time: only its newest {len(series)} candles, after the last gap, are looked at."
        )
    check_movement(f"the newest stretch of {csv.name}", series.values)
    return type(series)(
        series.inst_id, series.interval, series.open_times[-MOST_CONTEXT:], series.values[-MOST_CONTEXT:]
    )


def _print(series: CandleSeries, made: Forecast, files: list[Path]) -> None:
    from rich.console import Console

    from kokex.cli.fan import sketch

    say(
        f"{made.inst_id} {made.interval} from the close of {market_time(made.origin_time)} UTC at {made.origin_price:g}, "
        f"{made.paths.shape[0]} paths of {made.horizon} candles by {made.forecaster}:"
    )
    for line in sketch(series, made, width=min(Console().size.width, 100)):
        say(line)
    low, middle, high = made.quantiles((0.05, 0.5, 0.95))[:, -1]
    say(
        f"At the end: median {middle:.6g}, 90 of 100 paths between {low:.6g} and {high:.6g}, "
        f"share of paths up {made.probability_up():.0%}. A hypothesis, not a promise."
    )
    for file in files:
        say(f"  {file}")

"""`kokex demo`."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import count_option, seconds_option
from kokex.cli.output import note, say, say_json
from kokex.cli.running import load_settings, run_async
from kokex.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from kokex.demo.options import DemoOptions, MarketChoice
    from kokex.demo.play import Stage
    from kokex.settings import Settings

app = typer.Typer()

SEED = 7
SPEED = 3600.0


@app.command()
def demo(
    *,
    candles: Annotated[
        Path | None, typer.Option(help="Candles of 1H that the market follows: CSV, plain or gzip.")
    ] = None,
    duration: Annotated[
        float | None, seconds_option("--duration", help="How long to run; until Ctrl-C where not given.")
    ] = None,
    seed: Annotated[int | None, count_option("--seed", help=f"Seed of the market ({SEED}).")] = None,
    speed: Annotated[
        float | None,
        seconds_option(
            "--speed", help=f"Seconds of market time in a second ({SPEED:g}: a candle of 1H a second)."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the former demo's market, database and plan.")
    ] = False,
    train: Annotated[
        bool | None,
        typer.Option(
            "--train/--no-train",
            help="Train a tiny model on this market meanwhile, and forecast with it; done where PyTorch is installed.",
            show_default=False,
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="A line a happening instead of the live view.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="End with the summary as one JSON object on a line.")
    ] = False,
) -> None:
    """Watch two plans trade on a market of this machine, and see both books compared at the end.

    A paper exchange that speaks OKX's protocol runs in a process of its own; the plans forecast, decide, pass the risk gate and trade
    on it. For one the built-in policy decides, for the other a language model: here a script that speaks OpenAI's protocol, whatever
    KOKEX_LLM_... says. A worker beside them trains a tiny model on that market, the first plan switches to it, and its evaluation is
    shown next to the baseline's. At the end a decision that bought is shown, run again and asked about with the commands for that.
    Everything lies in the folder `demo` of KOKEX_HOME (./.kokex where it is not set). Exits 1 if the books disagree.
    """
    if resume and (candles, seed, speed) != (None, None, None):
        raise ConfigurationError(
            "--resume goes on with the former demo's market: leave --candles, --seed and --speed away"
        )
    if train:
        from kokex.adapters.model_libraries import require_libraries

        require_libraries()
    note("KOKEX demo: two plans trade on a market of this machine. Ctrl-C ends it with a summary.")
    from kokex.bootstrap import sole_engine
    from kokex.demo.options import WISH, DemoOptions

    settings = _own_settings()
    choice = None if resume else market_choice(candles, SEED if seed is None else seed, speed or SPEED)
    wish = None if train is False else WISH
    options = DemoOptions(settings.folder, choice, duration, headless, as_json, wish)
    with sole_engine(settings.folder):
        play(options, settings)


def _own_settings() -> Settings:
    """Settings of a data folder of its own, so that a demo never touches the real one's database."""
    home = Path(os.environ.get("KOKEX_HOME") or ".kokex").expanduser().absolute()
    with suppress(OSError):  # where it cannot be made, `sole_engine` says so
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return load_settings(home=home / "demo", database_url=None)


def market_choice(candles: Path | None, seed: int, speed: float) -> MarketChoice:
    """The market that a person asks for. The file is read to its end before anything of a former demo is touched.

    Raises:
        DataError: there is no such file, or a row of it is flawed.
        ConfigurationError: its candles are not of 1H.
    """
    from kokex.adapters.candle_files import read_candle_file
    from kokex.demo.options import INSTRUMENT, INTERVAL, MarketChoice
    from kokex.paper.instruments import DEFAULT_INSTRUMENTS

    if candles is None:
        return MarketChoice(seed, speed, None)
    file = read_candle_file(candles.expanduser().absolute())
    if file.interval != INTERVAL:
        raise ConfigurationError(
            f"--candles {candles}: its candles are of {file.interval}, and the demo needs {INTERVAL}"
        )
    told = file.inst_id if file.inst_id in DEFAULT_INSTRUMENTS else None
    return MarketChoice(seed, speed, file.path, told or INSTRUMENT)


def play(options: DemoOptions, settings: Settings) -> None:
    """Run the demo on the terminal; its end as words and, if asked for, as JSON."""
    from rich.console import Console

    from kokex.demo.run import run_demo
    from kokex.demo.story import closing

    # Where a program reads the result, everything meant for a person goes to standard error.
    console = Console(stderr=options.as_json)
    _log_to_file(settings, options)
    stage = _stage(options, console)
    try:
        summary, choice = run_async(run_demo(options, settings, stage))
    finally:
        stage.curtain()
    console.print(closing(summary, choice))
    if options.as_json:
        sys.stderr.flush()
        say_json(summary.document())
    if not summary.agrees:
        raise typer.Exit(1)


def _stage(options: DemoOptions, console: Console) -> Stage:
    from kokex.demo.lines import Lines
    from kokex.demo.view import Screen

    if options.headless or not console.is_terminal:
        return Lines(note if options.as_json else say)
    return Screen(console, options.choice)


def _log_to_file(settings: Settings, options: DemoOptions) -> None:
    """The terminal is the view's: logs go to a file beside the data, for as long as the process lives."""
    from kokex.adapters.logs import configure_logs
    from kokex.demo.folder import log_file

    path = log_file(options.folder)
    if options.choice is not None:
        path.unlink(missing_ok=True)
    file = path.open("a", encoding="utf-8", buffering=1)
    configure_logs(settings.log_level, as_json=settings.log_json, stream=file)

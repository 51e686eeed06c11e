"""`kokex data`: candles, in files and in the database."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.option_groups import grouped
from kokex.cli.options import AsJson, count_option, time_option
from kokex.cli.running import run_async

if TYPE_CHECKING:
    from kokex.cli.data_target import Target

app = typer.Typer(
    no_args_is_help=True,
    help="Candles: import, export, back-fill, check, repair. Files are CSV (plain or gzip), Parquet, or freqtrade's feather.",
)

_INTERVALS = "1s to 4H, 6H to 1W and 1M, 3M (UTC+8), 6Hutc to 3Mutc (UTC)"

TargetName = Annotated[
    str,
    typer.Argument(metavar="FILE|INST_ID", help="A candle file, or an instrument whose candles are kept."),
]
InstId = Annotated[
    str | None, typer.Option("--inst-id", help="The instrument, where the file's name does not tell.")
]
IntervalName = Annotated[
    str | None,
    typer.Option(
        "--interval", help=f"Length of the candles: {_INTERVALS}; found where only one can be meant."
    ),
]
Market = Annotated[
    str | None, typer.Option(help="Whose candles: okx:live, okx:demo, binance:live, paper:3...")
]
Account = Annotated[str | None, typer.Option(help="Or an account, by name: the market that it sees.")]
Start = Annotated[
    datetime | None, time_option("--from", help="First open time (UTC where it names no zone).")
]
End = Annotated[datetime | None, time_option("--to", help="End, not included.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candles of that name are meant."""

    market: Market = None
    account: Account = None
    inst_id: InstId = None
    interval: IntervalName = None
    start: Start = None
    end: End = None

    def of(self, name: str) -> Target:
        """The file, or the kept candles, that a person names."""
        from kokex.cli.data_target import Target

        return Target(name, self.market, self.account, self.inst_id, self.interval, self.start, self.end)


@app.command("import")
def import_file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV (.csv, .csv.gz), .parquet or .feather.")],
    market: Market = None,
    account: Account = None,
    inst_id: InstId = None,
    interval: IntervalName = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Keep the good rows of a flawed file, and report the others.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Import candles from a file.

    A gap, a duplicate, a bad row or a wrong header refuses the whole file, and nothing is kept of it; --lenient keeps the
    good rows. Candles that are kept already are replaced. Without --market, the exchange that the file's name begins with
    (binance_ETHUSDT_1H.csv), else okx:live.
    """
    from kokex.cli.data_files import Wish, import_candles

    wish = Wish(path, market, account, inst_id, interval)
    run_async(import_candles(wish, lenient=lenient, as_json=as_json))


@app.command()
@grouped
def export(
    *,
    target: TargetName,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT",
            help="File: .csv, .csv.gz, .parquet, .feather (freqtrade's layout); or a folder for a feather file with freqtrade's name.",
        ),
    ],
    choice: Choice,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there already.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Write candles to a file, in the format that its name ends with. A file that is there already stays, unless --overwrite."""
    from kokex.cli.data_files import export_candles

    run_async(export_candles(choice.of(target), output, overwrite=overwrite, as_json=as_json))


@app.command()
def sync(
    account: Annotated[str, typer.Option(help="The account whose exchange is read, by name.")],
    inst_id: Annotated[str, typer.Option("--inst-id", help="The instrument, for example ETH-USDT.")],
    interval: Annotated[str, typer.Option(help=f"Length of the candles: {_INTERVALS}.")] = "1H",
    start: Start = None,
    end: Annotated[datetime | None, time_option("--to", help="End; the present where not given.")] = None,
    candles: Annotated[
        int, count_option("--candles", help="How many candles back, where --from is not given.")
    ] = 1000,
    everything: Annotated[bool, typer.Option("--all", help="Back to the exchange's first candle.")] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Back-fill candles from an account's exchange: what is not known yet, newest first.

    It may be stopped at any moment: what was read is kept, and the next run goes on.
    """
    from kokex.cli.backfill import Wanted, backfill
    from kokex.domain.candle import Interval

    wanted = Wanted(account, inst_id.upper(), Interval(interval), start, end, candles, everything)
    run_async(backfill(wanted, as_json=as_json))


@app.command()
@grouped
def check(
    *,
    target: TargetName,
    choice: Choice,
    every: Annotated[
        bool, typer.Option("--every", help="Show every finding, not the first of each kind.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Look for missing, duplicate, off-grid, inconsistent, zero-volume and outlying candles.

    What the exchange has confirmed (see `repair`) is counted apart.
    """
    from kokex.cli.data_checking import check_candles

    run_async(check_candles(choice.of(target), every=every, as_json=as_json))


@app.command()
def repair(
    target: TargetName,
    *,
    account: Annotated[
        str | None,
        typer.Option(help="The account whose exchange is asked, by name; needed for kept candles."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where a file's repaired candles go; the file itself is left alone.")
    ] = None,
    inst_id: InstId = None,
    interval: IntervalName = None,
    start: Start = None,
    end: End = None,
    every: Annotated[
        bool, typer.Option("--every", help="Show every finding, not the first of each kind.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Ask the exchange for every candle that is missing or strange, and say what became of each.

    What the exchange gives once more is confirmed, and not asked for again. A file without --account only loses its
    duplicate, off-grid and impossible rows.
    """
    from kokex.cli.data_checking import repair_candles
    from kokex.cli.data_target import Target

    named = Target(target, None, account, inst_id, interval, start, end)
    run_async(repair_candles(named, output, every=every, as_json=as_json))


@app.command()
def build(
    inst_id: Annotated[str, typer.Argument(metavar="INST_ID", help="An instrument whose candles are kept.")],
    interval: Annotated[str, typer.Option(help="Of the longer candles, for example 1H, 1Dutc, 1M.")],
    source: Annotated[
        str, typer.Option("--source", help="Of the shorter ones that they are made of.")
    ] = "1m",
    market: Market = None,
    account: Annotated[
        str | None, typer.Option(help="An account, by name: compare with its exchange's own candles.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep them where the exchange's own are not kept yet.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Build longer candles out of shorter ones that are kept; whole ones alone."""
    from kokex.cli.data_building import build_candles
    from kokex.cli.data_target import Target

    run_async(
        build_candles(Target(inst_id, market, account, None, source), interval, keep=keep, as_json=as_json)
    )


@app.command("list")
def list_candles(as_json: Annotated[bool, AsJson] = False) -> None:
    """List which candles are kept, and how many are missing among them."""
    from kokex.cli.data_listing import list_kept

    run_async(list_kept(as_json=as_json))


@app.command(hidden=True)
def show(as_json: Annotated[bool, AsJson] = False) -> None:
    """The same as `list`."""
    list_candles(as_json)


@app.command()
def ranges(
    inst_id: Annotated[str, typer.Argument(metavar="INST_ID", help="An instrument whose candles are kept.")],
    market: Market = None,
    account: Account = None,
    interval: IntervalName = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show the ledger: the time that is known to be complete, the gaps, and where the exchange's candles begin."""
    from kokex.cli.data_listing import show_ranges
    from kokex.cli.data_target import Target

    run_async(show_ranges(Target(inst_id, market, account, None, interval), as_json=as_json))

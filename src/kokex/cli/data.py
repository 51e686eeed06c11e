"""`kokex data`: candles."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import AsJson, count_option, time_option
from kokex.cli.output import market_time, note, say, say_json, say_table
from kokex.cli.running import load_settings, quiet_logs, run_async
from kokex.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from kokex.adapters.candle_files import CandleFile
    from kokex.ports.candles import CandleSummary

app = typer.Typer(no_args_is_help=True, help="Candles: import, back-fill, show.")

_ROWS_AT_ONCE = 5000


@app.command("import")
def import_file(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, plain or gzip: ts,open,high,low,close,volume,amount.")
    ],
    market: Annotated[
        str | None, typer.Option(help="Whose candles these are: okx:live (the default) or okx:demo.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Or an account, by name: the market that it sees.")
    ] = None,
    inst_id: Annotated[
        str | None, typer.Option("--inst-id", help="The instrument; the file's name tells where not given.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Length of the candles; found from the rows where not given.")
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Keep the good rows of a flawed file, and report the others.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Import candles from a file.

    A gap, a duplicate, a bad row or a wrong header refuses the whole file, and nothing is kept of it; --lenient keeps the
    good rows. Candles that are kept already are replaced.
    """
    from kokex.adapters.candle_files import read_candle_file
    from kokex.domain.candle import Interval

    length = Interval(interval) if interval is not None else None
    name = inst_id.upper() if inst_id is not None else None
    file = read_candle_file(path, strict=not lenient, inst_id=name, interval=length)
    if file.inst_id is None:
        raise ConfigurationError(f"{path} does not tell its instrument; name it: --inst-id ETH-USDT")
    kept_in, changed = run_async(_keep(file, market, account))
    if as_json:
        say_json(_import_document(file, kept_in, changed))
        return
    for flaw in file.report.flaws:
        note(str(flaw))
    say(
        f"{len(file)} candles of {file.inst_id} {file.interval} from {path.name} are kept for {kept_in}, {changed} new or changed; "
        f"{file.report.rows - file.report.kept} rows left out, {file.report.missing} candles missing in gaps."
    )


async def _keep(file: CandleFile, market: str | None, account: str | None) -> tuple[str, int]:
    from kokex.bootstrap import application
    from kokex.cli.progress import steps
    from kokex.services.accounts import market_of

    if market is not None and account is not None:
        raise ConfigurationError("give --market or --account, not both")
    settings = load_settings()
    quiet_logs(settings)
    assert file.inst_id is not None
    candles = list(file.candles())
    async with application(settings) as opened:
        name = _market(market)
        if account is not None:
            name = market_of(await opened.store.accounts.by_name(account))
        changed = 0
        for start in steps("Importing", range(0, len(candles), _ROWS_AT_ONCE)):
            rows = candles[start : start + _ROWS_AT_ONCE]
            changed += await opened.store.candles.upsert(name, file.inst_id, file.interval, rows)
        return name, changed


def _market(name: str | None) -> str:
    known = ("okx:live", "okx:demo")
    if name is None:
        return known[0]
    if name not in known:
        raise ConfigurationError(
            f"market {name!r} is unknown; use one of {', '.join(known)}, or --account for a paper exchange"
        )
    return name


@app.command()
def sync(
    account: Annotated[str, typer.Option(help="The account whose exchange is read, by name.")],
    inst_id: Annotated[str, typer.Option("--inst-id", help="The instrument, for example ETH-USDT.")],
    interval: Annotated[str, typer.Option(help="Length of the candles: 1m to 30m, 1H to 12H, 1D.")] = "1H",
    start: Annotated[
        datetime | None, time_option("--from", help="First open time (UTC where it names no zone).")
    ] = None,
    end: Annotated[datetime | None, time_option("--to", help="End; the present where not given.")] = None,
    candles: Annotated[
        int, count_option("--candles", help="How many candles back, where --from is not given.")
    ] = 1000,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Back-fill candles from an account's exchange, and fill the gaps in what is kept."""
    from kokex.cli.backfill import Wanted, backfill
    from kokex.domain.candle import Interval

    wanted = Wanted(account, inst_id.upper(), Interval(interval), start, end, candles)
    done = run_async(backfill(wanted))
    if as_json:
        say_json(asdict(done) | {"interval": str(done.interval)})
    else:
        say(
            f"{done.changed} candles of {done.inst_id} {done.interval} are new or changed, between "
            f"{market_time(done.start)} and {market_time(done.end)} UTC (market {done.market})."
        )


@app.command()
def show(as_json: Annotated[bool, AsJson] = False) -> None:
    """Show which candles are kept, and how many are missing among them."""

    async def read() -> list[CandleSummary]:
        from kokex.bootstrap import application

        settings = load_settings()
        quiet_logs(settings)
        async with application(settings) as opened:
            return await opened.store.candles.summary()

    rows = run_async(read())
    if as_json:
        say_json([asdict(row) | {"interval": str(row.interval)} for row in rows])
    elif not rows:
        say("No candles are kept yet; `kokex data import` or `kokex data sync` brings some.")
    else:
        columns = ("market", "instrument", "interval", "candles", "first (UTC)", "last (UTC)", "missing")
        say_table("", columns, [_row(row) for row in rows])


def _row(row: CandleSummary) -> tuple[str, ...]:
    times = (market_time(row.first), market_time(row.last))
    return (row.market, row.inst_id, str(row.interval), str(row.candles), *times, str(row.missing))


def _import_document(file: CandleFile, market: str, changed: int) -> dict[str, Any]:
    report = file.report
    return {
        "market": market,
        "inst_id": file.inst_id,
        "interval": str(file.interval),
        "rows": report.rows,
        "kept": report.kept,
        "changed": changed,
        "missing": report.missing,
        "flaws": [
            {
                "kind": flaw.kind.name.lower(),
                "count": flaw.count,
                "first_line": flaw.examples[0].line,
                "first_value": flaw.examples[0].value,
            }
            for flaw in report.flaws
        ],
    }

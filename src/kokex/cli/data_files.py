"""Candles from files into the database, and out again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kokex.adapters.candle_files import CandleFile, read_candle_file, write_candle_file
from kokex.cli.data_target import Target, market_named, market_of_file, user_path, written_file
from kokex.cli.output import note, say, say_json
from kokex.cli.progress import work
from kokex.cli.running import opened_application
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import AMOUNT, CandleKey, CandleRows, moment
from kokex.domain.errors import ConfigurationError, DataError

_ROWS_AT_ONCE: Final = 100_000
_FREQTRADE: Final = {"H": "h", "D": "d", "W": "w"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A file, and what its user says of it."""

    path: Path
    market: str | None = None
    account: str | None = None
    inst_id: str | None = None
    interval: str | None = None


async def import_candles(wish: Wish, *, lenient: bool, as_json: bool) -> None:
    """Read the file and keep its candles; in parts, so that it may be stopped at any moment."""
    length = Interval(wish.interval) if wish.interval is not None else None
    name = wish.inst_id.upper() if wish.inst_id is not None else None
    file = read_candle_file(wish.path, strict=not lenient, inst_id=name, interval=length)
    if file.inst_id is None:
        raise ConfigurationError(f"{wish.path} does not tell its instrument; name it: --inst-id ETH-USDT")
    async with opened_application() as opened:
        market = await market_named(opened.store, wish.market, wish.account) or market_of_file(wish.path)
        key = CandleKey(market, file.inst_id, file.interval)
        changed = 0
        with work(f"Importing {key}", len(file)) as bar:
            for start in range(0, len(file), _ROWS_AT_ONCE):
                part = file.rows[start : start + _ROWS_AT_ONCE]
                changed += await opened.store.candles.keep(key, part)
                bar(start + len(part))
    if as_json:
        say_json(_import_document(file, key.market, changed))
        return
    for flaw in file.report.flaws:
        note(str(flaw))
    say(
        f"{len(file)} candles of {key.inst_id} {key.interval} from {wish.path.name} are kept for {key.market}, {changed} new or "
        f"changed; {file.report.rows - file.report.kept} rows left out, {file.report.missing} candles missing in gaps."
    )


async def export_candles(target: Target, output: Path, *, overwrite: bool, as_json: bool) -> None:
    """Write candles of a file or of the database to `output`, which must not be there yet unless `overwrite`."""
    window = target.window()
    start, end = (window.start, window.end) if window else (None, None)
    if (path := target.path) is not None:
        inst_id = target.inst_id.upper() if target.inst_id else None
        file = read_candle_file(path, strict=False, inst_id=inst_id, interval=target.length)
        name, interval, rows = file.inst_id, file.interval, file.rows
        rows = rows.between(window.start, window.end) if window else rows
    else:
        async with opened_application() as opened:
            key = await target.key(opened.store)
            name, interval = key.inst_id, key.interval
            rows = await opened.store.candles.read(key, start, end)
    if not len(rows):
        raise DataError(f"no candles of {target.name} lie in that time; nothing was written")
    place = _place(output, name, interval)
    if place.exists() and not overwrite:
        raise ConfigurationError(
            f"{place} is there already and was left as it is; replace it with --overwrite"
        )
    write_candle_file(place, rows.open_times, rows.values)
    _tell_export(place, rows, interval, as_json=as_json)


def freqtrade_name(inst_id: str, interval: Interval) -> str:
    """The file that freqtrade looks for: `ETH_USDT-1h.feather`, `BTC_USDT_USDT-1h-futures.feather`.

    Raises:
        ConfigurationError: freqtrade has no such timeframe (its days are those of UTC).
    """
    if interval.utc_offset:
        raise ConfigurationError(
            f"freqtrade's days are those of UTC, {interval} follows UTC+8; export {interval}utc"
        )
    timeframe = interval.name.removesuffix("utc")
    timeframe = timeframe[:-1] + _FREQTRADE.get(timeframe[-1], timeframe[-1])
    base, quote, *swap = inst_id.split("-")
    return (
        f"{base}_{quote}_{quote}-{timeframe}-futures.feather"
        if swap
        else f"{base}_{quote}-{timeframe}.feather"
    )


def _place(output: Path, inst_id: str | None, interval: Interval) -> Path:
    path = user_path(output)
    if not path.is_dir():
        return written_file(path)
    if inst_id is None:
        raise ConfigurationError("the instrument is not known, so the file cannot be named; add --inst-id")
    return path / freqtrade_name(inst_id, interval)


def _tell_export(place: Path, rows: CandleRows, interval: Interval, *, as_json: bool) -> None:
    first, last = moment(int(rows.open_times[0])), moment(int(rows.open_times[-1]))
    missing = interval.count(first, interval.close_time(last)) - len(rows)
    if as_json:
        say_json({"file": place, "candles": len(rows), "first": first, "last": last, "missing": missing})
        return
    say(f"{len(rows)} candles, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, are in {place}.")
    if missing:
        note(f"{missing} candles are missing among them.")
    if place.suffix == ".feather" and (rows.values[:, AMOUNT] == rows.values[:, AMOUNT]).any():
        note("freqtrade's layout has no place for the amount: it was left out.")


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

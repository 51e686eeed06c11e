"""What is kept: the list of candles, and the ledger of one."""

from __future__ import annotations

from dataclasses import asdict

from kokex.cli.data_target import Target
from kokex.cli.output import market_time, say, say_json, say_table
from kokex.cli.running import opened_application
from kokex.domain.time_range import RangeSet
from kokex.ports.candles import CandleSummary


async def list_kept(*, as_json: bool) -> None:
    """Every market, instrument and interval of which candles are kept."""
    async with opened_application() as opened:
        rows = await opened.store.candles.summary()
    if as_json:
        say_json([asdict(row) | {"interval": str(row.interval)} for row in rows])
    elif not rows:
        say("No candles are kept yet; `kokex data import` or `kokex data sync` brings some.")
    else:
        columns = (
            "market",
            "instrument",
            "interval",
            "candles",
            "first (UTC)",
            "last (UTC)",
            "missing",
            "gaps",
        )
        say_table("", columns, [_row(row) for row in rows])


async def show_ranges(target: Target, *, as_json: bool) -> None:
    """The ledger of what `target` names."""
    async with opened_application() as opened:
        key = await target.key(opened.store)
        ledger = await opened.store.candles.ledger(key)
        gaps = await opened.store.candles.gaps(key)
    if as_json:
        say_json(
            {
                "market": key.market,
                "inst_id": key.inst_id,
                "interval": str(key.interval),
                "begins_at": ledger.begins_at,
                "complete": _document(ledger.complete),
                "gaps": _document(gaps),
                "confirmed": _document(ledger.confirmed),
            }
        )
        return
    begins = "not known" if ledger.begins_at is None else f"{market_time(ledger.begins_at)} UTC"
    say(
        f"{key}: {len(ledger.complete)} complete stretches, {len(gaps)} gaps; the exchange begins at: {begins}"
    )
    parts = sorted([(one, "complete") for one in ledger.complete] + [(one, "gap") for one in gaps])
    rows = [
        (words, market_time(one.start), market_time(one.end), str(key.interval.count(one.start, one.end)))
        for one, words in parts
    ]
    say_table("", ("", "from (UTC)", "to, not included", "candles"), rows)


def _row(row: CandleSummary) -> tuple[str, ...]:
    times = (market_time(row.first), market_time(row.last))
    return (
        *(row.market, row.inst_id, str(row.interval), str(row.candles)),
        *(*times, str(row.missing), str(row.gaps)),
    )


def _document(ranges: RangeSet) -> list[dict[str, object]]:
    return [{"start": one.start, "end": one.end} for one in ranges]

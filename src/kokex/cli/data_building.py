"""Longer candles out of shorter ones, compared with the exchange's own."""

from __future__ import annotations

from dataclasses import replace

from kokex.bootstrap import Application
from kokex.cli.data_target import Target
from kokex.cli.output import say, say_json, say_table
from kokex.cli.running import opened_application
from kokex.domain.candle import Interval
from kokex.domain.candle_building import Built, Difference
from kokex.services.accounts import AccountSessions
from kokex.services.market_data import LongerCandles

_SHOWN = 20


async def build_candles(target: Target, interval: str, *, keep: bool, as_json: bool) -> None:
    """Build, compare where an account is named, keep where that is wished, and tell."""
    longer = Interval(interval)
    async with opened_application() as opened:
        named = target if target.market is None else replace(target, account=None)
        key = await named.key(opened.store)
        service = LongerCandles(opened.store.candles)
        built = await service.build(key, longer)
        compared, differences = None, list[Difference]()
        if target.account is not None:
            compared, differences = await _compare(opened, service, target, longer, built)
        kept = await service.keep(key, longer, built.rows) if keep else 0
    if as_json:
        say_json(
            {
                "market": key.market,
                "inst_id": key.inst_id,
                "source": str(key.interval),
                "interval": str(longer),
                "built": len(built.rows),
                "incomplete": [
                    {"open_time": one.open_time, "parts": one.parts, "needed": one.needed}
                    for one in built.incomplete
                ],
                "kept": kept,
                "compared": compared,
                "differences": [
                    {"open_time": one.open_time, "column": one.column, "built": one.built, "told": one.told}
                    for one in differences
                ],
            }
        )
        return
    say(
        f"{len(built.rows)} candles of {key.inst_id} {longer} are built from {key.interval}; "
        f"{len(built.incomplete)} are not whole and were left out."
    )
    if keep:
        say(f"{kept} of them are kept for {key.market}.")
    if compared is not None:
        say(f"{compared} were compared with the exchange's own: {len(differences)} numbers differ.")
        rows = [
            (f"{one.open_time:%Y-%m-%d %H:%M}", one.column, repr(one.built), repr(one.told))
            for one in differences[:_SHOWN]
        ]
        if rows:
            say_table("", ("open time (UTC)", "number", "built", "the exchange's"), rows)


async def _compare(
    opened: Application, service: LongerCandles, target: Target, longer: Interval, built: Built
) -> tuple[int, list[Difference]]:
    account = await opened.store.accounts.by_name(target.account or "")
    sessions = AccountSessions(opened.store, opened.clock, opened.adapter)
    try:
        session = await sessions.open(account.id)
        return await service.differences(session.exchange, target.name.upper(), longer, built.rows)
    finally:
        await sessions.close()

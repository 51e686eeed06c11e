"""`kokex streams`: how the accounts' streams stand, and who shares them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import note, say, say_json, say_table, when
from kokex.cli.running import with_application

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokex.bootstrap import Application
    from kokex.ports.store import SubscriptionStatus

app = typer.Typer()

SILENT = timedelta(seconds=30)
"""An engine writes every ten seconds; what is older than this was left by one that is down."""


@app.command()
def streams(as_json: Annotated[bool, AsJson] = False) -> None:
    """Show the accounts' streams: who shares them, since when, last event, counts, reconnects, lag, what is refused.

    The engine writes them as they change; without an engine they are what it wrote last. Counts are those of the connection,
    lag is the newest and the worst of five minutes, in seconds: the exchange's delay, the network's, and what the two clocks
    differ by.
    """

    async def read(opened: Application) -> tuple[list[SubscriptionStatus], dict[int, str], datetime]:
        names = {plan.id: plan.name for plan in await opened.store.plans.list()}
        return await opened.store.subscriptions.list(), names, opened.clock.now()

    statuses, names, now = with_application(read)
    if as_json:
        say_json(
            [{"plan": names.get(row.plan_id), "state": state(row, now), **asdict(row)} for row in statuses]
        )
    elif not statuses:
        say("No subscriptions yet; they come with the first plan that the engine puts to work.")
    else:
        columns = ("connection", "plan", "instrument", "state", "connected", "last event", "events", "reports", "reconnects", "lag", "flaws", "reconciled")  # fmt: skip
        ordered = sorted(statuses, key=lambda row: (row.connection_key, row.plan_id))
        say_table("", columns, [_row(row, names, now) for row in ordered])
        for line in remarks(ordered, now):
            note(line)


def state(row: SubscriptionStatus, now: datetime) -> str:
    """One word for how a subscription stands."""
    if not row.active:
        return "ended"
    if row.updated_at is None or now - row.updated_at > SILENT:
        return "unknown"
    if row.stopped is not None:
        return "stopped"
    return "connected" if row.connected_since else "connecting"


def remarks(statuses: Sequence[SubscriptionStatus], now: datetime) -> list[str]:
    """What a person must know besides: an engine that is down, what a connection is refused, why one is stopped."""
    lines = []
    left = [row for row in statuses if state(row, now) == "unknown"]
    if left:
        newest = max((row.updated_at for row in left if row.updated_at is not None), default=None)
        lines.append(
            f"No engine keeps {len(left)} of these up to date: what they show is as of {when(newest)}, when one last wrote."
        )
    said: dict[str, None] = {}
    for row in statuses:
        if row.active and row.stopped is not None:
            alone = f" for {row.inst_id}" if row.connected_since else ""
            said[f"{row.connection_key} is stopped{alone}: {row.stopped}"] = None
        if row.active:
            for channel, reason in row.refused.items():
                said[f"{row.connection_key} is not given {channel}: {reason}"] = None
    return lines + list(said)


def _row(row: SubscriptionStatus, names: dict[int, str], now: datetime) -> tuple[str, ...]:
    return (
        row.connection_key,
        names.get(row.plan_id, str(row.plan_id)),
        row.inst_id,
        state(row, now),
        when(row.connected_since),
        when(row.last_event_at),
        str(row.events),
        str(row.reports),
        str(row.reconnects),
        _lag(row),
        str(row.flaws),
        when(row.reconciled_at),
    )


def _lag(row: SubscriptionStatus) -> str:
    if row.lag_seconds is None or row.worst_lag_seconds is None:
        return "-"
    return f"{row.lag_seconds:.3f} / {row.worst_lag_seconds:.3f}"

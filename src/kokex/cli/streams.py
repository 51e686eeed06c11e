"""`kokex streams`: how each plan's order subscription stands."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json, say_table, when
from kokex.cli.running import load_settings, quiet_logs, run_async

if TYPE_CHECKING:
    from kokex.ports.store import SubscriptionStatus

app = typer.Typer()


@app.command()
def streams(as_json: Annotated[bool, AsJson] = False) -> None:
    """Show the order subscriptions: connected since when, last event, reconnects, last reconciliation.

    The engine writes them as they change; without an engine they are what it wrote last.
    """

    async def read() -> tuple[list[SubscriptionStatus], dict[int, str]]:
        from kokex.bootstrap import application

        settings = load_settings()
        quiet_logs(settings)
        async with application(settings) as opened:
            names = {plan.id: plan.name for plan in await opened.store.plans.list()}
            return await opened.store.subscriptions.list(), names

    statuses, names = run_async(read())
    if as_json:
        say_json([{"plan": names.get(row.plan_id), **asdict(row)} for row in statuses])
    elif not statuses:
        say("No subscriptions yet; they come with the first plan that the engine puts to work.")
    else:
        columns = ("plan", "connection", "instrument", "state", "connected", "last event", "events", "reconnects", "reconciled")  # fmt: skip
        say_table("", columns, [_row(row, names) for row in statuses])


def _row(row: SubscriptionStatus, names: dict[int, str]) -> tuple[str, ...]:
    state = "ended" if not row.active else "connected" if row.connected_since else "connecting"
    return (
        names.get(row.plan_id, str(row.plan_id)),
        row.connection_key,
        row.inst_id,
        state,
        when(row.connected_since),
        when(row.last_event_at),
        str(row.events),
        str(row.reconnects),
        when(row.reconciled_at),
    )

"""`kokex agent alerts`: the prices that a plan's agent wants to be woken at."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import AsJson, count_option
from kokex.cli.output import plain, say, say_json, say_table, when
from kokex.cli.running import opened_application, run_async

if TYPE_CHECKING:
    from kokex.domain.notice import PriceAlert


def alerts(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name or number.")],
    remove: Annotated[
        int | None, count_option("--remove", help="Take the alert of this number away.")
    ] = None,
    limit: Annotated[int, count_option("--limit", help="How many of the latest.")] = 20,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show a plan's price alerts, newest first, and what became of them; or take one away.

    The agent sets them itself (`set_price_alert`); each wakes it once.
    """
    name, kept = run_async(_alerts(plan, remove, limit))
    if as_json:
        say_json([_document(one) for one in kept])
    elif not kept:
        say(f"The agent of plan {name} has set no price alert.")
    else:
        columns = ("alert", "price", "set", "state", "note")
        rows = [
            (
                str(one.id),
                f"{one.direction.value} {plain(one.price)}",
                when(one.made_at),
                _state(one),
                one.note or "-",
            )
            for one in kept
        ]
        say_table(f"Price alerts of {name}", columns, rows)


async def _alerts(plan: str, remove: int | None, limit: int) -> tuple[str, list[PriceAlert]]:
    from kokex.cli.finding import find_plan
    from kokex.domain.errors import NotFoundError

    async with opened_application() as opened:
        found = await find_plan(opened.store, plan)
        if remove is not None and not await opened.store.alerts.remove(found.id, remove, opened.clock.now()):
            raise NotFoundError(
                f"plan {found.name} has no alert {remove} that waits; `kokex agent alerts {found.name}` shows them"
            )
        return found.name, await opened.store.alerts.of(found.id, limit=limit)


def _state(alert: PriceAlert) -> str:
    if alert.fired_at is not None:
        at = "" if alert.fired_price is None else f" at {plain(alert.fired_price)}"
        return f"fired {when(alert.fired_at)}{at}"
    return "waits" if alert.removed_at is None else f"removed {when(alert.removed_at)}"


def _document(alert: PriceAlert) -> dict[str, Any]:
    return {
        "alert": alert.id,
        "price": alert.price,
        "direction": alert.direction,
        "note": alert.note,
        "set_at": alert.made_at,
        "fired_at": alert.fired_at,
        "fired_price": alert.fired_price,
        "removed_at": alert.removed_at,
    }

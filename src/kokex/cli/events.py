"""`kokex events`: the journal of order events."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import count_option
from kokex.cli.output import market_time, plain, say, say_json
from kokex.cli.running import load_settings, quiet_logs, run_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kokex.bootstrap import Application
    from kokex.domain.events import OrderEvent
    from kokex.domain.plan import Plan
    from kokex.ports.store import Store

app = typer.Typer(no_args_is_help=True, help="The journal of order events.")

PAGE = 1000
POLL_SECONDS = 0.25


@app.callback()
def _events() -> None:
    """The journal of order events."""


@app.command()
def tail(
    plan: Annotated[
        str | None, typer.Argument(help="The plan's name or number; all plans where not given.")
    ] = None,
    last: Annotated[int, count_option("--last", "-n", help="Show this many of the newest events.")] = 20,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on showing events as they are journalled, until Ctrl-C."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the newest order events, oldest of them first."""
    run_async(_tail(plan, last, follow=follow, as_json=as_json))


async def _tail(name: str | None, last: int, *, follow: bool, as_json: bool) -> None:
    from kokex.bootstrap import application

    settings = load_settings()
    quiet_logs(settings)
    async with application(settings) as opened:
        names: dict[int, str] = {}
        cursors: dict[int, int] = {}
        first: deque[OrderEvent] = deque(maxlen=last)
        for plan in await _plans(opened, name):
            names[plan.id] = plan.name
            async for event in _after(opened.store, plan.id, cursors):
                first.append(event)
        _show(sorted(first, key=lambda event: event.id), names, as_json=as_json)
        while follow:
            await asyncio.sleep(POLL_SECONDS)
            for plan in await _plans(opened, name):
                names[plan.id] = plan.name
                fresh = [event async for event in _after(opened.store, plan.id, cursors)]
                _show(fresh, names, as_json=as_json)


async def _plans(opened: Application, name: str | None) -> list[Plan]:
    from kokex.cli.finding import find_plan

    if name is not None:
        return [await find_plan(opened.store, name)]
    return await opened.store.plans.list()


async def _after(store: Store, plan_id: int, cursors: dict[int, int]) -> AsyncIterator[OrderEvent]:
    """Events of a plan that were not read yet, page by page."""
    while True:
        page = await store.journal.events_after(plan_id, cursors.get(plan_id, 0), limit=PAGE)
        for event in page:
            cursors[plan_id] = event.id
            yield event
        if len(page) < PAGE:
            return


def _show(events: list[OrderEvent], names: dict[int, str], *, as_json: bool) -> None:
    for event in events:
        if as_json:
            say_json(_document(event, names))
        else:
            say(event_line(event, names.get(event.plan_id, str(event.plan_id))))


def event_line(event: OrderEvent, plan_name: str) -> str:
    """One event as one line for a person."""
    update = event.update
    fill = f" {plain(update.fill.quantity)} at {plain(update.fill.price)}" if update.fill else ""
    price = f" at {plain(update.price)}" if update.price is not None else ""
    whose = " (not this plan's order)" if event.external else ""
    return (
        f"{event.id:>7}  {market_time(update.occurred_at)}  {plan_name}  {event.event_type}{fill}  "
        f"{update.order_type} {plain(update.quantity)} {update.inst_id}{price}, "
        f"filled {plain(update.filled_quantity)}{whose}"
    )


def _document(event: OrderEvent, names: dict[int, str]) -> dict[str, Any]:
    update, fill = event.update, event.update.fill
    return {
        "id": event.id,
        "plan": names.get(event.plan_id),
        "event_type": event.event_type,
        "event_key": event.event_key,
        "inst_id": update.inst_id,
        "order_id": update.order_id,
        "client_order_id": update.client_order_id,
        "side": update.side,
        "status": update.status,
        "quantity": update.quantity,
        "price": update.price,
        "filled_quantity": update.filled_quantity,
        "average_price": update.average_price,
        "fill": None
        if fill is None
        else {
            "trade_id": fill.trade_id,
            "price": fill.price,
            "quantity": fill.quantity,
            "fee": fill.fee,
            "fee_currency": fill.fee_currency,
        },
        "source": event.source,
        "external": event.external,
        "occurred_at": update.occurred_at,
        "received_at": event.received_at,
    }

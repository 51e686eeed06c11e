"""`kokex events`: the journals of order events and of account events."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import count_option
from kokex.cli.output import market_time, plain, say, say_json
from kokex.cli.running import opened_application, run_async
from kokex.domain.account_reports import BalanceReport, FillReport, MarginWarning, StopReport
from kokex.domain.events import EventSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from decimal import Decimal

    from kokex.bootstrap import Application
    from kokex.domain.account_events import AccountEventRecord
    from kokex.domain.events import OrderEvent
    from kokex.domain.plan import Plan
    from kokex.ports.store import Store

app = typer.Typer(no_args_is_help=True, help="The journals of order events and of account events.")

Last = Annotated[int, count_option("--last", "-n", help="Show this many of the newest events.")]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on showing events as they are journalled, until Ctrl-C.")
]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

PAGE = 1000
POLL_SECONDS = 0.25


@app.callback()
def _events() -> None:
    """The journals of order events and of account events."""


@app.command()
def tail(
    plan: Annotated[
        str | None, typer.Argument(help="The plan's name or number; all plans where not given.")
    ] = None,
    last: Last = 20,
    follow: Follow = False,
    as_json: JsonLines = False,
) -> None:
    """Show the newest order events, oldest of them first."""
    run_async(_tail(plan, last, follow=follow, as_json=as_json))


@app.command()
def account(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")],
    last: Last = 20,
    follow: Follow = False,
    as_json: JsonLines = False,
) -> None:
    """Show an account's newest events, oldest of them first: positions, balances, stops, margin warnings, reported fills."""
    run_async(_account(name, last, follow=follow, as_json=as_json))


async def _account(name: str, last: int, *, follow: bool, as_json: bool) -> None:
    async with opened_application() as opened:
        journal = opened.store.account_journal
        owner = await opened.store.accounts.by_name(name, removed=True)
        records = await journal.latest(owner.id, limit=last)
        cursor = 0
        while True:
            for record in records:
                cursor = record.id
                say_json(account_document(record, owner.name)) if as_json else say(account_event_line(record))
            if not follow:
                return
            if len(records) < PAGE:
                await asyncio.sleep(POLL_SECONDS)
            records = await journal.events_after(owner.id, cursor, limit=PAGE)


def account_event_line(record: AccountEventRecord) -> str:
    """One account event as one line for a person."""
    event = record.event
    words = [event.inst_id or event.currency or ""]
    if event.before is not None:
        words.append(f"{plain(event.before)} to {plain(event.after)} ({_signed(event.change)})")
    report = event.report
    if isinstance(report, StopReport):
        words.append(
            f"{report.side.value} {plain(report.quantity)} {report.order_type}, stop {report.stop_id}"
        )
        words += [f"became {', '.join(report.order_ids)}"] if report.order_ids else []
        words += [report.reason] if report.reason else []
    if isinstance(report, FillReport):
        words.append(f"{report.fill.side.value} {plain(report.fill.quantity)} at {plain(report.fill.price)}")
    if isinstance(report, MarginWarning):
        words.append(f"{plain(report.quantity)} held, margin ratio {plain(report.margin_ratio)}")
    if event.cause:
        words.append(event.cause)
    if isinstance(report, BalanceReport) and report.trade_ids:
        words.append(f"trades {', '.join(report.trade_ids)}")
    found = " (found by reconciling)" if record.source is EventSource.RECONCILE else ""
    return f"{record.id:>7}  {market_time(event.occurred_at)}  {event.kind.value}  {', '.join(words)}{found}"


def account_document(record: AccountEventRecord, account_name: str) -> dict[str, Any]:
    """One account event as JSON-ready values."""
    event = record.event
    details = {key: value for key, value in asdict(event.report).items() if key not in ("raw", "snapshot")}
    return {
        "id": record.id,
        "account": account_name,
        "event_type": event.kind,
        "event_key": event.event_key,
        "inst_id": event.inst_id,
        "currency": event.currency,
        "before": event.before,
        "after": event.after,
        "change": event.change,
        "cause": event.cause,
        "report": details,
        "source": record.source,
        "occurred_at": event.occurred_at,
        "received_at": record.received_at,
    }


def _signed(change: Decimal | None) -> str:
    return f"+{plain(change)}" if change is not None and change > 0 else plain(change)


async def _tail(name: str | None, last: int, *, follow: bool, as_json: bool) -> None:
    async with opened_application() as opened:
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
        f"filled {plain(update.filled_quantity)}{' by then (told late)' if update.late else ''}{whose}"
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
        "late": update.late,
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

"""`kokex order`: orders that are not closed, and settling those that the exchange has no trace of."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import plain, say, say_json, say_table, when
from kokex.cli.running import with_application, with_plan

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.plan import Plan

app = typer.Typer(no_args_is_help=True, help="Orders that are not closed; settle those without a trace.")


@app.command("list")
def list_orders(
    plan: Annotated[str | None, typer.Argument(metavar="[PLAN]", help="A plan's name or number.")] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show the orders that are open, in flight, unknown or waiting for approval, and what is the matter with them."""
    from kokex.cli.finding import find_plan

    async def read(opened: Application) -> list[dict[str, Any]]:
        chosen = None if plan is None else (await find_plan(opened.store, plan)).id
        names = {one.id: one.name for one in await opened.store.plans.list()}
        return [
            {
                "client_order_id": order.client_order_id,
                "order_id": order.order_id,
                "plan": names.get(order.plan_id, str(order.plan_id)),
                "inst_id": order.inst_id,
                "side": order.side.value,
                "order_type": order.order_type,
                "quantity": order.quantity,
                "filled_quantity": order.filled_quantity,
                "price": order.price,
                "status": order.status,
                "created_at": order.created_at,
                "reason": order.reason,
                "change_under_way": None if order.amending is None else asdict(order.amending),
                "stops": None if order.stops is None else asdict(order.stops),
            }
            for order in await opened.store.orders.pending(plan_id=chosen)
        ]

    orders = with_application(read)
    if as_json:
        say_json(orders)
        return
    if not orders:
        say("No order is open, in flight, unknown or waiting for approval.")
        return
    columns = ("order", "plan", "instrument", "side", "type", "quantity", "filled", "price", "status", "since", "reason")  # fmt: skip
    say_table("", columns, [_row(order) for order in orders])


@app.command()
def parents(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A plan's name or number.")],
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="How many of the latest.")] = 20,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show the plan's latest parent orders: large ones, worked by smaller ones, and how far each has come."""
    from kokex.domain.parent_order import progress_of

    async def read(opened: Application, chosen: Plan) -> list[dict[str, Any]]:
        told = []
        for record in await opened.store.parent_orders.latest(chosen.id, limit=most):
            orders = await opened.store.orders.of_decision(chosen.id, record.parent.decision_id)
            progress = progress_of(record.parent, orders)
            filled = {"number": record.number, "filled": progress.filled, "child_orders": progress.children}
            told.append(asdict(record.parent) | filled)
        return told

    found = with_plan(plan, read)
    if as_json:
        say_json(found)
        return
    if not found:
        say("This plan asked for no parent order.")
        return
    columns = ("number", "decision", "side", "style", "quantity", "filled", "orders", "limit price", "until", "status", "reason")  # fmt: skip
    say_table("", columns, [_parent_row(parent) for parent in found])


@app.command()
def settle(
    client_order_id: Annotated[str, typer.Argument(help="The order's own name: see `kokex order list`.")],
    unasked: Annotated[
        bool,
        typer.Option("--unasked", help="The exchange cannot be asked about it any more: settle it anyway."),
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Declare an order over, with nothing filled beyond what is on record, after you looked it up at the exchange.

    For orders of which the exchange has no trace left and whose fate nothing proves; until then they count as pending. One that
    the exchange still knows is refused: the engine records what becomes of it.
    """
    from kokex.services.settling import settle_order

    async def declare(opened: Application) -> Any:
        return await settle_order(
            opened.store, opened.clock, opened.adapter, client_order_id, unasked=unasked
        )

    order = with_application(declare)
    if as_json:
        say_json({"client_order_id": order.client_order_id, "status": order.status, "reason": order.reason})
    else:
        say(f"Order {order.client_order_id} is {order.status.value}: {order.reason}")


def _row(order: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(order["client_order_id"] or order["order_id"]),
        order["plan"],
        order["inst_id"],
        order["side"],
        order["order_type"],
        plain(order["quantity"]),
        plain(order["filled_quantity"]),
        plain(order["price"]),
        order["status"].value,
        when(order["created_at"]),
        order["reason"] or "-",
    )


def _parent_row(parent: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(parent["number"]),
        str(parent["decision_id"]),
        parent["side"].value,
        parent["style"].value,
        plain(parent["quantity"]),
        plain(parent["filled"]),
        str(parent["child_orders"]),
        plain(parent["limit_price"]),
        when(parent["ends_at"]),
        parent["status"].value,
        parent["reason"] or "-",
    )

"""`kokex plan`: what a user runs."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.option_groups import grouped
from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json, say_table
from kokex.cli.plan_options import (
    AgentOptions,
    CapitalOptions,
    ForecastOptions,
    GrantOptions,
    LimitOptions,
)
from kokex.cli.running import load_settings, with_application, with_plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kokex.bootstrap import Application
    from kokex.domain.plan import Plan
    from kokex.ports.permissions import CapitalChange, PermissionChange

app = typer.Typer(no_args_is_help=True, help="Create, show, start, pause and stop plans.")

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name or number.")]


@app.command()
@grouped
def create(
    *,
    name: Annotated[str, typer.Argument(help="What to call the plan.")],
    account: Annotated[str, typer.Option(help="The account it trades on, by name.")],
    inst_id: Annotated[
        str, typer.Option("--inst-id", help="The instrument: ETH-USDT (spot), ETH-USDT-SWAP (perpetual).")
    ],
    interval: Annotated[
        str,
        typer.Option(help="Length of its candles, OKX's names: 1m, 15m, 1H, 4H, 1Dutc (UTC), 1D (UTC+8)..."),
    ] = "1H",
    limit_options: LimitOptions,
    grant_options: GrantOptions,
    capital_options: CapitalOptions,
    agent_options: AgentOptions,
    forecast_options: ForecastOptions,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Create a plan: one instrument and interval on one account, a forecaster, an agent, hard limits.

    The exchange is asked about the instrument first. The plan does nothing until `kokex plan start`, and only watches unless it is
    granted tools that trade.
    """
    from dataclasses import replace

    from kokex.cli.plan_settings import check_forecaster
    from kokex.cli.plan_tools import tools_document, tools_sentence
    from kokex.domain.candle import Interval
    from kokex.domain.plan import NewPlan

    limits = limit_options.limits()
    agent = replace(agent_options.settings(), trading_tools=grant_options.tools())
    forecast = forecast_options.settings()
    use = capital_options.settings()

    async def keep(opened: Application) -> Plan:
        owner = await opened.store.accounts.by_name(account)
        wish = NewPlan(
            name.strip(), owner.id, inst_id.upper(), Interval(interval), limits, agent, forecast, use
        )
        check_forecaster(wish.forecast)
        return await opened.plans.create(wish)

    plan = with_application(keep)
    if as_json:
        facts = {"id": plan.id, "name": plan.name, "status": plan.status, "inst_id": plan.inst_id}
        say_json(facts | tools_document(plan))
    else:
        say(f"Plan {plan.name} is created (number {plan.id}). Start it: kokex plan start {plan.name}")
        say(tools_sentence(plan))


@app.command("list")
def list_plans(as_json: Annotated[bool, AsJson] = False) -> None:
    """Show the plans."""

    async def read(opened: Application) -> list[dict[str, Any]]:
        names = {account.id: account.name for account in await opened.store.accounts.list(removed=True)}
        return [
            {
                "id": plan.id,
                "name": plan.name,
                "status": plan.status.value,
                "account": names.get(plan.account_id, str(plan.account_id)),
                "inst_id": plan.inst_id,
                "interval": str(plan.interval),
            }
            for plan in await opened.store.plans.list()
        ]

    plans = with_application(read)
    if as_json:
        say_json(plans)
    elif not plans:
        say("No plans yet; create one: kokex plan create NAME --account ACCOUNT --inst-id ETH-USDT")
    else:
        say_table("", tuple(plans[0]), [tuple(str(value) for value in plan.values()) for plan in plans])


@app.command()
def show(plan: PlanName, as_json: Annotated[bool, AsJson] = False) -> None:
    """Show a plan: settings, holding, profit or loss, open orders, forecast, latest decisions."""
    from kokex.cli.plan_report import document, print_report, read_report

    report = with_plan(plan, read_report)
    if as_json:
        say_json(document(report))
    else:
        print_report(report)


@app.command()
def start(plan: PlanName, as_json: Annotated[bool, AsJson] = False) -> None:
    """Have a plan run, or go on after a pause. The engine (`kokex up`) makes it so."""
    _wish(plan, lambda opened, number: opened.plans.start(number), as_json=as_json)


@app.command()
def pause(plan: PlanName, as_json: Annotated[bool, AsJson] = False) -> None:
    """Have a plan keep watching and journalling, but wake no agent and send nothing new."""
    _wish(plan, lambda opened, number: opened.plans.pause(number), as_json=as_json)


@app.command()
def stop(plan: PlanName, as_json: Annotated[bool, AsJson] = False) -> None:
    """Have a plan's open orders canceled and its subscriptions ended. What it holds stays."""
    _wish(plan, lambda opened, number: opened.plans.stop(number), as_json=as_json)


@app.command()
@grouped
def tools(
    *,
    plan: PlanName,
    by: Annotated[
        str, typer.Option("--by", help="Who decides it, for the record.", default_factory=getpass.getuser)
    ],
    grant_options: GrantOptions,
    watch_only: Annotated[bool, typer.Option("--watch-only", help="Take all tools that trade away.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show which tools that trade a plan's agent has and who changed them, or set them: from the next turn on it has exactly these.

    What is open or held stays: `kokex plan stop` cancels, `kokex risk halt --flatten` ends a holding.
    """
    from kokex.cli.plan_tools import change_rows, tools_document, tools_sentence

    wanted = grant_options.tools(watch_only=watch_only)

    async def keep(opened: Application, found: Plan) -> tuple[Plan, list[PermissionChange]]:
        if wanted or watch_only:
            found = await opened.plans.grant(found.id, wanted, by=by, reason=reason.strip())
        return found, await opened.store.plans.permission_changes(found.id)

    kept, changes = with_plan(plan, keep)
    if as_json:
        say_json({"id": kept.id, "name": kept.name} | tools_document(kept, changes))
        return
    say(tools_sentence(kept))
    if changes:
        say_table("Changes", ("version", "when", "by", "before", "after", "reason"), change_rows(changes))


@app.command()
def capital(
    plan: PlanName,
    by: Annotated[
        str, typer.Option("--by", help="Who decides it, for the record.", default_factory=getpass.getuser)
    ],
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="sizing=kelly, trailing_stop=5%...; repeat the option."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show how a plan uses its capital (sizing, batches, trailing stop) and who changed it, or change it.

    Limits stay as they are: `kokex risk limits`.
    """
    from kokex.cli.plan_capital import capital_document, capital_rows, change_documents, change_rows

    async def keep(opened: Application, found: Plan) -> tuple[Plan, list[CapitalChange]]:
        if setting:
            found = await opened.plans.use_capital(found.id, setting, by=by, reason=reason.strip())
        return found, await opened.store.plans.capital_changes(found.id)

    kept, changes = with_plan(plan, keep)
    if as_json:
        told = {"capital": capital_document(kept.capital), "changes": change_documents(changes)}
        say_json({"id": kept.id, "name": kept.name} | told)
        return
    say_table(f"Capital of {kept.name}", ("", ""), capital_rows(kept.capital, "quote currency"))
    rows = change_rows(changes)
    if rows:
        say_table("Changes", ("version", "when", "by", "setting", "from", "to", "reason"), rows)


def _wish(name: str, move: Callable[[Application, int], Awaitable[Plan]], *, as_json: bool) -> None:
    from kokex.cli.engine_presence import engine_process

    plan = with_plan(name, lambda opened, found: move(opened, found.id))
    if as_json:
        say_json({"id": plan.id, "name": plan.name, "status": plan.status})
        return
    say(f"Plan {plan.name} is to be {plan.status.value}.")
    if engine_process(load_settings().folder) is None:
        say("No engine works on this data folder now; `kokex up` starts one, and it takes up the plan.")

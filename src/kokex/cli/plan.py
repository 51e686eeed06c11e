"""`kokex plan`: what a user runs."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import getpass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import AsJson, count_option, money_option, seconds_option
from kokex.cli.output import say, say_json, say_table
from kokex.cli.running import load_settings, quiet_logs, run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kokex.bootstrap import Application
    from kokex.domain.plan import NewPlan, Plan

app = typer.Typer(no_args_is_help=True, help="Create, show, start, pause and stop plans.")

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name or number.")]
GrantAll = typer.Option(
    "--trade", help="Grant the agent all tools that trade; without a grant it can only watch."
)
GrantSome = typer.Option(
    "--tool",
    metavar="NAME",
    help="Grant this tool that trades and no others: place_order, cancel_order...; repeat the option.",
)


@app.command()
def create(  # noqa: PLR0917 - Typer makes options of them
    name: Annotated[str, typer.Argument(help="What to call the plan.")],
    account: Annotated[str, typer.Option(help="The account it trades on, by name.")],
    inst_id: Annotated[
        str, typer.Option("--inst-id", help="The instrument: ETH-USDT (spot), ETH-USDT-SWAP (perpetual).")
    ],
    interval: Annotated[
        str,
        typer.Option(help="Length of its candles, OKX's names: 1m, 15m, 1H, 4H, 1Dutc (UTC), 1D (UTC+8)..."),
    ] = "1H",
    max_order: Annotated[
        Decimal, money_option("--max-order", help="Largest single order, in quote currency.")
    ] = Decimal(1000),
    max_position: Annotated[
        Decimal,
        money_option(
            "--max-position", help="Largest holding, in quote currency; orders that may fill are counted."
        ),
    ] = Decimal(5000),
    max_open_orders: Annotated[
        int, count_option("--max-open-orders", help="Orders open or in flight at once.")
    ] = 5,
    max_orders_per_minute: Annotated[
        int, count_option("--max-orders-per-minute", help="Orders let through in any 60 seconds.")
    ] = 60,
    price_collar: Annotated[
        Decimal,
        money_option(
            "--price-collar", help="How far a limit price may be from the last one, as a share (0.05 is 5 %)."
        ),
    ] = Decimal("0.05"),
    cash_reserve: Annotated[
        Decimal, money_option("--cash-reserve", help="Quote currency of the account that no order may touch.")
    ] = Decimal(0),
    allow_short: Annotated[
        bool, typer.Option("--allow-short", help="Let the holding go below zero (perpetuals only).")
    ] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Another limit: capital=1000, max_daily_loss=50, max_drawdown=10%, max_leverage=2, max_orders_per_day=100...; "
            "repeat the option. `kokex risk limits` changes them later.",
        ),
    ] = None,
    trade: Annotated[bool, GrantAll] = False,
    tool: Annotated[list[str] | None, GrantSome] = None,
    sizing: Annotated[
        str,
        typer.Option(
            help="How large a holding to wish for, within the limits: edge, fixed, volatility_target or kelly."
        ),
    ] = "edge",
    capital: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="How it uses its capital: fixed_notional=500, kelly_fraction=25%, unproven_share=2%, target_volatility=20%, "
            "avg_orders_per_batch=3, batch_step=0.2%, trailing_stop=5%...; repeat the option. `kokex plan capital` changes them later.",
        ),
    ] = None,
    prompt: Annotated[str, typer.Option(help="Your own instructions to the agent.")] = "",
    trigger: Annotated[
        list[str] | None,
        typer.Option(
            help="What wakes the agent: forecast, candle, order_event, user (your messages), price_alert (which it sets itself), risk_event (halts, "
            "protections, the account's standing), or events of the account that concern the plan: position and margin (perpetuals), balance, stop; "
            "repeat the option."
        ),
    ] = None,
    order_trigger: Annotated[
        list[str] | None,
        typer.Option(
            help="Which order events wake it: live, partial, done, canceled, rejected; repeat the option."
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Wake it at these moments (UTC) too: 15m, 1h, 4h, 1d, or times of the day as 09:30,16:00."
        ),
    ] = None,
    debounce: Annotated[
        float | None,
        seconds_option(
            "--debounce",
            help="After a first trigger that can wait, wait so long for more and tell them together.",
        ),
    ] = None,
    quiet_hours: Annotated[
        str | None,
        typer.Option(
            help="Hours (UTC) such as 22:00-06:00 in which only order, margin, stop and risk events and you wake it."
        ),
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(help="What it sees besides candles and price: trades, book_top; repeat the option."),
    ] = None,
    turn_seconds: Annotated[
        float, seconds_option("--turn-seconds", help="Time limit of one turn of the agent.")
    ] = 120.0,
    max_tool_calls: Annotated[int, count_option("--max-tool-calls", help="Tool calls in one turn.")] = 25,
    model_budget: Annotated[
        Decimal | None,
        money_option("--model-budget", help="US dollars that its language model may cost in a UTC day."),
    ] = None,
    forecaster: Annotated[str, typer.Option(help="Who forecasts.")] = "block_bootstrap",
    context: Annotated[int, count_option("--context", help="Past candles that a forecast sees.")] = 400,
    horizon: Annotated[int, count_option("--horizon", help="Future candles of a forecast.")] = 24,
    paths: Annotated[int, count_option("--paths", help="Sampled futures of a forecast.")] = 256,
    seed: Annotated[int, count_option("--seed", help="Seed of the sampling.")] = 0,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Create a plan: one instrument and interval on one account, a forecaster, an agent, hard limits.

    The exchange is asked about the instrument first. The plan does nothing until `kokex plan start`, and only watches unless it is
    granted tools that trade.
    """
    from dataclasses import replace

    from kokex.cli.plan_rhythm import with_rhythm
    from kokex.cli.plan_settings import agent_settings, positive
    from kokex.cli.plan_tools import granted_tools, tools_document, tools_sentence
    from kokex.domain.candle import Interval
    from kokex.domain.capital import CapitalSettings
    from kokex.domain.limits import RiskLimits
    from kokex.domain.plan import ForecastSettings, NewPlan
    from kokex.services.capital_setting import with_capital
    from kokex.services.limit_setting import with_settings

    limits = RiskLimits(
        max_order_notional=max_order,
        max_position_notional=max_position,
        max_open_orders=max_open_orders,
        max_orders_per_minute=positive("max orders per minute", max_orders_per_minute),
        price_collar=price_collar,
        cash_reserve=cash_reserve,
        allow_short=allow_short,
    )
    limits = with_settings(limits, limit or ())
    agent = agent_settings(prompt, trigger, order_trigger, turn_seconds, max_tool_calls, stream, model_budget)
    agent = with_rhythm(agent, schedule, debounce, quiet_hours)
    agent = replace(agent, trading_tools=granted_tools(trade, tool))
    forecast = ForecastSettings(forecaster, context, horizon, paths, seed)
    use = with_capital(CapitalSettings(), (f"sizing={sizing}", *(capital or ())))

    async def keep(opened: Application) -> Plan:
        owner = await opened.store.accounts.by_name(account)
        wish = NewPlan(
            name.strip(), owner.id, inst_id.upper(), Interval(interval), limits, agent, forecast, use
        )
        return await _create(opened, wish)

    plan = _with_application(keep)
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

    plans = _with_application(read)
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

    async def read(opened: Application) -> Any:
        return await read_report(opened, await _find(opened, plan))

    report = _with_application(read)
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
def tools(
    plan: PlanName,
    by: Annotated[
        str, typer.Option("--by", help="Who decides it, for the record.", default_factory=getpass.getuser)
    ],
    trade: Annotated[bool, GrantAll] = False,
    tool: Annotated[list[str] | None, GrantSome] = None,
    watch_only: Annotated[bool, typer.Option("--watch-only", help="Take all tools that trade away.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show which tools that trade a plan's agent has and who changed them, or set them: from the next turn on it has exactly these.

    What is open or held stays: `kokex plan stop` cancels, `kokex risk halt --flatten` ends a holding.
    """
    from kokex.cli.plan_tools import change_rows, granted_tools, tools_document, tools_sentence

    wanted = granted_tools(trade, tool, watch_only)

    async def keep(opened: Application) -> Any:
        found = await _find(opened, plan)
        if wanted or watch_only:
            found = await opened.plans.grant(found.id, wanted, by=by, reason=reason.strip())
        return found, await opened.store.plans.permission_changes(found.id)

    kept, changes = _with_application(keep)
    if as_json:
        say_json({"id": kept.id, "name": kept.name} | tools_document(kept, changes))
        return
    say(tools_sentence(kept))
    if changes:
        say_table("Changes", ("version", "when", "by", "before", "after", "reason"), change_rows(changes))


@app.command()
def capital(
    plan: PlanName,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="sizing=kelly, trailing_stop=5%...; repeat the option."
        ),
    ] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show how a plan uses its capital (sizing, batches, trailing stop), or change it. Limits stay as they are: `kokex risk limits`."""
    from kokex.cli.plan_capital import capital_document, capital_rows

    async def keep(opened: Application) -> Plan:
        found = await _find(opened, plan)
        return await opened.plans.use_capital(found.id, setting) if setting else found

    kept = _with_application(keep)
    if as_json:
        say_json({"id": kept.id, "name": kept.name, "capital": capital_document(kept.capital)})
    else:
        say_table(f"Capital of {kept.name}", ("", ""), capital_rows(kept.capital, "quote currency"))


def _with_application(work: Callable[[Application], Awaitable[Any]]) -> Any:
    """Open the application, do `work` with it, close it."""
    from kokex.bootstrap import application

    async def run() -> Any:
        settings = load_settings()
        quiet_logs(settings)
        async with application(settings) as opened:
            return await work(opened)

    return run_async(run())


def _wish(name: str, move: Callable[[Application, int], Awaitable[Plan]], *, as_json: bool) -> None:
    from kokex.cli.engine_presence import engine_process

    async def record(opened: Application) -> Plan:
        return await move(opened, (await _find(opened, name)).id)

    plan: Plan = _with_application(record)
    if as_json:
        say_json({"id": plan.id, "name": plan.name, "status": plan.status})
        return
    say(f"Plan {plan.name} is to be {plan.status.value}.")
    if engine_process(load_settings().folder) is None:
        say("No engine works on this data folder now; `kokex up` starts one, and it takes up the plan.")


async def _create(opened: Application, wish: NewPlan) -> Plan:
    from kokex.cli.plan_settings import check_forecaster

    check_forecaster(wish.forecast)
    return await opened.plans.create(wish)


async def _find(opened: Application, name: str) -> Plan:
    from kokex.cli.finding import find_plan

    return await find_plan(opened.store, name)

"""`kokex risk`: the kill switch, and what the risk gate goes by."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.option_groups import grouped
from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json
from kokex.cli.running import load_settings, with_application, with_plan

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.halt import HaltScope
    from kokex.domain.plan import Plan
    from kokex.ports.risk import LimitChange

app = typer.Typer(no_args_is_help=True, help="The kill switch, and what the risk gate goes by.")

PlanName = Annotated[str | None, typer.Argument(metavar="[PLAN]", help="A plan's name or number.")]
By = Annotated[
    str, typer.Option("--by", help="Who orders it, for the record.", default_factory=getpass.getuser)
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record and for the agents.")]


@dataclass(frozen=True, slots=True)
class ScopeOptions:
    """How much a halt is to hold back."""

    plan: PlanName = None
    account: Annotated[
        str | None, typer.Option("--account", help="Every plan of this account, also those to come.")
    ] = None
    everything: Annotated[
        bool, typer.Option("--all", help="Every plan of every account, also those to come.")
    ] = False

    async def scope(self, opened: Application) -> tuple[HaltScope, int | None]:
        """The scope, and the number of the plan or account that it is about.

        Raises:
            ConfigurationError: not exactly one of them is named.
            NotFoundError: there is no such plan or account.
        """
        from kokex.cli.finding import find_plan
        from kokex.domain.errors import ConfigurationError
        from kokex.domain.halt import HaltScope

        if sum((self.plan is not None, self.account is not None, self.everything)) != 1:
            raise ConfigurationError("name one plan, or one account with --account, or everything with --all")
        if self.plan is not None:
            return HaltScope.PLAN, (await find_plan(opened.store, self.plan)).id
        if self.account is not None:
            return HaltScope.ACCOUNT, (await opened.store.accounts.by_name(self.account)).id
        return HaltScope.PLATFORM, None


@app.command()
@grouped
def halt(
    *,
    reason: Reason,
    by: By,
    target: ScopeOptions,
    reduce_only: Annotated[
        bool, typer.Option("--reduce-only", help="Let through orders that reduce a holding.")
    ] = False,
    flatten: Annotated[
        bool, typer.Option("--flatten", help="End what is held, by market orders that only reduce.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """End trading, at once and until `kokex risk resume`: nothing new goes out, what is open is canceled.

    Without an engine it takes hold when one starts. Plans that are stopped are not touched, what they hold neither.
    """
    from kokex.domain.errors import ConfigurationError
    from kokex.domain.halt import Halt, HaltLevel

    if not reason.strip():
        raise ConfigurationError("a halt needs a reason: --reason 'what happened'")

    async def keep(opened: Application) -> Any:
        scope, number = await target.scope(opened)
        level = HaltLevel.REDUCE_ONLY if reduce_only else HaltLevel.HALTED
        made = Halt(scope, number, level, reason.strip(), by, opened.clock.now(), flatten)
        return await opened.store.risk.halt(made)

    record = with_application(keep)
    if as_json:
        from kokex.cli.risk_report import halt_document

        say_json(halt_document(record))
        return
    words = "may only reduce what it holds" if reduce_only else "is halted"
    also = "; what is held is ended" if flatten else ""
    say(f"{record.halt.where.capitalize()} {words} (halt {record.id}); open orders are canceled{also}.")
    _say_whether_heard()


@app.command()
@grouped
def resume(
    *,
    reason: Reason,
    by: By,
    target: ScopeOptions,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Lift the halts of exactly this plan, account or (`--all`) the platform; others stay in force."""
    from kokex.domain.errors import StateError

    async def lift(opened: Application) -> int:
        scope, number = await target.scope(opened)
        count = await opened.store.risk.lift(
            scope, number, by=by, reason=reason.strip(), at=opened.clock.now()
        )
        if not count:
            raise StateError("nothing of that scope is halted; `kokex risk show` lists what is")
        return count

    count = with_application(lift)
    if as_json:
        say_json({"lifted": count})
    else:
        say(f"Lifted: {count}. Trading may go on where no other halt is in force (`kokex risk show`).")
        _say_whether_heard()


@app.command()
def show(plan: PlanName = None, as_json: Annotated[bool, AsJson] = False) -> None:
    """Show what is halted; of a plan also its limits, what of them is used, protections in force, and latest denials."""
    from kokex.cli.finding import find_plan
    from kokex.cli.risk_report import document, print_report, read_report

    async def read(opened: Application) -> Any:
        chosen = None if plan is None else await find_plan(opened.store, plan)
        return await read_report(opened, chosen)

    report = with_application(read)
    if as_json:
        say_json(document(report))
    else:
        print_report(report)


@app.command()
def limits(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A plan's name or number.")],
    by: By,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Set a limit: max_order_notional=500, price_collar=5%, rest=4h, capital=none; repeat the option.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Change a plan's limits, at once and for the record; without `--set` show how they were changed."""
    from kokex.cli.limit_report import change_document, print_changes
    from kokex.services.limit_setting import with_settings

    async def work(opened: Application, chosen: Plan) -> list[LimitChange]:
        store = opened.store.risk
        if settings:
            await store.change_limits(
                chosen.id,
                lambda now: with_settings(now, settings),
                by=by,
                reason=reason.strip(),
                at=opened.clock.now(),
            )
        return await store.limit_changes(chosen.id)

    changes = with_plan(plan, work)
    shown = changes[-1:] if settings else changes
    if as_json:
        say_json([change_document(change) for change in shown])
    else:
        print_changes(shown)


def _say_whether_heard() -> None:
    from kokex.cli.engine_presence import engine_process

    if engine_process(load_settings().folder) is None:
        say("No engine works on this data folder now; it takes hold when one starts.")

"""`kokex decision`: what agents decided, and everything behind it."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import AsJson, count_option
from kokex.cli.output import say, say_json, say_table, when
from kokex.cli.running import with_application, with_plan

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.plan import Plan

app = typer.Typer(
    no_args_is_help=True, help="Decisions: list them, show everything behind one, run one again."
)

DecisionNumber = Annotated[
    int, typer.Argument(metavar="ID", min=1, help="The decision's number: see `kokex decision list`.")
]


@app.callback()
def _decision() -> None:
    """Decisions: list them, show everything behind one, run one again."""


@app.command("list")
def list_decisions(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name or number.")],
    last: Annotated[int, count_option("--last", "-n", help="Show this many of the newest.")] = 20,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show a plan's newest decisions, oldest of them first: when, what woke the agent, what it did, and why."""

    async def read(opened: Application, chosen: Plan) -> list[dict[str, Any]]:
        turns = await opened.store.turns.recent(chosen.id, limit=last)
        return [
            {
                "decision": turn.id,
                "started_at": turn.started_at,
                "status": turn.status,
                "woken_by": turn.trigger_summary,
                "action": turn.decision.action if turn.decision else None,
                "confidence": turn.decision.confidence if turn.decision else None,
                "reason": turn.decision.reason if turn.decision else turn.error,
            }
            for turn in reversed(turns)
        ]

    decisions = with_plan(plan, read)
    if as_json:
        say_json(decisions)
    elif not decisions:
        say("The plan has made no decisions yet.")
    else:
        columns = ("number", "began", "woken by", "action", "reason")
        say_table("", columns, [_row(row) for row in decisions])


@app.command()
def show(
    number: DecisionNumber,
    messages: Annotated[
        bool, typer.Option("--messages", help="Also the prompt and every message to and from the model.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show one decision whole: what woke the agent, what it saw and asked, the risk gate's answers, its orders, its reason.

    Profit or loss is that of this decision's own fills, valued at the last close.
    """
    from kokex.cli.decision_report import document, print_messages, print_report, read_report

    report = with_application(lambda opened: read_report(opened, number))
    if as_json:
        say_json(document(report))
        return
    print_report(report)
    if messages:
        print_messages(report.record)


@app.command()
def replay(
    number: DecisionNumber,
    prompt: Annotated[
        Path | None,
        typer.Option(
            "--prompt", help="Ask the configured model, with this file's text as the owner's instructions."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Ask this model instead, at the endpoint that is configured."),
    ] = None,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Run one decision again on its recorded inputs; nothing is kept, and nothing reaches the exchange.

    Tools answer from the record; a call that is not in it gets a result that says so. With the model's recorded answers (or the
    built-in policy) it must come out identical: exit code 1 and a diff where it does not. With --prompt or --model both are shown.
    """
    from kokex.cli.replay_report import document, print_comparison
    from kokex.ports.replay import ReplayWish

    wish = ReplayWish(None if prompt is None else _text_of(prompt), model)

    async def run_again(opened: Application) -> Any:
        from kokex.bootstrap import replayer
        from kokex.services.replaying import replay as run

        return await run(opened.store, replayer(opened), number, wish)

    comparison = with_application(run_again)
    if as_json:
        say_json(document(comparison))
    else:
        print_comparison(comparison, wish)
    if not wish.anew and not comparison.identical:
        raise typer.Exit(1)


def _text_of(path: Path) -> str:
    """A prompt file's text. Raises `ConfigurationError`."""
    from kokex.domain.errors import ConfigurationError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the prompt file {path} cannot be read: {error}") from error


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    action = row["action"].value if row["action"] else row["status"].value
    reason = " ".join((row["reason"] or "-").split())
    return (str(row["decision"]), when(row["started_at"]), row["woken_by"], action, reason)

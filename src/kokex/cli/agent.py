"""`kokex agent`: write to a plan's agent and read its answer."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.agent_alerts import alerts
from kokex.cli.agent_costs import costs
from kokex.cli.options import AsJson, seconds_option
from kokex.cli.output import complain, note, say, say_json
from kokex.cli.running import opened_application, run_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kokex.bootstrap import Application
    from kokex.domain.plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    help="Write to a plan's agent and read its answer; its price alerts; what models cost.",
)
app.command()(costs)
app.command()(alerts)


@app.callback()
def _agent() -> None:
    """Write to a plan's agent and read its answer."""


@app.command()
def chat(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name or number.")],
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="[MESSAGE]", help="What to tell or ask it; without one, every line of standard input."
        ),
    ] = None,
    wait: Annotated[
        float, seconds_option("--wait", help="How long to wait for the answer, in seconds.")
    ] = 180.0,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Send a message to a plan's agent and print its answer: the reason of the decision that the message led to.

    A message wakes the agent like any event: it may look, and act within its limits. It is kept until the agent has read it.
    Wishes lift no limit. The answer's figures come from the record: `kokex decision show` has them all.
    """
    if not run_async(_chat(plan, message, wait, as_json=as_json)):
        raise typer.Exit(1)


async def _chat(name: str, message: str | None, wait: float, *, as_json: bool) -> bool:
    from kokex.cli.finding import find_plan

    async with opened_application() as opened:
        plan = await find_plan(opened.store, name)
        answered = True
        async for words in _messages(message):
            answer = await _ask(opened, plan, words, wait)
            answered = _tell(answer, as_json=as_json) and answered
        return answered


async def _messages(message: str | None) -> AsyncIterator[str]:
    if message is not None:
        yield message
        return
    if sys.stdin.isatty():
        note("Write a line and press Enter; Ctrl-D ends.")
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            yield line


async def _ask(opened: Application, plan: Plan, words: str, wait: float) -> dict[str, Any]:
    """Send one message; what became of it."""
    from kokex.services.chat import answer_to, send

    store, clock = opened.store, opened.clock
    sent = await send(store, clock, plan, words)
    known: dict[str, Any] = {"message": sent.id, "plan": plan.name, "decision": None, "answer": None}
    if plan.account_id not in await store.owners.owners():
        return known | {
            "error": "no engine works on this plan now, so nobody reads the message yet; "
            "it is kept, and the agent reads it when `kokex up` runs"
        }
    found = await answer_to(store, clock, sent, seconds=wait)
    if found is None:
        return known | {
            "error": f"no answer within {wait:g} s; the message is kept, and `kokex decision list {plan.name}` shows the answer when it comes"
        }
    known |= {"decision": found.turn_id, "answer": found.answer}
    if found.answer is None:
        known |= {"error": f"the agent's turn {found.turn_id} failed: {found.error}"}
    return known


def _tell(answer: dict[str, Any], *, as_json: bool) -> bool:
    """Print it; whether there is an answer."""
    if as_json:
        say_json(answer)
    elif answer["answer"] is None:
        complain(answer["error"])
    else:
        say(answer["answer"])
        note(
            f"(decision {answer['decision']}; `kokex decision show {answer['decision']}` shows everything behind it)"
        )
    return answer["answer"] is not None

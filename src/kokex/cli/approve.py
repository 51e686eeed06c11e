"""`kokex approve`: orders that wait for a person. Without an order it lists them; with one it sends or refuses it."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json
from kokex.cli.running import with_application

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.cli.approve_report import Answered

app = typer.Typer()

_HEARD_SECONDS = 5.0
"""How long the command waits for the engine to say what became of the order."""
_LOOK_SECONDS = 0.1


@app.command()
def approve(
    by: Annotated[
        str, typer.Option("--by", help="Who answers, for the record.", default_factory=getpass.getuser)
    ],
    order: Annotated[
        str | None, typer.Argument(metavar="[ORDER]", help="The order's own name, as the list shows it.")
    ] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Do not send it.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for the record; of a refusal also for the agent.")
    ] = "",
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show the orders that wait for a person, or answer one: it is sent if the risk gate lets it through as everything is then.

    The first answer stands. What nobody approves within its time is never sent.
    """
    from kokex.cli.approve_report import answered_document, answered_words, print_waiting, read_waiting
    from kokex.domain.errors import ConfigurationError

    if order is None:
        if refuse or reason:
            raise ConfigurationError("name the order to answer; `kokex approve` lists those that wait")
        waiting = with_application(read_waiting)
        if as_json:
            say_json(waiting)
        else:
            print_waiting(waiting)
        return
    name = order

    async def answer(opened: Application) -> Answered:
        return await answer_order(opened, name, approved=not refuse, by=by, reason=reason.strip())

    result = with_application(answer)
    if as_json:
        say_json(answered_document(result))
    else:
        say(answered_words(result))


async def answer_order(opened: Application, name: str, *, approved: bool, by: str, reason: str) -> Answered:
    """Put the answer on record and, where an engine works here, wait a moment for what becomes of the order."""
    from kokex.cli.approve_report import Answered
    from kokex.cli.engine_presence import engine_process
    from kokex.domain.approvals import PersonsAnswer

    store, clock = opened.store, opened.clock
    approval = await store.approvals.answer(name, PersonsAnswer(approved, by, clock.now(), reason))
    heard = engine_process(opened.settings.folder) is not None
    deadline = clock.monotonic() + (_HEARD_SECONDS if heard else 0.0)
    while True:
        # The order first: both end in one transaction, so an order that is over comes with what came of its approval.
        order = await store.orders.get(approval.account_id, name)
        approval = await store.approvals.get(name) or approval
        known = order is None or not (order.status.waiting or order.status.in_flight)
        if known or clock.monotonic() >= deadline:
            return Answered(approval, order, heard)
        await clock.sleep(_LOOK_SECONDS)

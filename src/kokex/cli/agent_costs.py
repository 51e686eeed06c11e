"""`kokex agent costs`: what language models cost, by day and by turn."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.options import AsJson, count_option
from kokex.cli.output import note, say, say_json, say_table
from kokex.cli.running import opened_application, run_async

if TYPE_CHECKING:
    from kokex.domain.spending import Spending


def costs(
    plan: Annotated[str | None, typer.Argument(metavar="[PLAN]", help="A plan's name or number.")] = None,
    days: Annotated[int, count_option("--days", help="How many UTC days, today included.")] = 7,
    turns: Annotated[int, count_option("--turns", help="How many of the latest turns.")] = 10,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Show what language models cost: tokens and US dollars by UTC day, plan and model, and of the latest turns."""
    by_day, by_turn, names = run_async(_read(plan, days, turns))
    if as_json:
        say_json(
            {
                "days": [_document(one, names) for one in by_day],
                "turns": [_document(one, names) for one in by_turn],
            }
        )
        return
    if not by_day and not by_turn:
        say("No language model has been asked in this time.")
        return
    columns = ("plan", "model", "requests", "tokens in", "tokens out", "USD")
    say_table("By UTC day", ("day", *columns), [(str(one.day), *_row(one, names)) for one in by_day])
    say_table("By turn", ("turn", *columns), [(str(one.turn_id), *_row(one, names)) for one in by_turn])
    for line in remarks(by_day):
        note(line)


def remarks(by_day: list[Spending]) -> list[str]:
    """What the sums do not say."""
    lines = []
    unpriced, estimated = sum(one.unpriced for one in by_day), sum(one.estimated for one in by_day)
    if unpriced:
        lines.append(
            f"{unpriced} requests have no known cost: their model has no price (input_usd, output_usd)."
        )
    if estimated:
        lines.append(f"The tokens of {estimated} requests are estimated: the provider did not tell them.")
    return lines


async def _read(
    plan: str | None, days: int, turns: int
) -> tuple[list[Spending], list[Spending], dict[int, str]]:
    from kokex.cli.finding import find_plan

    async with opened_application() as opened:
        names = {one.id: one.name for one in await opened.store.plans.list()}
        chosen = None if plan is None else (await find_plan(opened.store, plan)).id
        today = opened.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        since = today - timedelta(days=max(days, 1) - 1)
        spending = opened.store.spending
        by_day = await spending.by_day(plan_id=chosen, since=since)
        return by_day, await spending.by_turn(plan_id=chosen, limit=turns), names


def _document(one: Spending, names: dict[int, str]) -> dict[str, Any]:
    return {
        "day": str(one.day),
        "turn": one.turn_id,
        "plan": names.get(one.plan_id, str(one.plan_id)),
        "model": one.model,
        "requests": one.requests,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "cost_usd": one.cost_usd,
        "unpriced": one.unpriced,
        "estimated": one.estimated,
    }


def _row(one: Spending, names: dict[int, str]) -> tuple[str, ...]:
    known = f"{one.cost_usd:.4f}" if one.unpriced < one.requests else "-"
    return (
        names.get(one.plan_id, str(one.plan_id)),
        one.model,
        str(one.requests),
        str(one.input_tokens),
        str(one.output_tokens),
        known,
    )

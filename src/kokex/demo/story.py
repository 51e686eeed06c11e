"""The demo as words: a line a happening, and the closing summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from kokex.cli.plan_report import skill_words
from kokex.demo.options import MarketChoice
from kokex.demo.records import Desk
from kokex.demo.summary import Summary


def closing(summary: Summary, choice: MarketChoice) -> RenderableType:
    """The summary for a person."""
    record = summary.record
    quote = record.instrument.quote_currency
    table = Table(
        box=box.SIMPLE_HEAD, title=f"{record.plan.inst_id}, {record.plan.interval}", title_justify="left"
    )
    table.add_column("")
    table.add_column("KOKEX's database", justify="right")
    table.add_column("the exchange's own books", justify="right")
    for row in summary.rows:
        style = "" if row.agrees else "bold red"
        table.add_row(Text(row.name), Text(row.journal, style), Text(row.exchange, style))
    return Group(
        Text(),
        table,
        Text(
            f"{summary.hours:.1f} hours of market time in this run. {record.decisions} decisions, {record.denied} orders denied by the "
            f"risk gate, fees paid: {summary.fees}; money in {quote}."
        ),
        *(Text(line) for desk in record.desks for line in _desk(desk)),
        *(Text(line) for line in _mishaps(summary)),
        Text(f"Forecaster: {record.forecaster}. The market: {choice.words}."),
        Text(f"Its forecasts against what came: {skill_words(record.skill)}."),
        *(Text(line) for line in (summary.model.closing_lines() if summary.model else ())),
        Text(
            "This shows that the parts work together; it says nothing about what a real market would have paid."
        ),
        *_verdict(summary),
    )


def _desk(desk: Desk) -> Iterable[str]:
    """One plan's doings."""
    tally = desk.tally
    failed = f", {tally.failed} failed" if tally.failed else ""
    yield f"Plan {desk.plan.name}: {tally.acted} decisions to act, {tally.held} to hold{failed}; {desk.fills} fills."
    yield f"  woken by {_counts(desk.triggers)}; denied: {_counts(desk.denials)}"
    if desk.answers.waited:
        said = desk.answers
        yield f"  {said.waited} orders waited for the owner: {said.approved} approved ({said.sent} sent), {said.refused} refused"
    if desk.requests:
        yield (
            f"  {desk.requests} requests to the scripted model, {desk.tokens_in} tokens read and {desk.tokens_out} written, "
            f"{desk.cost_usd:.4f} US dollars at made-up prices"
        )


def _mishaps(summary: Summary) -> Iterable[str]:
    if summary.mishaps:
        yield f"What the script did wrong on purpose: {_counts(summary.mishaps)}."


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items()) or "nothing"


def _verdict(summary: Summary) -> Iterable[Text]:
    if summary.agrees:
        yield Text("The two agree to the last digit.", "bold green")
        return
    yield Text("The two DISAGREE:", "bold red")
    for difference in summary.differences:
        yield Text(f"  {difference}", "red")


def write(console: Console, text: str) -> None:
    """One plain line, as long as it is."""
    console.print(Text(text), soft_wrap=True, highlight=False)

"""The table of faults and outcomes in docs/faults.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kokex.paper.faults import KINDS
from tests.integration.faults.scenarios import SCENARIOS

PAGE = Path("docs") / "faults.md"

_HEAD = """# Faults and what becomes of them

Made by `make faults`; `make test` runs the same and fails where this page says otherwise.

Each row is one run: a paper exchange, a database and an engine, a plan that buys, sells, rests orders and cancels one, and the fault
in the middle of it. *Records agree* means that, once nothing goes wrong any more, the following are equal to the exchange's own
record: every order event of every order once and in its order, the orders themselves and their states, holdings and profit to the
last digit in the database and in the risk gate's ledger; and that no order exists twice. For these runs the engine's patience is cut to
seconds (its look at every account from five minutes to two seconds, the silence that it bears from half a minute to half a second). How to make
faults happen yourself: [paper-exchange.md](paper-exchange.md#faults).

| fault | what happens | what the engine does | outcome |
|---|---|---|---|
"""


def page(outcomes: Mapping[str, str]) -> str:
    """The whole page, from the outcome of each scenario by its name."""
    rows = []
    for scenario in SCENARIOS:
        name = scenario.name.replace(scenario.kind, f"`{scenario.kind}`", 1)
        does = KINDS[scenario.kind].does
        rows.append(f"| {name} | {does} | {scenario.engine} | {outcomes[scenario.name]} |\n")
    agree = sum(1 for outcome in outcomes.values() if outcome == "records agree")
    return _HEAD + "".join(rows) + f"\n{agree} of {len(SCENARIOS)} runs end with equal records.\n"


def expected() -> str:
    """The page as the scenarios have it."""
    return page({scenario.name: scenario.outcome for scenario in SCENARIOS})

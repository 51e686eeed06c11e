"""`kokex doctor`: what is wrong with this installation, and what to do about it."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json
from kokex.cli.running import load_settings, quiet_logs, run_async

if TYPE_CHECKING:
    from kokex.cli.checks import Finding

app = typer.Typer()


@app.command()
def doctor(as_json: Annotated[bool, AsJson] = False) -> None:
    """Check Python, disk, data folder, database, and each account's address, clock and keys. Exits 1 if something is wrong."""
    from kokex.cli.checks import examine

    settings = load_settings()
    quiet_logs(settings)
    findings = run_async(examine(settings))
    wrong = [finding for finding in findings if not finding.fine]
    if as_json:
        say_json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            say(_line(finding))
        say("All is well." if not wrong else f"{len(wrong)} of {len(findings)} checks found something wrong.")
    if wrong:
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    mark = "ok   " if finding.fine else "WRONG"
    advice = f"\n       -> {finding.advice}" if finding.advice else ""
    return f"{mark}  {finding.name}: {finding.detail}{advice}"

"""`kokex version`."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import platform
from typing import Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json

app = typer.Typer()


@app.command()
def version(as_json: Annotated[bool, AsJson] = False) -> None:
    """Show the version of KOKEX and of Python."""
    from kokex import __version__

    if as_json:
        say_json({"kokex": __version__, "python": platform.python_version()})
    else:
        say(f"KOKEX {__version__}, Python {platform.python_version()}")

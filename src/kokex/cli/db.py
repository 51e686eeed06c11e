"""`kokex db`: the database and its migrations."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from typing import Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json
from kokex.cli.running import load_settings, quiet_logs, run_async

app = typer.Typer(no_args_is_help=True, help="The database and its migrations.")


@app.callback()
def _db() -> None:
    """The database and its migrations."""


@app.command()
def upgrade(as_json: Annotated[bool, AsJson] = False) -> None:
    """Bring the database to this program's tables; every other command does it too. Nothing is lost by it."""
    settings = load_settings()
    quiet_logs(settings)

    async def bring() -> str | None:
        from kokex.adapters.postgres.schema import current_revision
        from kokex.bootstrap import database

        async with database(settings) as url:
            return current_revision(url)

    revision = run_async(bring())
    where = "KOKEX_DATABASE_URL" if settings.database_url is not None else str(settings.folder / "database")
    if as_json:
        say_json({"revision": revision, "database": where})
    else:
        say(f"The database ({where}) has revision {revision}, the one that this program needs.")

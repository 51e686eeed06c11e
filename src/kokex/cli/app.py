"""`kokex`: the commands there are, and how errors reach a person.

A command's module is imported when the command is called, never for `kokex --help`: the answer must not wait for a database
driver or a language model's client.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from kokex.cli.output import complain
from kokex.domain.errors import KokexError

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("demo", "Watch a plan trade on a market of this machine."),
    "up": ("up", "Run the platform: database, migrations, engine, worker."),
    "worker": ("worker", "Forecast and train for the engine: a process of its own."),
    "plan": ("plan", "Create, show, start, pause and stop plans."),
    "agent": ("agent", "Write to a plan's agent and read its answer."),
    "decision": ("decision", "Decisions: list, show everything behind one, run one again."),
    "risk": ("risk", "The kill switch, and what the risk gate goes by."),
    "approve": ("approve", "Orders that wait for a person: show them, send or refuse one."),
    "order": ("order", "Orders that are not closed; settle those without a trace."),
    "model": ("model", "Models: train, compare, switch, export, import."),
    "forecast": ("forecast", "Forecast a plan or a file, with a chart."),
    "account": ("account", "Exchange accounts and their keys."),
    "data": ("data", "Candles: import, back-fill, show."),
    "events": ("events", "The journal of order events."),
    "streams": ("streams", "Order subscriptions: which account is connected for which plan."),
    "db": ("db", "The database and its migrations."),
    "paper": ("paper", "The paper exchange, which speaks OKX's protocol on this machine."),
    "doctor": ("doctor", "Check this installation and say what to do about what is wrong."),
    "version": ("version", "Show the version."),
}
"""Command -> module in `kokex.cli` that has a Typer `app`, one line of help."""

COMPLETION: Final = ("install_completion", "show_completion")
"""Options that `kokex` itself has; Typer gives them to each loaded command as well."""

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""


class LazyGroup(TyperGroup):
    """Knows its commands by name and one line each; imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, words) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=words), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that `args` begin with, loaded, and the rest of them."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest


def load(name: str) -> Any:
    """The command `name`, from its module."""
    module, words = COMMANDS[name]
    command = get_command(import_module(f"kokex.cli.{module}").app)
    command.name = name
    command.help = command.help or words
    command.params = [option for option in command.params if option.name not in COMPLETION]
    return command


app = typer.Typer(
    cls=LazyGroup,
    name="kokex",
    no_args_is_help=True,
    add_completion=True,
    help="KOKEX: forecasts, an AI agent behind a hard risk gate, and a journal that loses nothing.",
    epilog="Settings come from the environment (KOKEX_HOME, KOKEX_DATABASE_URL, ...); `kokex doctor` shows what is wrong.",
)


@app.callback()
def _kokex() -> None:
    """Makes this a group, whatever its commands."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Exits: 0 done, 1 an error told in one sentence, 2 wrong usage, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code."""
    try:
        result = get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="kokex", standalone_mode=False
        )
    except KokexError as error:
        complain(str(error))
        return 1
    except typer.TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("KOKEX_LOG_LEVEL", "").lower() == "debug":
            raise
        complain(
            f"{type(error).__name__}: {error}. This is a fault in KOKEX; KOKEX_LOG_LEVEL=debug shows where it lies"
        )
        return 1
    return result if isinstance(result, int) else 0


def _usage(error: typer.TyperException) -> int:
    """Wrong usage as one sentence that says where help is."""
    sentence = error.format_message().replace("Value error, ", "").strip()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" or not sentence:
        return error.exit_code
    where = f" (see `{context.command_path} --help`)" if context is not None else ""
    complain(f"{sentence.rstrip('.')}{where}")
    return error.exit_code

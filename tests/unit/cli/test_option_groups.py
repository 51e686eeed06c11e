"""Groups of options: Typer sees every option by itself, the command gets them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.main import get_command

from kokex.cli.option_groups import grouped


@dataclass(frozen=True)
class Paint:
    """Two options of one thing."""

    colour: Annotated[str, typer.Option("--colour", help="Which.")]
    coats: Annotated[int, typer.Option(help="How many.")] = 2


def fence(told: list[object]) -> typer.Typer:
    """A command with a group between options of its own."""
    app = typer.Typer(add_completion=False)

    @app.command()
    @grouped
    def paint(
        *,
        fence_name: Annotated[str, typer.Argument()],
        paint: Paint,
        dry: Annotated[bool, typer.Option("--dry")] = False,
    ) -> None:
        """Paint a fence."""
        told.append((fence_name, paint, dry))

    return app


def test_options_of_a_group_stand_in_its_place() -> None:
    """In the group's order, each with its own names and default, under the command's own words."""
    command = get_command(fence([]))
    assert [option.name for option in command.params] == ["fence_name", "colour", "coats", "dry"]
    assert [option.required for option in command.params] == [True, True, False, False]
    assert command.help == "Paint a fence."


def test_the_command_gets_the_group() -> None:
    """With what was given and the defaults of the rest."""
    told: list[object] = []
    command = get_command(fence(told))
    command.main(["north", "--colour", "green", "--dry"], standalone_mode=False)
    command.main(["south", "--coats", "3", "--colour", "red"], standalone_mode=False)
    assert told == [("north", Paint("green", 2), True), ("south", Paint("red", 3), False)]

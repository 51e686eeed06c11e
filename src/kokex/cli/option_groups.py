"""Options that belong together, as one parameter of a command.

A group is a dataclass whose fields are written as a command's parameters are: `Annotated[type, typer.Option(...)] = default`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as Typer is to see it: where it takes a group, the group's options stand, in their order."""
    hints = get_type_hints(command, include_extras=True)
    shown: list[Parameter] = []
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    for parameter in signature(command).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint) and isinstance(hint, type):
            options = _options(hint)
            groups[parameter.name] = hint, [option.name for option in options]
            shown += options
        else:
            shown.append(parameter.replace(annotation=hint, kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def with_groups(**given: Any) -> None:
        made = {
            name: group(**{each: given.pop(each) for each in names})
            for name, (group, names) in groups.items()
        }
        command(**given, **made)

    with_groups.__annotations__ = {option.name: option.annotation for option in shown}
    with_groups.__dict__["__signature__"] = Signature(shown)
    return with_groups


def _options(group: type[Any]) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]

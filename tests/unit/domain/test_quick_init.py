"""A quicker `__init__` changes nothing that can be seen."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from kokex.domain.events import ClassifiedUpdate, OrderEvent
from kokex.domain.order import Fill, Order, OrderUpdate
from kokex.domain.quick_init import quick_init


@dataclass(frozen=True, slots=True)
class Plain:
    """As a dataclass makes it."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()


@quick_init
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made quickly."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()


def test_it_takes_what_the_dataclass_takes() -> None:
    """By position, by name, with defaults; the signature is the same."""
    assert inspect.signature(Quick) == inspect.signature(Plain)
    assert repr(Quick(1, third=(3,))) == repr(Plain(1, third=(3,))).replace("Plain", "Quick")
    assert Quick(1) == Quick(1, "two", ()) != Quick(2)
    assert hash(Quick(1)) == hash(Plain(1))
    with pytest.raises(TypeError, match="first"):
        Quick()  # type: ignore[call-arg]


def test_it_is_still_frozen_and_replaced_as_usual() -> None:
    """A value never changes; a changed one is another."""
    made = Quick(1)
    with pytest.raises(FrozenInstanceError):
        made.first = 2  # type: ignore[misc]
    assert replace(made, first=2) == Quick(2)
    assert made == Quick(1)


@pytest.mark.parametrize("value", [ClassifiedUpdate, Fill, Order, OrderEvent, OrderUpdate])
def test_the_values_of_an_order_event_are_made_quickly(value: type[Any]) -> None:
    """Without the walk through `object.__setattr__`."""
    assert "set_" in str(value.__init__.__code__.co_names)


@dataclass(frozen=True, slots=True)
class Made:
    """Has a default that is made anew."""

    things: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Loose:
    """Has no slots."""

    first: int


@pytest.mark.parametrize("value", [Made, Loose, object])
def test_what_it_cannot_do_is_refused(value: type[Any]) -> None:
    """Rather than done wrong."""
    with pytest.raises(TypeError):
        quick_init(value)

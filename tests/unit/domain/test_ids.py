"""Client order ids name one order for ever."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.ids import OrderOrigin, client_order_id, is_stop_name, order_origin, stop_name

origins = st.builds(
    OrderOrigin,
    installation=st.from_regex(r"[0-9a-z]{4}", fullmatch=True),
    plan_id=st.integers(0, 36**5 - 1),
    decision_id=st.integers(0, 36**9 - 1),
    step=st.integers(0, 36**2 - 1),
)


@given(origins)
def test_id_is_what_okx_takes_and_reads_back(origin: OrderOrigin) -> None:
    """1-32 letters and digits, and the origin comes back from it."""
    name = client_order_id(origin)
    assert re.fullmatch(r"[0-9A-Za-z]{1,32}", name)
    assert order_origin(name) == origin


@given(origins, origins)
def test_different_origins_have_different_ids(one: OrderOrigin, other: OrderOrigin) -> None:
    """Two orders never share a name."""
    assert (client_order_id(one) == client_order_id(other)) == (one == other)


@pytest.mark.parametrize(
    "foreign", [None, "", "b15", "KXtestP1D1", "KXtestP1D1S0x-", "kxtestp1d1s0", "KXtesTP1D1S0"]
)
def test_foreign_ids_have_no_origin(foreign: str | None) -> None:
    """An id that KOKEX did not make is nobody's."""
    assert order_origin(foreign) is None


def test_numbers_that_do_not_fit_are_refused() -> None:
    """Nothing is cut short silently."""
    with pytest.raises(ValueError, match="more than 32"):
        client_order_id(OrderOrigin("test", 36**12, 36**12, 1))
    with pytest.raises(ValueError, match="must not be negative"):
        client_order_id(OrderOrigin("test", -1, 1, 1))
    with pytest.raises(ValueError, match="four of 0-9 and a-z"):
        client_order_id(OrderOrigin("long1", 1, 1, 1))


def test_stops_are_named_after_their_order() -> None:
    """The same plan, decision and step, and known for what they are."""
    origin = OrderOrigin("ab3f", 46, 9290, 0)
    name = client_order_id(origin)
    assert stop_name(name) == client_order_id(replace(origin, stop=True)) == f"{name}T"
    assert order_origin(stop_name(name)) == replace(origin, stop=True)
    assert is_stop_name(stop_name(name)) and not is_stop_name(name) and not is_stop_name(None)

"""What a turn is given: never more than the limits leave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.grant import Grant
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.risk import draw_grant
from kokex.domain.risk.state import Neighbours
from kokex.domain.standing import Standing
from tests.builders import ETH_SWAP, START, order, risk_state

MOST = RiskLimits(max_position_notional=Decimal(1000))
NOTHING = Grant(frozenset(), Decimal(0), 5)


@pytest.mark.parametrize(
    ("limits", "state", "notional"),
    [
        ({}, {}, 1000),
        ({}, {"quantity": Decimal("0.2")}, 600),
        ({}, {"quantity": Decimal("0.2"), "pending": (order(),)}, 400),
        ({}, {"last_price": None}, 1000),
        ({}, {"last_price": None, "quantity": Decimal("0.2")}, 0),
        ({"capital": Decimal(300)}, {}, 300),
        ({"max_position_share": Decimal("0.1")}, {"neighbours": Neighbours(equity=Decimal(2000))}, 200),
        ({"max_leverage": Decimal(1)}, {"neighbours": Neighbours(Decimal(900), Decimal(700))}, 200),
        ({"max_account_notional": Decimal(800)}, {"neighbours": Neighbours(exposure=Decimal(700))}, 100),
        ({"max_leverage": Decimal(1)}, {}, 0),
        ({"max_account_notional": Decimal(800)}, {"neighbours": Neighbours(exposure=None)}, 0),
    ],
)
def test_what_is_left_under_the_limits(limits: dict[str, Any], state: dict[str, Any], notional: int) -> None:
    """Of position, capital, equity and account, the least; what cannot be worked out gives nothing."""
    drawn = draw_grant(
        RiskLimits(**({"max_position_notional": Decimal(1000)} | limits)), risk_state(**state), 5
    )
    assert drawn.notional == notional
    assert drawn.orders == 5
    assert drawn.sides == ({Side.BUY} if notional else set())


def test_nothing_while_halted_or_degraded() -> None:
    """Reductions need no grant."""
    halt = Halt(HaltScope.PLAN, 1, HaltLevel.REDUCE_ONLY, "news", "ann", START)
    assert draw_grant(MOST, risk_state(halts=(halt,)), 5) == NOTHING
    assert draw_grant(MOST, risk_state(account=Standing.REDUCE_ONLY), 5) == NOTHING


def test_short_where_it_is_allowed() -> None:
    """Room on each side of zero."""
    short = RiskLimits(max_position_notional=Decimal(1000), allow_short=True)
    assert draw_grant(short, risk_state(), 5).sides == {Side.BUY}
    held = draw_grant(short, risk_state(instrument=ETH_SWAP, quantity=Decimal(5)), 5)
    assert held == Grant(frozenset({Side.SELL}), Decimal(1000), 5)


@given(
    st.decimals(0, 5, places=3), st.decimals(0, 5, places=3), st.integers(1, 20), st.sampled_from(list(Side))
)
def test_never_more_than_the_position_limit(held: Decimal, pending: Decimal, most: int, side: Side) -> None:
    """What is held, what is pending and what is granted fit under the limit, where anything is granted."""
    limits = RiskLimits(max_position_notional=Decimal(most * 500))
    waiting = (order(quantity=pending, side=side),) if pending else ()
    drawn = draw_grant(limits, risk_state(quantity=held, pending=waiting), 5)
    bought = pending if side is Side.BUY else Decimal(0)
    assert not drawn.notional or drawn.notional + (held + bought) * 2000 <= limits.max_position_notional

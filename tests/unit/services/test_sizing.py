"""How much of a wish may be asked for now: never more than the gate would let through."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.candle import Interval
from kokex.domain.capital import CapitalSettings, SizingMethod, size
from kokex.domain.forecast import Forecast
from kokex.domain.forecast_skill import NO_DIFFERENCE, TOO_FEW, ForecastSkill
from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus
from kokex.domain.risk import DenialCode, Denied, check
from kokex.domain.risk.state import Neighbours
from kokex.services.sizing import PositionSizing, orderable
from tests.builders import ETH_SWAP, START, order, plan, request, risk_state

WIDE = RiskLimits(
    max_order_notional=Decimal(10**9), max_position_notional=Decimal(10**9), price_collar=Decimal("0.9")
)
BOTH = frozenset(Side)
PRICE = Decimal(2000)


def asked(side: Side, missing: str, limits: RiskLimits = WIDE, **state: Any) -> tuple[Decimal, list[str]]:
    """What is left of a wish, and the names of what cut it."""
    quantity, factors = orderable(side, Decimal(missing), limits, risk_state(**state), PRICE)
    return quantity, [factor.name for factor in factors]


@pytest.mark.parametrize(
    ("state", "left", "names"),
    [
        ({}, "1", []),
        ({"free_cash": Decimal(1000)}, "0.495", ["free_cash"]),
        ({"free_cash": None}, "0", ["free_cash"]),
        (
            {"free_cash": Decimal(3000), "neighbours": Neighbours(reserved=Decimal(2000))},
            "0.495",
            ["free_cash"],
        ),
        ({"grant": Grant(BOTH, Decimal(400), 3)}, "0.198", ["grant"]),
        ({"grant": Grant(frozenset({Side.SELL}), Decimal(400), 3)}, "0", ["grant"]),
        ({"grant": Grant(BOTH, Decimal(-5), 3)}, "0", ["grant"]),
    ],
)
def test_a_buy_of_spot(state: dict[str, Any], left: str, names: list[str]) -> None:
    """Cash, what is set apart for others, and the turn's grant."""
    assert asked(Side.BUY, "1", **state) == (Decimal(left), names)


def test_the_reserve_is_not_touched() -> None:
    """It is no cash to spend."""
    limits = RiskLimits(cash_reserve=Decimal(9000))
    assert asked(Side.BUY, "1", limits) == (Decimal("0.495"), ["free_cash"])


def test_what_only_closes_needs_no_grant() -> None:
    """Ten contracts short, two of them being bought back: eight are free, what goes beyond counts."""
    pending = order(inst_id="ETH-USDT-SWAP", quantity=Decimal(2), status=OrderStatus.ACCEPTED)
    state: dict[str, Any] = {
        "instrument": ETH_SWAP,
        "quantity": Decimal(-10),
        "pending": (pending,),
        "grant": Grant(BOTH, Decimal(200), 3),
    }
    assert asked(Side.BUY, "8", **state) == (Decimal(8), [])
    assert asked(Side.BUY, "20", **state) == (Decimal("8.99"), ["grant"])


@given(
    side=st.sampled_from(Side),
    missing=st.decimals(0, 100, places=3),
    held=st.decimals(-50, 50, places=2),
    cash=st.none() | st.integers(0, 10**6),
    grant=st.none() | st.tuples(st.integers(-100, 10**5), st.sets(st.sampled_from(Side))),
    spot=st.booleans(),
)
def test_the_gate_denies_nothing_for_want_of_cash_or_grant(
    side: Side,
    missing: Decimal,
    held: Decimal,
    cash: int | None,
    grant: tuple[int, set[Side]] | None,
    spot: bool,
) -> None:
    """Whatever is held, free and granted."""
    changes: dict[str, Any] = {} if spot else {"instrument": ETH_SWAP, "mark_price": PRICE}
    state = risk_state(
        quantity=abs(held) if spot else held,
        free_cash=None if cash is None else Decimal(cash),
        grant=None if grant is None else Grant(frozenset(grant[1]), Decimal(grant[0]), 5),
        **changes,
    )
    quantity, _ = orderable(side, missing, WIDE, state, PRICE)
    assert 0 <= quantity <= missing
    quantity = state.instrument.round_quantity(quantity)
    if quantity < state.instrument.min_quantity:
        return
    wanted = request(inst_id=state.instrument.inst_id, side=side, quantity=quantity, price=PRICE)
    verdict = check(wanted, WIDE, state)
    if isinstance(verdict, Denied):
        assert verdict.code not in (DenialCode.NOT_ENOUGH_CASH, DenialCode.GRANT_USED), verdict.reason


EVALUATION: dict[str, Any] = {
    "order": ["kronos v7", "block_bootstrap"],
    "scores": {
        "kronos v7": {"windows": 400, "crps_mean": 0.9, "direction": {"low": [0.56]}},
        "block_bootstrap": {"windows": 400, "crps_mean": 1.0, "direction": {"low": [0.45]}},
    },
    "diebold_mariano": [
        {"first": "kronos v7", "second": "block_bootstrap", "overall": {"verdict": "better"}}
    ],
}


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (ForecastSkill(12, 4, TOO_FEW, START, START), "1"),
        (ForecastSkill(60, 20, NO_DIFFERENCE, START, START, 50, 0.975, 1.0, 0.6, {}, {}), "0.5"),
        (ForecastSkill(60, 20, NO_DIFFERENCE, START, START, 50, 1.02, 1.0, 0.6, {}, {}), "0"),
    ],
)
async def test_kelly_reads_what_the_version_was_worth_here(found: ForecastSkill, share: str) -> None:
    """Its own forecasts' scores take from what its evaluation proves, once there are enough."""
    paths = np.zeros((2, 1, 6), dtype=np.float32)
    paths[:, 0, 3] = 1900, 2200
    latest = Forecast("ETH-USDT", Interval("1H"), "kronos v7", START, 2000.0, paths)
    asked: list[tuple[int, str]] = []

    async def of_version(account: Any, of: Any, newest: int, forecaster: str) -> ForecastSkill:
        asked.append((newest, forecaster))
        return found

    async def version(plan_id: int, number: int) -> Any:
        assert number == 7
        return SimpleNamespace(forecaster="kronos v7", evaluation=EVALUATION)

    async def forecast_of(plan_id: int) -> tuple[int, Forecast]:
        return 31, latest

    store: Any = SimpleNamespace(
        forecasts=SimpleNamespace(latest=forecast_of), models=SimpleNamespace(by_number=version)
    )
    records: Any = SimpleNamespace(skill_of_version=of_version)
    session: Any = SimpleNamespace(account=None)
    kelly = plan(capital=CapitalSettings(sizing=SizingMethod.KELLY, kelly_fraction=Decimal("0.1")))
    sizing = PositionSizing(store, SimpleNamespace(), records)  # type: ignore[arg-type]
    facts = await sizing.facts(session, kelly, risk_state(), Side.BUY, PRICE)
    assert asked == [(31, "kronos v7")]
    assert size(replace(facts, live=None)).wished > 0
    assert size(facts).wished == pytest.approx(size(replace(facts, live=None)).wished * Decimal(share), abs=1)

"""How large a holding is wished for, and that no wish is larger than its limits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.candle import Interval
from kokex.domain.capital import (
    CapitalSettings,
    LiveSkill,
    MeasuredSkill,
    Prospect,
    Sizing,
    SizingFacts,
    SizingMethod,
    Volatility,
    largest_order,
    live_skill,
    prospect,
    read_skill,
    round_trip,
    size,
    volatility,
)
from kokex.domain.forecast import Forecast
from kokex.domain.forecast_skill import BETTER, NO_DIFFERENCE, TOO_FEW, WORSE, ForecastSkill
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from tests.builders import ETH, START

PRICE = Decimal(2000)
GOOD = MeasuredSkill("kronos v1", score=0.06, better=True, right_at_least=0.56, windows=300)
PROMISING = Prospect(Side.BUY, mean=0.01, variance=0.02, cost=0.003, horizon=24, paths=256)


def facts(method: SizingMethod = SizingMethod.KELLY, **changes: Any) -> SizingFacts:
    """A plan with 10,000 of its own and a position limit of 5,000, nothing else in the way."""
    settings = CapitalSettings(sizing=method, fixed_notional=Decimal(800))
    made = SizingFacts(
        ETH,
        PRICE,
        settings,
        RiskLimits(),
        Decimal(10_000),
        Decimal(5000),
        PROMISING,
        GOOD,
        Volatility(0.8, 100),
    )
    return replace(made, **changes)


def with_settings(made: SizingFacts, **changes: Any) -> SizingFacts:
    """The same plan with other settings."""
    return replace(made, settings=replace(made.settings, **changes))


def words(sizing: Sizing) -> dict[str, str]:
    """Factors by name."""
    return {factor.name: factor.value for factor in sizing.factors}


def forecast(*ends: float, start: float = 2000.0) -> Forecast:
    """Paths of one candle that end there."""
    paths = np.zeros((len(ends), 1, 6), dtype=np.float32)
    paths[:, 0, 3] = ends
    return Forecast("ETH-USDT", Interval("1H"), "test", START, start, paths)


def test_kelly_is_mean_over_variance_times_fraction_and_skill() -> None:
    """0.01 / 0.02 is half the capital; a quarter of that is 12.5 % of 10,000."""
    sized = size(facts())
    assert sized.notional == Decimal("1250.0000")
    assert sized.quantity == Decimal("0.625")
    half_trusted = size(facts(skill=replace(GOOD, score=0.025)))
    assert half_trusted.notional == Decimal("625.0000")
    assert words(half_trusted)["skill"] == "0.5000"
    assert words(half_trusted)["full_kelly"] == "0.5000"


@pytest.mark.parametrize(
    "skill",
    [
        None,
        replace(GOOD, better=False),
        replace(GOOD, score=-0.01),
        replace(GOOD, right_at_least=0.5),
        replace(GOOD, right_at_least=None),
        replace(GOOD, score=float("nan")),
    ],
)
def test_kelly_stakes_nothing_on_what_is_not_proven(skill: MeasuredSkill | None) -> None:
    """Not measured, perhaps luck, no better, or no better than a coin: as if there were no edge, and it says so."""
    sized = size(facts(skill=skill))
    assert sized.wished == sized.notional == sized.quantity == 0
    assert "nothing is proven" in sized.factors[-1].because


def test_kelly_may_be_allowed_a_little_on_what_is_not_proven() -> None:
    """At most `unproven_share` of the capital, and no more than Kelly itself would take."""
    allowed = with_settings(facts(skill=None), unproven_share=Decimal("0.02"))
    assert size(allowed).notional == Decimal("200.0000")
    weak = replace(PROMISING, mean=0.0004)
    assert size(replace(allowed, prospect=weak)).notional == Decimal("50.0000")


LIVE = LiveSkill("kronos v1", score=0.05, worse=False, right=0.55, forecasts=60)


@pytest.mark.parametrize(
    ("live", "notional", "factor"),
    [
        (LIVE, "1250", "1.0000"),
        (replace(LIVE, score=0.9, right=0.9), "1250", "1.0000"),
        (replace(LIVE, score=0.025), "625", "0.5000"),
        (replace(LIVE, right=0.51), "250", "0.2000"),
    ],
)
def test_the_smaller_of_both_skills_counts(live: LiveSkill, notional: str, factor: str) -> None:
    """Live outcomes take from what the evaluation proves, and add nothing to it."""
    sized = size(facts(live=live))
    assert sized.notional == Decimal(notional)
    assert words(sized)["live_skill"] == factor
    weak = replace(GOOD, score=0.01)
    alone = size(facts(skill=weak)).notional
    assert size(facts(skill=weak, live=live)).notional == min(alone, Decimal(notional))


@pytest.mark.parametrize(
    "live",
    [
        replace(LIVE, score=-0.01),
        replace(LIVE, right=0.5),
        replace(LIVE, right=None),
        replace(LIVE, worse=True),
        replace(LIVE, score=float("nan")),
    ],
)
def test_live_outcomes_without_skill_leave_nothing_proven(live: LiveSkill) -> None:
    """Whatever the evaluation said: nothing, or what the plan allows itself unproven, if that is less than before."""
    made = facts(live=live)
    assert not made.proven
    assert size(made).notional == 0
    assert "nothing is proven" in size(made).factors[-1].because
    generous = with_settings(made, unproven_share=Decimal("0.9"))
    assert size(generous).notional == size(replace(generous, live=None)).notional == Decimal(1250)
    assert size(with_settings(made, unproven_share=Decimal("0.02"))).notional == Decimal(200)


def test_live_outcomes_prove_nothing_by_themselves() -> None:
    """A version that was not proven by its evaluation stakes nothing."""
    made = facts(skill=None, live=LIVE)
    assert not made.proven and size(made).notional == 0


@given(
    st.floats(-0.1, 0.2), st.floats(0.4, 0.7), st.booleans(),
    st.floats(-0.1, 0.2), st.none() | st.floats(0, 1), st.booleans(), st.decimals("0", "1", places=2),
)  # fmt: skip
def test_live_outcomes_never_make_a_size_larger(
    score: float,
    low: float,
    better: bool,
    live_score: float,
    right: float | None,
    worse: bool,
    unproven: Decimal,
) -> None:
    """Than it was without them."""
    skill = MeasuredSkill("kronos v1", score, better, low, 300)
    before = with_settings(facts(skill=skill), unproven_share=unproven)
    live = LiveSkill("kronos v1", live_score, worse, right, 60)
    assert size(replace(before, live=live)).wished <= size(before).wished


def test_live_skill_is_read_of_scores() -> None:
    """Too few say nothing."""
    found = ForecastSkill(40, 12, NO_DIFFERENCE, START, START, 38, 0.9, 1.0, 0.6, {}, {})
    assert live_skill("kronos v2", found) == LiveSkill("kronos v2", pytest.approx(0.1), False, 0.6, 40)
    worse = live_skill("kronos v2", replace(found, verdict=WORSE, crps=1.1))
    assert worse is not None and worse.worse and worse.factor == 0
    better = live_skill("kronos v2", replace(found, verdict=BETTER))
    assert better is not None and better.factor == 1
    assert live_skill("kronos v2", ForecastSkill(20, 5, TOO_FEW, START, START)) is None


@pytest.mark.parametrize("mean", [0.0, -0.01, float("nan"), float("inf")])
def test_kelly_takes_nothing_without_a_sound_edge(mean: float) -> None:
    """Costs that eat the mean, and paths that are no numbers."""
    assert size(facts(prospect=replace(PROMISING, mean=mean))).quantity == 0


def test_paths_without_spread_are_not_believed() -> None:
    """They would argue for everything."""
    certain = prospect(forecast(2100, 2100), Side.BUY, PRICE, Decimal("0.003"))
    assert certain.full_kelly == 0
    assert size(facts(prospect=certain)).quantity == 0


def test_volatility_target() -> None:
    """20 % wished, 80 % measured: a quarter of the capital. In a market that barely moves: never more than the capital."""
    target = facts(SizingMethod.VOLATILITY_TARGET, room=Decimal(50_000))
    assert size(target).wished == Decimal("2500.0000")
    assert size(replace(target, volatility=Volatility(0.01, 100))).wished == Decimal(10_000)
    for unknown in (None, Volatility(0.0, 100), Volatility(float("nan"), 100)):
        assert size(replace(target, volatility=unknown)).quantity == 0


def test_fixed_and_edge() -> None:
    """A fixed worth; and the built-in scale from a quarter of the position limit to all of it."""
    assert size(facts(SizingMethod.FIXED)).notional == Decimal(800)
    certain = replace(PROMISING, mean=0.5, variance=0.25)
    assert size(facts(SizingMethod.EDGE, prospect=certain, room=Decimal(10_000))).notional == Decimal(5000)
    barely = replace(PROMISING, mean=1e-9)
    assert size(facts(SizingMethod.EDGE, prospect=barely)).notional == Decimal(1250)
    assert size(facts(SizingMethod.EDGE, prospect=replace(PROMISING, mean=-0.1))).quantity == 0


@pytest.mark.parametrize("method", list(SizingMethod))
def test_what_is_not_known_is_nothing(method: SizingMethod) -> None:
    """Room, capital, forecast or candles: without what the method needs there is no size, and a factor says why."""
    no_room = size(facts(method, room=None))
    assert no_room.quantity == 0
    assert words(no_room)["room"] == "unknown"
    if method is not SizingMethod.FIXED:
        bare = size(facts(method, capital=None, prospect=None, volatility=None))
        assert bare.quantity == 0
        assert bare.factors


def test_below_the_least_order_is_nothing() -> None:
    """A size that no order can have."""
    tiny = size(with_settings(facts(SizingMethod.FIXED), fixed_notional=Decimal("1.5")))
    assert tiny.notional == Decimal("1.5")
    assert tiny.quantity == 0
    assert words(tiny)["least order"] == "0.001"


@given(
    method=st.sampled_from(list(SizingMethod)),
    mean=st.floats(-1, 5),
    variance=st.floats(0, 10),
    known=st.tuples(st.floats(-1, 1), st.floats(0, 1)),
    yearly=st.floats(0, 20),
    money=st.tuples(*[st.decimals(0, 10**7, places=2)] * 3),
    fraction=st.decimals("0.0001", 1, places=4),
    unproven=st.decimals(0, 1, places=4),
)
def test_no_size_exceeds_its_caps(
    method: SizingMethod,
    mean: float,
    variance: float,
    known: tuple[float, float],
    yearly: float,
    money: tuple[Decimal, Decimal, Decimal],
    fraction: Decimal,
    unproven: Decimal,
) -> None:
    """Whatever forecast, skill, market and plan: within the room, within the capital where it is a share of that, in whole lots."""
    capital, room, limit = money
    settings = CapitalSettings(
        method, fixed_notional=limit + 1, kelly_fraction=fraction, unproven_share=unproven
    )
    sized = size(
        SizingFacts(
            ETH,
            PRICE,
            settings,
            RiskLimits(max_position_notional=limit + 1),
            capital,
            room,
            Prospect(Side.BUY, mean, variance, 0.003, 24, 256),
            MeasuredSkill("x", known[0], True, known[1], 100),
            Volatility(yearly, 100),
        )
    )
    assert 0 <= sized.notional <= min(sized.wished, room)
    assert ETH.notional(sized.quantity, PRICE) <= sized.notional
    assert sized.quantity == 0 or ETH.quantity_fault(sized.quantity) is None
    if method in (SizingMethod.KELLY, SizingMethod.VOLATILITY_TARGET):
        assert sized.wished <= capital


@given(st.floats(0.001, 0.2), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_skill_never_makes_less(mean: float, low: float, high: float) -> None:
    """Kelly grows with skill, and full skill is the fraction itself."""
    weaker, stronger = sorted((low, high))
    found = replace(PROMISING, mean=mean)

    def wished(share: float) -> Decimal:
        return size(facts(prospect=found, skill=replace(GOOD, score=0.05 * share))).wished

    assert wished(weaker) <= wished(stronger)


def test_the_prospect_is_of_the_present_price_and_after_costs() -> None:
    """Half the paths 10 % up, half 4 % down; sold short, the signs turn and the costs stay."""
    cost = round_trip(InstrumentKind.SPOT, Decimal("0.0005"))
    assert cost == Decimal("0.003")
    seen = prospect(forecast(2200, 1920), Side.BUY, PRICE, cost)
    assert seen.mean == pytest.approx(0.03 - 0.003)
    assert seen.variance == pytest.approx(0.07**2)
    assert seen.edge == pytest.approx(0.027 / 0.07)
    short = prospect(forecast(2200, 1920), Side.SELL, PRICE, cost)
    assert short.mean == pytest.approx(-0.033)
    assert short.full_kelly == 0
    dearer = prospect(forecast(2200, 1920), Side.BUY, Decimal(2060), cost)
    assert dearer.mean == pytest.approx(-0.003, abs=1e-6)


def test_volatility_of_candles() -> None:
    """Up and down by the same logarithm each hour: the sample deviation, times the root of 8,760 hours."""
    closes = np.exp(np.where(np.arange(101) % 2, log(1.01), 0.0))
    found = volatility(closes, Interval("1H"))
    assert found is not None
    assert found.returns == 100
    assert found.yearly == pytest.approx(log(1.01) * sqrt(100 / 99) * sqrt(8760))
    assert volatility(closes[:20], Interval("1H")) is None
    assert volatility(np.append(closes, 0.0), Interval("1H")) is None
    assert volatility(np.append(closes, np.nan), Interval("1H")) is None


def test_the_largest_order_keeps_headroom_under_each_limit() -> None:
    """The order limit, the ratio of the capital and the share of the equity, whichever is least; unknown is nothing."""
    limits = RiskLimits(max_order_notional=Decimal(1000))
    assert largest_order(limits, None) == Decimal(990)
    part = replace(limits, max_single_order_ratio=Decimal("0.2"))
    assert largest_order(part, Decimal(2000)) == Decimal(396)
    assert largest_order(part, None) == 0
    shared = replace(limits, max_order_share=Decimal("0.01"))
    assert largest_order(shared, None, Decimal(5000)) == Decimal("49.5")
    assert largest_order(shared, None) == 0


def evaluation(**changes: Any) -> dict[str, Any]:
    """A version judged against two baselines."""

    def scores(crps: float) -> dict[str, Any]:
        return {"windows": 80, "crps_mean": crps, "direction": {"low": [0.4, 0.55]}}

    record = {
        "order": ["kronos v3", "kronos v3, conformal", "kronos v3, quantile mapping", "walk", "blocks"],
        "scores": {
            "kronos v3": scores(1.1),
            "kronos v3, conformal": scores(0.9),
            "kronos v3, quantile mapping": scores(0.5),
            "walk": scores(1.0),
            "blocks": scores(1.2),
        },
        "diebold_mariano": [
            {"first": "kronos v3, conformal", "second": "walk", "overall": {"verdict": "better"}},
            {"first": "kronos v3, conformal", "second": "blocks", "overall": {"verdict": "better"}},
            {"first": "kronos v3", "second": "walk", "overall": {"verdict": "worse"}},
        ],
    }
    return record | changes


def test_skill_is_read_of_what_forecasts_against_the_best_baseline() -> None:
    """The corrected form is what runs; its CRPS is 10 % below the best baseline's."""
    skill = read_skill("kronos v3", evaluation(), horizon=24)
    assert skill is not None
    assert skill.score == pytest.approx(0.1)
    assert skill.better
    assert skill.right_at_least == 0.55
    assert skill.factor == pytest.approx(1.0)
    assert skill.windows == 80
    first = read_skill("kronos v3", evaluation(), horizon=1)
    assert first is not None
    assert first.factor == 0


def test_skill_that_was_not_measured() -> None:
    """No evaluation, no baseline, nothing computable; and a test that is missing counts as luck."""
    assert read_skill("v1", None, 24) is None
    assert read_skill("v1", {"order": ["v1"], "scores": {"v1": {"crps_mean": 1.0}}}, 24) is None
    record = evaluation()
    record["scores"]["walk"]["crps_mean"] = None
    assert read_skill("v1", record, 24) is None
    untested = read_skill("v1", evaluation(diebold_mariano=[]), 24)
    assert untested is not None
    assert not untested.better
    assert untested.factor == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sizing": SizingMethod.FIXED}, "needs fixed_notional"),
        ({"kelly_fraction": Decimal(0)}, "kelly_fraction 0 must be a share of more than 0 and at most 1"),
        ({"kelly_fraction": Decimal("1.1")}, "kelly_fraction 1.1"),
        ({"unproven_share": Decimal(-1)}, "unproven_share -1 must be a share of 0 or more"),
        ({"trailing_stop": Decimal(1)}, "trailing_stop 1 must be a share of more than 0 and less than 1"),
        ({"trailing_stop": Decimal("NaN")}, "trailing_stop NaN"),
        ({"avg_orders_per_batch": 0}, "avg_orders_per_batch 0 must be between 1 and 20"),
        ({"target_volatility": Decimal(0)}, "target_volatility 0"),
        ({"fixed_notional": Decimal(-5)}, "fixed_notional -5 must be more than 0"),
    ],
)
def test_settings_that_cannot_be_meant(changes: dict[str, Any], said: str) -> None:
    """Each is named, with what it may be."""
    fault = replace(CapitalSettings(), **changes).fault()
    assert fault is not None
    assert said in fault
    assert CapitalSettings().fault() is None

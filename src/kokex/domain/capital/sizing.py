"""How large a holding to wish for, and why: pure. A wish is no permission: the risk gate alone lets orders through.

Money is exact (`Decimal`). Shares that come from forecasts are floats, rounded down to a hundredth of a percent before money is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from math import isfinite
from typing import Final

from kokex.domain.capital.prospects import LiveSkill, MeasuredSkill, Prospect, Volatility
from kokex.domain.capital.settings import CapitalSettings, SizingMethod
from kokex.domain.instrument import Instrument
from kokex.domain.limits import RiskLimits

HEADROOM: Final = Decimal("0.01")
"""Share of each limit that is left unused, because prices move between looking and asking."""
LEAST_SHARE: Final = 0.25
FULL_EDGE: Final = 0.10
"""`edge`: at the least edge this share of the position limit, from `FULL_EDGE` standard deviations on all of it."""
_NOTHING: Final = Decimal(0)
_STEP: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class SizingFacts:
    """What a size is worked out from. None is unknown.

    Attributes:
        price: at which the quantity is counted, quote currency.
        capital: what the plan has to trade with (`RiskLimits.own_capital`).
        room: worth of the largest holding that every limit allows now.
        skill: what the forecaster's evaluation proves; `live`: what its own forecasts were worth, where there are enough to say.
    """

    instrument: Instrument
    price: Decimal
    settings: CapitalSettings
    limits: RiskLimits
    capital: Decimal | None
    room: Decimal | None
    prospect: Prospect | None = None
    skill: MeasuredSkill | None = None
    volatility: Volatility | None = None
    live: LiveSkill | None = None

    @property
    def proven(self) -> bool:
        """Whether a measured skill stands behind what Kelly stakes."""
        of_evaluation = 0.0 if self.skill is None else self.skill.factor
        return of_evaluation > 0 and (self.live is None or self.live.factor > 0)


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that made the size what it is, with its number and a sentence."""

    name: str
    value: str
    because: str


@dataclass(frozen=True, slots=True)
class Sizing:
    """The holding to wish for, without its sign.

    Attributes:
        wished: worth by the method alone, quote currency.
        notional: the same, cut to what the limits leave; never more than `wished`.
        quantity: in whole lots; zero where it is below the least order.
    """

    method: SizingMethod
    wished: Decimal
    notional: Decimal
    quantity: Decimal
    factors: tuple[Factor, ...]


def size(facts: SizingFacts) -> Sizing:
    """The holding that the plan's method argues for, never more than its limits allow."""
    settings = facts.settings
    wished, factors = _METHODS[settings.sizing](facts)
    notional = _NOTHING
    if facts.room is None:
        factors.append(Factor("room", "unknown", "what the limits leave is not known now: nothing"))
    else:
        most = max(facts.room, _NOTHING) * (1 - HEADROOM)
        notional = min(wished, most)
        if notional < wished:
            factors.append(Factor("room", f"{most:.2f}", "cut to what the plan's limits leave now, less 1 %"))
    quantity = facts.instrument.quantity_for(notional, facts.price)
    if quantity < facts.instrument.min_quantity:
        if notional:
            least = facts.instrument.min_quantity
            factors.append(Factor("least order", str(least), "the size is below the least order: nothing"))
        quantity = _NOTHING
    return Sizing(settings.sizing, wished, notional, quantity, tuple(factors))


def largest_order(limits: RiskLimits, capital: Decimal | None, equity: Decimal | None = None) -> Decimal:
    """Worth of the largest order that may add to a holding, quote currency, with headroom; zero where it is not known."""
    most = limits.max_order_notional
    if limits.max_single_order_ratio is not None:
        most = min(most, limits.max_single_order_ratio * (capital or _NOTHING))
    if limits.max_order_share is not None:
        most = min(most, limits.max_order_share * (equity or _NOTHING))
    return max(most, _NOTHING) * (1 - HEADROOM)


def _fixed(facts: SizingFacts) -> tuple[Decimal, list[Factor]]:
    wished = facts.settings.fixed_notional or _NOTHING
    return wished, [Factor("fixed_notional", f"{wished:f}", "the plan's fixed size, whatever the forecast")]


def _by_edge(facts: SizingFacts) -> tuple[Decimal, list[Factor]]:
    found = facts.prospect
    if found is None:
        return _NOTHING, [_NO_FORECAST]
    factors = [Factor("edge", f"{found.edge:.3f}", "mean return after costs, in standard deviations")]
    if found.edge <= 0:
        return _NOTHING, [*factors, Factor("share", "0", "costs eat the edge: nothing")]
    share = _rounded(LEAST_SHARE + (1 - LEAST_SHARE) * min(1.0, found.edge / FULL_EDGE))
    factors.append(Factor("share", f"{share:f}", "of the position limit"))
    return facts.limits.max_position_notional * share, factors


def _by_volatility(facts: SizingFacts) -> tuple[Decimal, list[Factor]]:
    """Capital times target over measured volatility, never more than the capital (Moreira and Muir 2017; Harvey and others 2018)."""
    found = facts.volatility
    if found is None or facts.capital is None:
        return _NOTHING, [
            _NO_CAPITAL
            if facts.capital is None
            else Factor("volatility", "unknown", "too few candles to measure it: nothing")
        ]
    measured = Factor(
        "volatility", f"{found.yearly:.4f}", f"a year, from the last {found.returns} candle returns"
    )
    if not isfinite(found.yearly) or found.yearly <= 0:
        return _NOTHING, [measured, Factor("share", "0", "prices stood still: no volatility to go by")]
    target = float(facts.settings.target_volatility)
    share = _rounded(min(1.0, target / found.yearly))
    return facts.capital * share, [
        measured,
        Factor("target_volatility", f"{target:g}", "a year, as the plan wishes"),
        Factor("share", f"{share:f}", f"of the plan's capital of {facts.capital:.2f}: target over measured"),
    ]


def _by_kelly(facts: SizingFacts) -> tuple[Decimal, list[Factor]]:
    found, settings = facts.prospect, facts.settings
    if found is None or facts.capital is None:
        return _NOTHING, [_NO_FORECAST if found is None else _NO_CAPITAL]
    part = found.full_kelly * float(settings.kelly_fraction)
    factors = [
        Factor(
            "expected_return", f"{found.mean:.6f}", f"after costs of {found.cost:.4f}, {found.paths} paths"
        ),
        Factor("variance", f"{found.variance:.8f}", f"of the return over {found.horizon} candles"),
        Factor(
            "full_kelly", f"{found.full_kelly:.4f}", "expected return over variance; 0 where it is negative"
        ),
        Factor("kelly_fraction", f"{settings.kelly_fraction:f}", "of it, as the plan wishes"),
        _skill_factor(facts.skill),
    ]
    unproven = min(part, float(settings.unproven_share), 1.0)
    share = _kelly_share(part, unproven, 0.0 if facts.skill is None else facts.skill.factor)
    if facts.live is not None:
        factors.append(_live_factor(facts.live))
        share = min(share, _kelly_share(part, unproven, facts.live.factor))
    if facts.proven:
        factors.append(Factor("share", f"{share:f}", f"of the plan's capital of {facts.capital:.2f}"))
    else:
        words = (
            "nothing is proven, so nothing is staked"
            if not settings.unproven_share
            else ("nothing is proven, so at most unproven_share of the plan's capital")
        )
        factors.append(Factor("share", f"{share:f}", words))
    return facts.capital * share, factors


def _kelly_share(part: float, unproven: float, trust: float) -> Decimal:
    return _rounded(min(1.0, part * trust) if trust > 0 else unproven)


def _live_factor(live: LiveSkill) -> Factor:
    right = "no calls" if live.right is None else f"{live.right:.3f}"
    words = (
        f"{live.of}, its {live.forecasts} latest forecasts: CRPS {live.score:+.2%} better than a walk without drift"
        f"{', worse by more than chance' if live.worse else ''}, direction right in {right}; the smaller of both skills counts"
    )
    return Factor("live_skill", f"{live.factor:.4f}", words)


def _skill_factor(skill: MeasuredSkill | None) -> Factor:
    if skill is None:
        return Factor("skill", "not measured", "its forecasts count as if they had no edge")
    right = "no calls" if skill.right_at_least is None else f"{skill.right_at_least:.3f}"
    words = (
        f"{skill.of}, {skill.windows} windows: CRPS {skill.score:+.2%} better than the best baseline "
        f"({'no luck' if skill.better else 'may be luck'}), direction right in at least {right}"
    )
    return Factor("skill", f"{skill.factor:.4f}", words)


def _rounded(share: float) -> Decimal:
    """Down to a hundredth of a percent; what is no number is nothing."""
    return Decimal(repr(share)).quantize(_STEP, ROUND_DOWN) if isfinite(share) and share > 0 else _NOTHING


_NO_FORECAST: Final = Factor("forecast", "none", "there is no forecast, or none that is fresh: nothing")
_NO_CAPITAL: Final = Factor(
    "capital", "unknown", "what the plan's holding is worth is not known now: nothing"
)
_METHODS: Final = {
    SizingMethod.FIXED: _fixed,
    SizingMethod.EDGE: _by_edge,
    SizingMethod.VOLATILITY_TARGET: _by_volatility,
    SizingMethod.KELLY: _by_kelly,
}

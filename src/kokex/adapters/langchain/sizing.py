"""How much to hold, from a forecast's distribution: the built-in policy's judgement, pure.

The edge is what the forecast's mean still promises from the present price, less the fees of going in and out, as a share of
the forecast's spread. It decides on the direction, and whether to be in at all. How much is the plan's own sizing: `edge` is judged here
and takes the distribution at face value; for the others the size is given (`Suggestion`). What the baseline offers as an edge is the
noise of its draws, so expect it to pay fees.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kokex.adapters.langchain.readings import Market, Outlook, Rules, Suggestion
from kokex.domain.capital import SizingMethod
from kokex.domain.capital.sizing import FULL_EDGE, HEADROOM, LEAST_SHARE
from kokex.domain.instrument import InstrumentKind


@dataclass(frozen=True, slots=True)
class SizingSettings:
    """Thresholds of the policy.

    Attributes:
        enter_probability: least chance of the wanted direction to go in.
        leave_probability: at or below this chance of the held direction, go out. Between the two, what is held is kept.
        stake_probability: from this chance on, hold the least share even where the mean does not pay the fees: in a quiet
            market no mean does, and a plan that never trades shows nothing.
        least_share, full_edge: at the least edge hold this share of the position limit, at `full_edge` spreads all of it.
        strong_edge: from this many spreads on, do not wait at the touch: take.
        spot_round_trip, swap_round_trip: fees of going in and out, as a share of the value (OKX v5, regular users:
            0.1 % a side on spot, 0.05 % on swaps).
        band: differences below this share of the position limit are left alone.
        headroom: share of each limit that is left unused, because prices move between reading and asking.
    """

    enter_probability: float = 0.50
    leave_probability: float = 0.47
    stake_probability: float = 0.54
    least_share: float = LEAST_SHARE
    full_edge: float = FULL_EDGE
    strong_edge: float = 0.06
    spot_round_trip: float = 0.002
    swap_round_trip: float = 0.001
    band: Decimal = Decimal("0.05")
    headroom: Decimal = HEADROOM

    def round_trip(self, kind: InstrumentKind) -> float:
        """Fees of going in and out, as a share of the value."""
        return self.spot_round_trip if kind is InstrumentKind.SPOT else self.swap_round_trip


@dataclass(frozen=True, slots=True)
class View:
    """What the forecast means at the present price.

    Attributes:
        expected: mean return from the present price to the horizon.
        round_trip: fees of going in and out, as a share.
        direction: +1 up, -1 down: where the forecast's mean pointed when it was made, so that one forecast never argues
            for both ways as the price moves.
        probability: chance of that direction.
        edge: expected gain after fees in that direction, in spreads; negative when fees eat it.
    """

    expected: float
    round_trip: float
    direction: int
    probability: float
    edge: float


@dataclass(frozen=True, slots=True)
class Target:
    """The holding to work towards, signed, with the words for it. `sized`: it was given, and may be far below the position limit."""

    quantity: Decimal
    because: str
    strong: bool = False
    sized: bool = False


def view(outlook: Outlook, market: Market, rules: Rules, settings: SizingSettings) -> View:
    """Weigh `outlook` at the present price."""
    expected = outlook.origin_price * (1 + outlook.expected_return) / float(market.last) - 1
    direction = 1 if outlook.expected_return >= 0 else -1
    probability = outlook.probability_up if direction > 0 else 1 - outlook.probability_up
    round_trip = settings.round_trip(rules.instrument.kind)
    spread = max(outlook.spread, 1e-9)
    return View(expected, round_trip, direction, probability, (direction * expected - round_trip) / spread)


def worth_it(seen: View, settings: SizingSettings) -> bool:
    """Whether to be in at all."""
    staked = seen.probability >= settings.stake_probability
    return staked or (seen.edge > 0 and seen.probability >= settings.enter_probability)


def target(
    seen: View,
    held: Decimal,
    market: Market,
    rules: Rules,
    settings: SizingSettings,
    given: Suggestion | None = None,
) -> Target:
    """The holding that `seen` argues for, given what is held (hysteresis); `given`: how much, where the plan's sizing says so."""
    if worth_it(seen, settings):
        if seen.direction < 0 and not rules.limits.allow_short:
            return Target(Decimal(0), "the edge is downwards and this plan does not go short")
        if given is not None:
            return _given(seen, held, settings, given)
        return _by_edge(seen, held, market, rules, settings)
    holding_direction = (held > 0) - (held < 0)
    if not holding_direction:
        return Target(Decimal(0), "the edge does not pay its fees")
    chance = seen.probability if seen.direction == holding_direction else 1 - seen.probability
    if chance <= settings.leave_probability:
        against = seen.direction != holding_direction and seen.edge >= settings.strong_edge
        return Target(Decimal(0), "the edge for holding is gone", strong=against)
    return Target(held, "the edge is too small to go in again and not gone")


def _by_edge(seen: View, held: Decimal, market: Market, rules: Rules, settings: SizingSettings) -> Target:
    """From the least share of the position limit up to all of it."""
    share = settings.least_share + (1 - settings.least_share) * min(
        1.0, max(0.0, seen.edge) / settings.full_edge
    )
    most = rules.limits.max_position_notional * (1 - settings.headroom)
    wanted = seen.direction * rules.instrument.quantity_for(most * Decimal(f"{share:.4f}"), market.last)
    if held * seen.direction > wanted * seen.direction:
        return Target(held, "enough is held for this edge")
    words = f"an edge of {seen.edge:.3f} spreads is worth {share:.0%} of the limit"
    if seen.edge <= 0:
        words = f"a chance of {seen.probability:.2f} is worth a stake of {share:.0%} of the limit, though fees eat the mean"
    return Target(wanted, words, strong=seen.edge >= settings.strong_edge)


def _given(seen: View, held: Decimal, settings: SizingSettings, given: Suggestion) -> Target:
    """The given size in the direction of `seen`."""
    words = f"{given.method.value} sizing says {given.quantity:f} ({given.because})"
    wanted = seen.direction * given.quantity
    if held * seen.direction > wanted * seen.direction:
        unsure = not wanted and given.proven is True
        if given.method is SizingMethod.FIXED or unsure:
            return Target(held, f"enough is held: {words}", sized=True)
        return Target(wanted, words, sized=True)
    return Target(wanted, words, strong=seen.edge >= settings.strong_edge, sized=True)

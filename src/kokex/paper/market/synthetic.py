"""A seeded synthetic market: several correlated pairs with the habits of real ones.

Each candle's return is built from a common and an own shock. Shocks carry

- volatility clustering: a GARCH(1,1) variance per pair,
- jumps: self-exciting (one makes the next likelier, and fades), with fat Laplace sizes, some of them market-wide,
- sessions: livelier in the European and American afternoon, quieter at night and at weekends, in volatility and volume,
- regimes: stretches that trend up, trend down, revert to an anchor, or drift aimlessly.

A pair that follows a candle file still takes part: its variance learns from the file's returns, so the synthetic
market that continues the file starts with the volatility that the file ended with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kokex.paper.instruments import MarketProfile
from kokex.paper.market.interval import DAY_MS, HOUR_MS

_BLOCK = 256
"""Candles whose random numbers are drawn at once."""
_COMMON_SHARE = 0.75
_HOURS_IN_YEAR = 365.25 * 24
_TREND, _REVERT = (1, -1), 0


@dataclass(frozen=True, slots=True)
class RawCandle:
    """A candle in floats: prices in quote currency, volume in base currency."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(slots=True)
class _Pair:
    """Moving state of one pair."""

    profile: MarketProfile
    log_price: float
    anchor: float
    home: float
    variance: float
    calm_variance: float
    jump_heat: float = 0.0
    activity: float = 0.0
    regime: int = 2


class SyntheticMarket:
    """Generates one candle per pair per step, in order. The same seed and calls give the same market."""

    def __init__(self, seed: int, profiles: dict[str, MarketProfile], interval_ms: int) -> None:
        self._random = np.random.default_rng([seed, 0x5EED])
        self._hours = interval_ms / HOUR_MS
        self._interval_ms = interval_ms
        memory = math.exp(-self._hours / 30)
        self._alpha = min(0.10, 0.03 + 0.6 * (1 - memory))
        self._beta = memory - self._alpha
        self._pairs = {name: self._new_pair(profile) for name, profile in profiles.items()}
        self._draws: list[list[list[float]]] = []
        self._commons: list[list[float]] = []
        self._at = _BLOCK

    def step(self, start_ms: int) -> dict[str, RawCandle]:
        """The next candle of every pair; `start_ms` only places it in the day and the week."""
        if self._at == _BLOCK:
            self._draw()
        common = self._commons[self._at]
        rows = self._draws[self._at]
        self._at += 1
        session = session_factor(start_ms + self._interval_ms // 2)
        return {
            name: self._advance(pair, session, common, row)
            for (name, pair), row in zip(self._pairs.items(), rows, strict=True)
        }

    def observe(self, name: str, *, open_price: float, close_price: float, start_ms: int) -> None:
        """Replace the last step of a pair by what a candle file says happened."""
        pair = self._pairs[name]
        session = session_factor(start_ms + self._interval_ms // 2)
        shock = math.log(close_price / open_price) / session
        pair.variance = self._next_variance(pair, min(abs(shock), 8 * math.sqrt(pair.variance)))
        pair.log_price = pair.home = math.log(close_price)
        pair.anchor += (pair.log_price - pair.anchor) * min(1.0, 0.1 * self._hours)

    def _new_pair(self, profile: MarketProfile) -> _Pair:
        variance = profile.yearly_volatility**2 * self._hours / _HOURS_IN_YEAR
        start = math.log(profile.price)
        return _Pair(profile, start, start, start, variance, variance)

    def _draw(self) -> None:
        pairs = len(self._pairs)
        normal = self._random.standard_normal((_BLOCK, pairs, 3))
        uniform = self._random.random((_BLOCK, pairs, 6))
        self._draws = np.concatenate([normal, uniform], axis=2).tolist()
        shocks = self._random.standard_normal((_BLOCK, 1))
        chances = self._random.random((_BLOCK, 2))
        self._commons = np.concatenate([shocks, chances], axis=1).tolist()
        self._at = 0

    def _next_variance(self, pair: _Pair, shock: float) -> float:
        omega = pair.calm_variance * (1 - self._alpha - self._beta)
        fresh = omega + self._alpha * shock * shock + self._beta * pair.variance
        return min(max(fresh, 0.08 * pair.calm_variance), 25 * pair.calm_variance)

    def _advance(self, pair: _Pair, session: float, common: list[float], row: list[float]) -> RawCandle:
        own, body, flow, regime_draw, regime_pick, up, down, jump_draw, jump_size = row
        sigma = math.sqrt(pair.variance)
        shock = sigma * (math.sqrt(_COMMON_SHARE) * common[0] + math.sqrt(1 - _COMMON_SHARE) * own)
        drift = self._drift(pair, sigma, regime_draw, regime_pick)
        jump = self._jump(pair, jump_draw, jump_size, common)
        move = session * shock + drift + jump
        opened = pair.log_price
        pair.log_price = opened + move
        pair.variance = self._next_variance(pair, shock + 0.5 * jump)
        pair.anchor += (pair.log_price - pair.anchor) * min(1.0, 0.02 * self._hours)
        spread = session * sigma * (0.75 + 0.1 * min(3.0, abs(body)))
        top = (move + math.sqrt(move * move - 2 * spread * spread * math.log(max(up, 1e-12)))) / 2
        bottom = (move - math.sqrt(move * move - 2 * spread * spread * math.log(max(down, 1e-12)))) / 2
        pair.activity = 0.85 * pair.activity + 0.28 * flow
        eagerness = 0.55 + 0.75 * abs(move) / (session * math.sqrt(pair.calm_variance))
        volume = pair.profile.hourly_volume * self._hours * session**1.5 * math.exp(pair.activity) * eagerness
        return RawCandle(
            math.exp(opened),
            math.exp(opened + top),
            math.exp(opened + bottom),
            math.exp(pair.log_price),
            volume,
        )

    def _drift(self, pair: _Pair, sigma: float, draw: float, pick: float) -> float:
        if draw < min(0.5, self._hours / 36):
            pair.regime = (
                _TREND[0] if pick < 0.27 else _TREND[1] if pick < 0.5 else _REVERT if pick < 0.8 else 2
            )
        homesick = -2e-4 * self._hours * (pair.log_price - pair.home)
        if pair.regime in _TREND:
            return homesick + pair.regime * 0.14 * sigma
        if pair.regime == _REVERT:
            return homesick - min(0.5, 0.12 * self._hours) * (pair.log_price - pair.anchor)
        return homesick

    def _jump(self, pair: _Pair, draw: float, size: float, common: list[float]) -> float:
        pair.jump_heat *= math.exp(-self._hours / 5)
        shared = common[1] < 0.003 * self._hours
        if not shared and draw >= (0.008 + pair.jump_heat) * self._hours:
            return 0.0
        pair.jump_heat += 0.12
        chance = common[2] if shared else size
        scale = 2.2 * math.sqrt(pair.calm_variance / self._hours)
        tail = -math.log(max(1e-9, 1 - 2 * abs(chance - 0.5)))
        return math.copysign(min(scale * (0.4 + tail), 0.12), chance - 0.5)


def session_factor(at_ms: int) -> float:
    """Volatility multiple of the time of day and week, about 1 on average."""
    hour = at_ms % DAY_MS / HOUR_MS
    afternoon = math.exp(-(((hour - 15.0) / 3.2) ** 2))
    morning = math.exp(-(((hour - 1.5) / 2.5) ** 2)) + math.exp(-(((hour - 8.5) / 2.0) ** 2))
    day = (at_ms // DAY_MS + 3) % 7
    week = 0.68 if day >= 5 else 1.06
    return (0.70 + 0.75 * afternoon + 0.25 * morning) * week

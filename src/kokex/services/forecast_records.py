"""What became of each plan's forecasts: kept forecasts against kept candles.

A forecast's summary and score never change once there, so each is worked out once and remembered; only the newest are read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from kokex.domain.account import ExchangeAccount
from kokex.domain.candle_rows import CLOSE, CandleKey, CandleRows
from kokex.domain.forecast import Forecast
from kokex.domain.forecast_skill import (
    BASELINE_CLOSES,
    ForecastScore,
    ForecastSkill,
    ForecastSummary,
    score,
    skill_of,
    summary_of,
)
from kokex.domain.interval import Interval
from kokex.domain.plan import Plan
from kokex.ports.store import Store
from kokex.services.accounts import market_of

MOST: Final = 500
"""Forecasts that are looked back upon."""
USUAL: Final = 100
"""Forecasts that the skill beside a forecast is measured on."""
_UNDER_WAY: Final = 8
"""Of the forecasts that are taken, how many may have a horizon that has not passed."""
_PAGE: Final = 20
"""Forecasts read at once: each is some 150 kB."""


@dataclass(slots=True)
class _Known:
    """What is remembered of one plan. `usual`: its skill when `newest` was its newest forecast; `of_version`: one version's, by both."""

    summaries: dict[int, ForecastSummary] = field(default_factory=dict)
    scores: dict[int, ForecastScore] = field(default_factory=dict)
    newest: int | None = None
    usual: ForecastSkill | None = None
    of_version: tuple[int, str, ForecastSkill] | None = None


class ForecastRecords:
    """Looks back on forecasts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, _Known] = {}

    async def summaries(self, plan: Plan, limit: int) -> list[ForecastSummary]:
        """The plan's latest forecasts, newest first."""
        found = await self._store.forecasts.numbers(plan.id, limit=limit)
        return await self._summaries(plan, [number for number, _ in found])

    async def _summaries(self, plan: Plan, numbers: Sequence[int]) -> list[ForecastSummary]:
        known = self._known.setdefault(plan.id, _Known())
        missing = [number for number in numbers if number not in known.summaries]
        for begin in range(0, len(missing), _PAGE):
            page = await self._store.forecasts.some(missing[begin : begin + _PAGE])
            known.summaries |= await asyncio.to_thread(_summaries, page)
        found = [known.summaries[number] for number in numbers if number in known.summaries]
        _forget(known, plan)
        return found

    async def scores(self, account: ExchangeAccount, plan: Plan, limit: int) -> dict[int, ForecastScore]:
        """Scores of those among the plan's `limit` latest forecasts whose horizon has passed, by number.

        One whose last candle is not kept is left out.
        """
        return await self._scores(account, plan, await self.summaries(plan, limit))

    async def _scores(
        self, account: ExchangeAccount, plan: Plan, summaries: Sequence[ForecastSummary]
    ) -> dict[int, ForecastScore]:
        known = self._known.setdefault(plan.id, _Known())
        waiting = [one for one in summaries if one.number not in known.scores]
        if waiting:
            key = CandleKey(market_of(account), plan.inst_id, plan.interval)
            start = plan.interval.shift(min(one.origin_time for one in waiting), -BASELINE_CLOSES)
            rows = await self._store.candles.read(key, start, max(one.ends_at for one in waiting))
            made = await asyncio.to_thread(_scored, waiting, rows, plan.interval)
            known.scores |= {one.summary.number: one for one in made}
        return {one.number: known.scores[one.number] for one in summaries if one.number in known.scores}

    async def skill(
        self, account: ExchangeAccount, plan: Plan, limit: int, maker: str | None = None
    ) -> ForecastSkill:
        """How the latest forecasts of one maker did, at most `limit` of them; None: of whoever made the newest.

        Taken are those on every `stride`th candle: more of them would share most of their outcomes, and cost their reading.
        """
        scores = await self._spaced(account, plan, limit)
        wanted = maker or await self._newest_maker(plan)
        same = [one for one in scores if maker_of(one.summary.forecaster) == wanted]
        return skill_of(same[:limit])

    async def skill_of_version(
        self, account: ExchangeAccount, plan: Plan, newest: int, forecaster: str
    ) -> ForecastSkill:
        """The skill of one version's forecasts alone (`kronos v12`), among the `USUAL` latest that are looked at.

        Args:
            newest: number of the plan's newest forecast: it is worked out anew when that changes.
        """
        known = self._known.setdefault(plan.id, _Known())
        if known.of_version is None or known.of_version[:2] != (newest, forecaster):
            scores = await self._spaced(account, plan, USUAL)
            same = [one for one in scores if one.summary.forecaster == forecaster]
            known.of_version = newest, forecaster, skill_of(same[:USUAL])
        return known.of_version[2]

    async def usual_skill(self, account: ExchangeAccount, plan: Plan, newest: int) -> ForecastSkill:
        """The skill of `USUAL` forecasts, worked out anew when the number of the newest forecast changes."""
        known = self._known.setdefault(plan.id, _Known())
        if known.usual is None or known.newest != newest:
            known.usual = await self.skill(account, plan, USUAL)
            known.newest = newest
        return known.usual

    async def _spaced(self, account: ExchangeAccount, plan: Plan, limit: int) -> list[ForecastScore]:
        """Scores of the latest forecasts on every `stride`th candle, whoever made them, newest first."""
        step = stride(plan.forecast.horizon)
        found = await self._store.forecasts.numbers(plan.id, limit=(min(limit, MOST) + _UNDER_WAY) * step)
        taken = [number for number, origin in found if _candle(plan.interval, origin) % step == 0]
        scores = await self._scores(account, plan, await self._summaries(plan, taken))
        return list(scores.values())

    async def _newest_maker(self, plan: Plan) -> str:
        newest = await self.summaries(plan, 1)
        return maker_of(newest[0].forecaster) if newest else ""


def stride(horizon: int) -> int:
    """Candles between the forecasts that a skill is measured on: a quarter of the horizon."""
    return max(1, horizon // 4)


def _candle(interval: Interval, moment: datetime) -> int:
    return int(interval.ordinals(np.array([int(moment.timestamp())], dtype=np.int64))[0])


def maker_of(forecaster: str) -> str:
    """Who made a forecast, whatever the version: `kronos` of `kronos v12`."""
    return forecaster.split(" ", maxsplit=1)[0]


def _summaries(page: Sequence[tuple[int, Forecast]]) -> dict[int, ForecastSummary]:
    return {number: summary_of(number, forecast) for number, forecast in page}


def _forget(known: _Known, plan: Plan) -> None:
    """Keep what may be looked back upon."""
    most = 2 * (MOST + plan.forecast.horizon)
    if len(known.summaries) > most:
        for number in sorted(known.summaries)[: len(known.summaries) - most // 2]:
            del known.summaries[number]
            known.scores.pop(number, None)


def _scored(
    summaries: Sequence[ForecastSummary], rows: CandleRows, interval: Interval
) -> list[ForecastScore]:
    """Those of `summaries` whose last candle is there."""
    ordinals = interval.ordinals(rows.open_times)
    closes = rows.values[:, CLOSE]
    breaks = np.flatnonzero(np.diff(ordinals) != 1) + 1
    scores = []
    for one in summaries:
        last = int(interval.shift(one.ends_at, -1).timestamp())
        at = int(np.searchsorted(rows.open_times, last))
        if at == len(rows.open_times) or rows.open_times[at] != last:
            continue
        end = int(np.searchsorted(rows.open_times, int(one.origin_time.timestamp())))
        begin = max(end - BASELINE_CLOSES, int(breaks[breaks <= end][-1]) if (breaks <= end).any() else 0)
        scores.append(score(one, float(closes[at]), closes[begin:end]))
    return scores

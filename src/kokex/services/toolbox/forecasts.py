"""What the forecaster says, and how it did so far."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from kokex.domain.candle_rows import CLOSE, CandleKey
from kokex.domain.errors import ForecastError
from kokex.domain.forecast import Forecast
from kokex.domain.forecast_skill import (
    FEWEST_APART,
    FEWEST_FORECASTS,
    ForecastScore,
    ForecastSkill,
    ForecastSummary,
)
from kokex.ports.toolbox import ToolResult
from kokex.services.accounts import market_of
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import figure, refusal, time_text

_CLOSES_SHOWN = 24
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NO_FORECAST = refusal("no_forecast", "no forecast has been made yet")


class ForecastTools(Room):
    """Forecasts of the plan's own model."""

    async def query_prediction_data(self) -> ToolResult:
        """The latest forecast's distribution, and what such forecasts were worth so far. A hypothesis."""
        latest = await self._desk.store.forecasts.latest(self._desk.plan.id)
        return _NO_FORECAST if latest is None else await self._told(*latest)

    async def run_latest_model_inference(self) -> ToolResult:
        """A new forecast, where a candle has closed since the newest; told like `query_prediction_data`."""
        desk = self._desk
        wait = desk.forecasting.may_ask(desk.plan.id, desk.clock.monotonic())
        if wait > 0:
            return refusal(
                "too_soon",
                f"a new forecast may be asked for once a minute; wait {wait:.0f} s, or read query_prediction_data",
            )
        before = await desk.store.forecasts.latest(desk.plan.id)
        try:
            made = await desk.forecasting.forecast(desk.session, desk.plan)
        except ForecastError as error:
            return refusal("no_forecast", str(error))
        latest = await desk.store.forecasts.latest(desk.plan.id)
        if made is None or latest is None:
            return refusal(
                "too_few_candles", "too few closed candles are kept to forecast from; wait for market data"
            )
        new = before is None or latest[0] != before[0]
        why = {} if new else {"note": "no candle has closed since; there is one forecast for each close"}
        return {"made_now": new, **why, **await self._told(*latest)}

    async def get_prediction_history(self, limit: int = 10) -> ToolResult:
        """The latest forecasts, newest first, each with what came of it."""
        desk = self._desk
        summaries = await desk.records.summaries(desk.plan, limit)
        scores = await desk.records.scores(desk.session.account, desk.plan, limit)
        return {
            "inst_id": desk.plan.inst_id,
            "unit": desk.ledger.book.instrument.quote_currency,
            "forecasts": [_summary(one, scores.get(one.number)) for one in summaries],
        }

    async def get_latest_prediction_analysis(self) -> ToolResult:
        """The latest forecast against the candles that closed since, and against the present price."""
        desk = self._desk
        latest = await desk.store.forecasts.latest(desk.plan.id)
        if latest is None:
            return _NO_FORECAST
        number, forecast = latest
        steps, came = await self._came(forecast)
        ticker = desk.fresh_ticker()
        now = None if ticker is None else float(ticker.last)
        ends_at = forecast.interval.shift(forecast.origin_time, forecast.horizon)
        return {
            "forecast_id": number,
            "forecaster": forecast.forecaster,
            "origin_time": time_text(forecast.origin_time),
            "origin_price": figure(forecast.origin_price),
            "horizon": forecast.horizon,
            "ends_at": time_text(ends_at),
            "candles_since": steps,
            "candles_left": forecast.horizon - steps,
            "unit": desk.ledger.book.instrument.quote_currency,
            "closes_since": came[-_CLOSES_SHOWN:],
            "closes_outside_90": sum(not one["inside_90"] for one in came),
            "closes_not_kept": steps - len(came),
            "price": None if now is None else figure(now),
            "price_at": None if ticker is None else time_text(ticker.occurred_at),
            "price_against_next_close": None
            if now is None or steps == forecast.horizon
            else _against(forecast, steps, now),
            "left": None if now is None else _left(forecast, now, steps),
        }

    async def _came(self, forecast: Forecast) -> tuple[int, list[dict[str, Any]]]:
        """How many candles of its horizon have closed, and each kept close against the paths at its own step; there may be gaps."""
        desk = self._desk
        key = CandleKey(market_of(desk.session.account), forecast.inst_id, forecast.interval)
        ends_at = forecast.interval.shift(forecast.origin_time, forecast.horizon)
        rows = await desk.store.candles.read(key, forecast.origin_time, ends_at)
        newest = await desk.market_data.series(desk.session.account, key.inst_id, key.interval, 1)
        origin = np.array([int(forecast.origin_time.timestamp())], dtype=np.int64)
        times = np.concatenate([origin, rows.open_times, newest.open_times])
        at = np.diff(forecast.interval.ordinals(times)).cumsum()
        passed = min(max(int(at.max(initial=-1)) + 1, 0), forecast.horizon)
        closes = list(zip(at.tolist(), rows.values[:, CLOSE].tolist(), strict=False))
        return passed, await asyncio.to_thread(
            lambda: [_against(forecast, step, close) for step, close in closes]
        )

    async def get_forecast_skill(self, limit: int = 100) -> ToolResult:
        """How the latest forecasts did whose horizon has passed, beside a walk without drift."""
        desk = self._desk
        skill = await desk.records.skill(desk.session.account, desk.plan, limit)
        return {"interval": str(desk.plan.interval), "horizon": desk.plan.forecast.horizon, **_skill(skill)}

    async def _told(self, number: int, forecast: Forecast) -> dict[str, Any]:
        desk = self._desk
        skill = await desk.records.usual_skill(desk.session.account, desk.plan, number)
        levels = forecast.quantiles(QUANTILES)
        return {
            "forecast_id": number,
            "forecaster": forecast.forecaster,
            "origin_time": time_text(forecast.origin_time),
            "origin_price": forecast.origin_price,
            "interval": str(forecast.interval),
            "horizon": forecast.horizon,
            "paths": int(forecast.paths.shape[0]),
            "probability_up": forecast.probability_up(),
            "expected_return": forecast.expected_return(),
            "spread": forecast.spread(),
            "close_quantiles": {
                f"{level:g}": [round(float(value), 8) for value in row]
                for level, row in zip(QUANTILES, levels, strict=True)
            },
            "measured_skill": _skill(skill) if skill.said else None,
            "measured_skill_note": None if skill.said else _too_few(skill),
        }


def _summary(one: ForecastSummary, scored: ForecastScore | None) -> dict[str, Any]:
    facts = {
        "forecast_id": one.number,
        "forecaster": one.forecaster,
        "origin_time": time_text(one.origin_time),
        "ends_at": time_text(one.ends_at),
        "origin_price": figure(one.origin_price),
        "probability_up": figure(one.probability_up),
        "expected_return": figure(one.expected_return),
        "median": figure(one.median),
        "band_50": [figure(end) for end in one.bands[50]],
        "band_90": [figure(end) for end in one.bands[90]],
        "came": None,
    }
    if scored is not None:
        facts["came"] = {
            "close": figure(scored.actual),
            "inside_50": scored.inside[50],
            "inside_90": scored.inside[90],
            "direction_right": scored.right,
        }
    return facts


def _against(forecast: Forecast, step: int, price: float) -> dict[str, Any]:
    """Where `price` is among the paths' closes at `step` (0-based)."""
    closes = forecast.closes[:, step].astype(np.float64)
    low_90, low_50, median, high_50, high_90 = np.quantile(closes, QUANTILES).tolist()
    return {
        "candle": step + 1,
        "price": figure(price),
        "median": figure(median),
        "share_of_paths_below": figure(float(np.mean(closes < price))),
        "inside_50": bool(low_50 <= price <= high_50),
        "inside_90": bool(low_90 <= price <= high_90),
    }


def _left(forecast: Forecast, price: float, steps: int) -> dict[str, Any] | None:
    """What the forecast says of the rest of its horizon, from the present price on; None where it is over."""
    if steps >= forecast.horizon:
        return None
    finals = forecast.closes[:, -1].astype(np.float64)
    return {
        "expected_return": figure(float(finals.mean()) / price - 1),
        "share_of_paths_ending_above": figure(float(np.mean(finals > price))),
        "band_90": [figure(end) for end in np.quantile(finals, (0.05, 0.95)).tolist()],
    }


def _skill(skill: ForecastSkill) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "verdict": skill.verdict,
        "forecasts": skill.forecasts,
        "forecasts_apart": skill.apart,
        "first_origin": None if skill.first_origin is None else time_text(skill.first_origin),
        "last_end": None if skill.last_end is None else time_text(skill.last_end),
        "baseline": "a walk without drift, as wide as the closes before moved",
    }
    if not skill.said:
        return facts | {"why": _too_few(skill)}
    coverage, beside = skill.coverage or {}, skill.baseline_coverage or {}
    return facts | {
        "crps_percent": _known(skill.crps),
        "baseline_crps_percent": _known(skill.baseline_crps),
        "hit_rate": _known(skill.hit_rate),
        "hit_rate_of": skill.called,
        "inside_50": _known(coverage.get(50)),
        "inside_90": _known(coverage.get(90)),
        "baseline_inside_50": _known(beside.get(50)),
        "baseline_inside_90": _known(beside.get(90)),
    }


def _too_few(skill: ForecastSkill) -> str:
    return (
        f"too few to say: {skill.forecasts} forecasts whose horizon has passed, {skill.apart} of them apart; "
        f"{FEWEST_FORECASTS} and {FEWEST_APART} are needed"
    )


def _known(value: float | None) -> float | None:
    return None if value is None else figure(value)

"""Looking back on forecasts: kept forecasts against kept candles, each scored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.forecast import CLOSE, Forecast
from kokex.domain.forecast_skill import TOO_FEW
from kokex.domain.plan import ForecastSettings
from kokex.services.forecast_records import ForecastRecords, maker_of, stride
from tests.builders import START, plan
from tests.fakes.exchange import account

HOUR = Interval("1H")
PLAN = replace(plan(), forecast=ForecastSettings(horizon=2))
PAST = 500


class Shelf:
    """Candles of a walk around `START`, and forecasts made along it; counts what is asked of it."""

    def __init__(self, candles: int) -> None:
        random = np.random.default_rng(2)
        self.times = np.array([_seconds(hour) for hour in range(-PAST, candles)], dtype=np.int64)
        self.closes = 2000 * np.exp(np.cumsum(random.normal(0, 0.01, PAST + candles)))
        self.made: dict[int, Forecast] = {}
        self.read: list[tuple[int, ...]] = []
        self.candle_reads = 0
        self.store: Any = SimpleNamespace(forecasts=self, candles=SimpleNamespace(read=self._candles))

    def forecast(self, number: int, hour: int, forecaster: str = "block_bootstrap") -> None:
        """One forecast from the close of the candle before `hour`."""
        origin = float(self.closes[PAST + hour - 1])
        paths = np.full((8, 2, 6), origin, dtype=np.float32)
        paths[:, -1, CLOSE] = origin * np.linspace(0.97, 1.03, 8)
        at = START + timedelta(hours=hour)
        self.made[number] = Forecast("ETH-USDT", HOUR, forecaster, at, origin, paths)

    async def numbers(self, plan_id: int, *, limit: int) -> list[tuple[int, datetime]]:
        found = [(number, one.origin_time) for number, one in self.made.items()]
        return sorted(found, key=lambda one: one[1], reverse=True)[:limit]

    async def some(self, numbers: Sequence[int]) -> list[tuple[int, Forecast]]:
        self.read.append(tuple(numbers))
        return [(number, self.made[number]) for number in numbers]

    async def _candles(self, key: CandleKey, start: datetime, end: datetime) -> CandleRows:
        assert key == CandleKey("paper:1", "ETH-USDT", HOUR)
        self.candle_reads += 1
        inside = (self.times >= start.timestamp()) & (self.times < end.timestamp())
        values = np.repeat(self.closes[inside][:, None], 6, axis=1)
        return CandleRows(self.times[inside], values)


async def test_a_forecast_is_scored_once_its_last_candle_is_kept() -> None:
    """The close two candles on; the one that is still under way waits; nothing is read twice."""
    shelf = Shelf(candles=10)
    for number, hour in ((1, 4), (2, 8), (3, 9)):
        shelf.forecast(number, hour)
    records = ForecastRecords(shelf.store)
    scores = await records.scores(account(), PLAN, 10)
    assert set(scores) == {1, 2}
    assert scores[1].actual == pytest.approx(shelf.closes[PAST + 5])
    assert scores[2].actual == pytest.approx(shelf.closes[PAST + 9])
    assert scores[1].baseline_crps is not None
    assert [one.number for one in await records.summaries(PLAN, 2)] == [3, 2]
    assert shelf.read == [(3, 2, 1)]
    later = Shelf(candles=11)
    shelf.times, shelf.closes = later.times, later.closes
    assert set(await records.scores(account(), PLAN, 10)) == {1, 2, 3} and shelf.candle_reads == 2
    await records.scores(account(), PLAN, 10)
    assert shelf.candle_reads == 2 and len(shelf.read) == 1


async def test_a_gap_leaves_a_forecast_unscored_or_shortens_its_past() -> None:
    """No other candle stands in for the one that is missing, and no baseline is drawn across a gap."""
    shelf = Shelf(candles=10)
    shelf.forecast(1, 4)
    shelf.forecast(2, 7)
    missing = shelf.times == _seconds(5)
    shelf.times, shelf.closes = shelf.times[~missing], shelf.closes[~missing]
    scores = await ForecastRecords(shelf.store).scores(account(), PLAN, 10)
    assert set(scores) == {2} and scores[2].baseline_crps is None


async def test_skill_is_of_the_same_maker_s_forecasts() -> None:
    """Versions of a model are one maker; what the baseline forecast in its place is not its doing."""
    shelf = Shelf(candles=200)
    for number in range(1, 61):
        shelf.forecast(number, 2 * number, "block_bootstrap" if number <= 20 else f"kronos v{number}")
    records = ForecastRecords(shelf.store)
    found = await records.skill(account(), PLAN, 100)
    assert found.forecasts == found.apart == 40 and found.said
    assert (await records.skill(account(), PLAN, 35)).forecasts == 35
    other = await records.skill(account(), PLAN, 100, "block_bootstrap")
    assert other.forecasts == 20 and other.verdict == TOO_FEW
    assert maker_of("kronos v12") == "kronos" and maker_of("block_bootstrap") == "block_bootstrap"


async def test_the_skill_of_a_version_is_of_its_own_forecasts() -> None:
    """Not of the model's other versions; worked out anew when there is a newer forecast, or another version."""
    shelf = Shelf(candles=200)
    for number in range(1, 61):
        shelf.forecast(number, 2 * number, "kronos v1" if number <= 45 else "kronos v2")
    records = ForecastRecords(shelf.store)
    first = await records.skill_of_version(account(), PLAN, 60, "kronos v1")
    assert first.forecasts == 45 and first.said
    second = await records.skill_of_version(account(), PLAN, 60, "kronos v2")
    assert second.forecasts == 15 and second.verdict == TOO_FEW
    reads = len(shelf.read)
    shelf.forecast(61, 122, "kronos v2")
    assert await records.skill_of_version(account(), PLAN, 60, "kronos v2") is second
    assert len(shelf.read) == reads
    assert (await records.skill_of_version(account(), PLAN, 61, "kronos v2")).forecasts == 16


async def test_the_usual_skill_is_worked_out_with_each_new_forecast() -> None:
    """And asks nothing in between: a turn reads it often."""
    shelf = Shelf(candles=10)
    shelf.forecast(1, 4)
    records = ForecastRecords(shelf.store)
    first = await records.usual_skill(account(), PLAN, 1)
    reads = shelf.candle_reads
    assert await records.usual_skill(account(), PLAN, 1) is first and shelf.candle_reads == reads
    shelf.forecast(2, 6)
    assert (await records.usual_skill(account(), PLAN, 2)).forecasts == 2


async def test_one_forecast_in_a_quarter_of_the_horizon_is_measured() -> None:
    """The same ones whatever came since; the others are not even read."""
    shelf = Shelf(candles=100)
    for number in range(1, 81):
        shelf.forecast(number, number)
    long = replace(PLAN, forecast=ForecastSettings(horizon=16))
    records = ForecastRecords(shelf.store)
    found = await records.skill(account(), long, 100)
    assert found.forecasts == 20 and stride(16) == 4 and stride(1) == stride(7) == 1
    read = {number for page in shelf.read for number in page}
    assert len(read) == 20 and len({number % 4 for number in read}) == 1


async def test_a_plan_without_forecasts_has_no_skill() -> None:
    """Nor an error."""
    records = ForecastRecords(Shelf(candles=1).store)
    assert (await records.skill(account(), PLAN, 100)).verdict == TOO_FEW
    assert await records.summaries(PLAN, 5) == []


def _seconds(hour: int) -> int:
    return int((START + timedelta(hours=hour)).timestamp())

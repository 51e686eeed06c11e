"""A forecast against what came: each close beside the paths at its own step, whatever is missing between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.forecast import CLOSE, Forecast
from kokex.services.toolbox import PlanToolbox
from tests.builders import START, plan
from tests.fakes.exchange import account

HOUR = Interval("1H")
HORIZON = 4


class Desk:
    """A forecast whose paths end each step `n` (from 1) around 2000 + 100n, and the candles at these hours, which close there."""

    def __init__(self, hours: Sequence[int]) -> None:
        paths = np.full((9, HORIZON, 6), 2000.0, dtype=np.float32)
        for step in range(HORIZON):
            paths[:, step, CLOSE] = 2100 + 100 * step + np.linspace(-8, 8, 9)
        self._forecast = Forecast("ETH-USDT", HOUR, "block_bootstrap", START, 2000.0, paths)
        self._times = np.array(
            [int((START + timedelta(hours=hour)).timestamp()) for hour in hours], dtype=np.int64
        )
        self._values = np.repeat(np.array([2100.0 + 100 * hour for hour in hours])[:, None], 6, axis=1)
        book = SimpleNamespace(instrument=SimpleNamespace(quote_currency="USDT"))
        self.plan, self.session = plan(), SimpleNamespace(account=account())
        self.ledger, self.market_data = SimpleNamespace(book=book), self
        self.store = SimpleNamespace(forecasts=self, candles=self)

    def fresh_ticker(self) -> None:
        return None

    async def latest(self, plan_id: int) -> tuple[int, Forecast]:
        return 7, self._forecast

    async def read(self, key: CandleKey, start: datetime, end: datetime) -> CandleRows:
        inside = (self._times >= start.timestamp()) & (self._times < end.timestamp())
        return CandleRows(self._times[inside], self._values[inside])

    async def series(self, of: Any, inst_id: str, interval: Interval, limit: int) -> CandleSeries:
        return CandleSeries(inst_id, interval, self._times[-limit:], self._values[-limit:])


@pytest.mark.parametrize(
    ("hours", "candles", "left", "missing"),
    [
        ((-1,), [], 4, 0),
        ((0, 1), [1, 2], 2, 0),
        ((0, 2), [1, 3], 1, 1),
        ((0, 1, 2, 3, 4, 5, 6, 7, 8), [1, 2, 3, 4], 0, 0),
        ((6, 7, 8, 9), [], 0, 4),
        ((), [], 4, 0),
    ],
)
async def test_each_close_is_held_against_its_own_step(
    hours: Sequence[int], candles: list[int], left: int, missing: int
) -> None:
    """Also after a gap, and where the forecast's time is long over."""
    toolbox = PlanToolbox(Desk(hours))  # type: ignore[arg-type]
    told = await toolbox.get_latest_prediction_analysis()
    assert [one["candle"] for one in told["closes_since"]] == candles
    assert all(one["inside_50"] for one in told["closes_since"]) and told["closes_outside_90"] == 0
    assert (told["candles_left"], told["closes_not_kept"]) == (left, missing)

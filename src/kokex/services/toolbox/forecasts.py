"""What the forecaster says."""

from __future__ import annotations

from kokex.ports.toolbox import ToolResult
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import refusal, time_text

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class ForecastTools(Room):
    """Forecasts of the plan's own model."""

    async def query_prediction_data(self) -> ToolResult:
        """The latest forecast's distribution. A hypothesis: its skill is not measured yet."""
        latest = await self._desk.store.forecasts.latest(self._desk.plan.id)
        if latest is None:
            return refusal("no_forecast", "no forecast has been made yet")
        number, forecast = latest
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
            "measured_skill": None,
        }

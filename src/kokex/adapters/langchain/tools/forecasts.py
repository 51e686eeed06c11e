"""What the forecaster says."""

from __future__ import annotations

from kokex.adapters.langchain.tools.tool import Tool

FORECASTS = (
    Tool(
        "query_prediction_data",
        "The latest forecast's distribution: quantiles of the close for each step, probability_up, expected_return and "
        "spread at the horizon. A hypothesis, not a promise.",
    ),
)

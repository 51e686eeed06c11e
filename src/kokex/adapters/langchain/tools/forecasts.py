"""What the forecaster says."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import PredictionHistoryArguments, SkillArguments
from kokex.adapters.langchain.tools.tool import Tool

FORECASTS = (
    Tool(
        "query_prediction_data",
        "The latest forecast's distribution: quantiles of the close for each step, probability_up, expected_return and "
        "spread at the horizon. A hypothesis, not a promise. measured_skill is what such forecasts were worth so far; null: too few to say.",
    ),
    Tool(
        "run_latest_model_inference",
        "Ask the forecaster now, at most once a minute. made_now is false where no candle has closed since the latest forecast: there is one "
        "for each close. Told like query_prediction_data.",
    ),
    Tool(
        "get_prediction_history",
        "The latest forecasts, newest first: probability_up, expected_return, median and bands (50 and 90 of 100 paths) at their horizon, and "
        "what came, where it has passed. Prices in quote currency.",
        PredictionHistoryArguments,
    ),
    Tool(
        "get_latest_prediction_analysis",
        "The latest forecast against what happened since: each close among its paths, how many candles are left, and what the paths say "
        "from the present price on.",
    ),
    Tool(
        "get_forecast_skill",
        "How the latest forecasts did whose horizon has passed, out of sample, beside a walk without drift: CRPS in percent of the price "
        "(lower is better), hit_rate of the direction, shares inside the 50 and 90 % bands, and a verdict. Too few are said to be too few.",
        SkillArguments,
    ),
)

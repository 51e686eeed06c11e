"""What the market does."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import BookArguments, CandleArguments, IndicatorArguments
from kokex.adapters.langchain.tools.tool import Tool

MARKET = (
    Tool(
        "get_current_price",
        "Last price, best bid and best ask in quote currency, with the exchange's time.",
    ),
    Tool("get_current_utc_time", "The present (UTC)."),
    Tool(
        "query_historical_kline_data",
        "The latest closed candles, oldest first: open, high, low, close in quote currency, volume in base currency.",
        CandleArguments,
    ),
    Tool(
        "get_order_book",
        "The order book now: best prices of both sides, best first, as [price in quote currency, quantity in base currency for spot or "
        "contracts for swaps], their sums, and the exchange's time.",
        BookArguments,
    ),
    Tool(
        "get_funding_rate",
        "Of a swap: the share of its value that holding it costs (longs, above zero) or earns at the next funding, and when. Spot has none.",
    ),
    Tool(
        "get_indicators",
        "Indicators (TA-Lib) at the latest closed candles of this plan's interval, oldest first, each with its unit. null: too few candles "
        "before it; needs_candles says how many a value takes.",
        IndicatorArguments,
    ),
)

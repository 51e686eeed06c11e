"""What the market does."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import CandleArguments
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
)

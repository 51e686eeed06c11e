"""What reaches the exchange."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import OrderNameArguments, PlaceOrderArguments
from kokex.adapters.langchain.tools.tool import Tool

TRADING = (
    Tool(
        "place_order",
        "Ask for an order on this plan's instrument. The risk gate decides: the result says accepted, denied (by the gate, with "
        "code and reason), rejected (by the exchange) or unknown (never ask again, it may live). Accepted is not filled.",
        PlaceOrderArguments,
        trades=True,
    ),
    Tool(
        "cancel_order",
        "Ask for the cancellation of one of this plan's open orders. Only an order event proves that it is gone.",
        OrderNameArguments,
        trades=True,
    ),
)

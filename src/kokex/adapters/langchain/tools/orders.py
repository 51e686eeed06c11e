"""What became of the plan's orders."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import LatestArguments, OrderNameArguments
from kokex.adapters.langchain.tools.tool import Tool

ORDERS = (
    Tool(
        "get_pending_orders",
        "This plan's orders that are open, in flight, unknown or waiting for approval. Their remaining quantity counts against the limits.",
    ),
    Tool(
        "get_order_info",
        "One order of this plan: status, filled quantity, average price.",
        OrderNameArguments,
    ),
    Tool(
        "get_order_history",
        "This plan's latest orders, newest first, denied and rejected ones too: what was asked, by which decision, and what became of it.",
        LatestArguments,
    ),
    Tool(
        "get_fills",
        "The latest executions of this plan's orders, newest first: price in quote currency, quantity in base currency for spot or contracts "
        "for swaps, fee (below zero: paid) in fee_currency.",
        LatestArguments,
    ),
)

"""What became of the plan's orders."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import OrderNameArguments
from kokex.adapters.langchain.tools.tool import Tool

ORDERS = (
    Tool(
        "get_pending_orders",
        "This plan's orders that are open, in flight or unknown. Their remaining quantity counts against the limits.",
    ),
    Tool(
        "get_order_info",
        "One order of this plan: status, filled quantity, average price.",
        OrderNameArguments,
    ),
)

"""What reaches the exchange."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import (
    AmendOrderArguments,
    ClosePositionArguments,
    OrderNameArguments,
    PlaceOrderArguments,
)
from kokex.adapters.langchain.tools.tool import Tool

TRADING = (
    Tool(
        "place_order",
        "Ask for an order on this plan's instrument. The risk gate decides: the result says accepted, denied (by the gate, with "
        "code and reason), rejected (by the exchange), unknown (never ask again, it may live) or awaiting_approval (a person is asked first; "
        "never ask again, an order event tells). Accepted is not filled.",
        PlaceOrderArguments,
        trades=True,
    ),
    Tool(
        "amend_order",
        "Ask for a change of one of this plan's open limit or post-only orders: a new total quantity, a new price, or both. Better than "
        "cancelling and placing anew. The risk gate decides as for a new order; pending is not done, an order event tells whether "
        "the change was made (amend: applied) or not (failed: the order is as it was).",
        AmendOrderArguments,
        trades=True,
    ),
    Tool(
        "cancel_order",
        "Ask for the cancellation of one of this plan's open orders. Only an order event proves that it is gone.",
        OrderNameArguments,
        trades=True,
    ),
    Tool(
        "close_position",
        "End this plan's holding: its open orders are canceled, then one order that only reduces is asked for, at market or at a limit "
        "price. remains says what that order leaves: less than the smallest order, or more than one order may be (ask again then).",
        ClosePositionArguments,
        trades=True,
    ),
)

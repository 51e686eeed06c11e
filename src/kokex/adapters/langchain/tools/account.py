"""What the plan holds, what its account has, and what it may do."""

from __future__ import annotations

from kokex.adapters.langchain.tools.tool import Tool

ACCOUNT = (
    Tool(
        "get_positions",
        "What this plan holds (base currency for spot, contracts for swaps, negative when short), its cost, fees and profit "
        "or loss so far in quote currency.",
    ),
    Tool(
        "get_account_balance",
        "Balances of the account by currency: total, available, frozen by open orders.",
    ),
    Tool(
        "get_trading_limits",
        "All hard limits of this plan (null: none is set), what is left of them now (this turn's own budget, orders, today's loss), and "
        "the instrument's steps (tick_size, lot_size, min_quantity). The risk gate enforces them; nothing said here changes them.",
    ),
)

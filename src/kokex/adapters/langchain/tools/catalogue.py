"""Every tool by its name, in the order in which a model is shown them. The rooms are those of `kokex.services.toolbox`."""

from __future__ import annotations

from kokex.adapters.langchain.tools.account import ACCOUNT
from kokex.adapters.langchain.tools.capital import CAPITAL
from kokex.adapters.langchain.tools.decisions import DECISIONS
from kokex.adapters.langchain.tools.forecasts import FORECASTS
from kokex.adapters.langchain.tools.market import MARKET
from kokex.adapters.langchain.tools.notes import NOTES
from kokex.adapters.langchain.tools.orders import ORDERS
from kokex.adapters.langchain.tools.tool import Tool
from kokex.adapters.langchain.tools.trading import TRADING
from kokex.adapters.langchain.tools.working import WORKING

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (*MARKET, *ACCOUNT, *ORDERS, *FORECASTS, *CAPITAL, *DECISIONS, *NOTES, *TRADING, *WORKING)
}

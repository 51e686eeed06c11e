"""Large orders, worked by the engine with smaller ones."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import ParentOrderArguments, WorkOrderArguments
from kokex.adapters.langchain.tools.tool import Tool

WORKING = (
    Tool(
        "work_order",
        "Have a large order worked by smaller ones over some time: twap, iceberg or post_only. The risk gate looks at the whole now and "
        "at every smaller order when it goes out. Order events tell what fills; get_pending_orders shows how it stands.",
        WorkOrderArguments,
        trades=True,
    ),
    Tool(
        "stop_working",
        "End a parent order that is worked, and withdraw what it has open. What is filled stands.",
        ParentOrderArguments,
        trades=True,
    ),
)

"""Things that a person names: plans by name or number."""

from __future__ import annotations

from kokex.domain.errors import NotFoundError
from kokex.domain.plan import Plan
from kokex.ports.store import Store


async def find_plan(store: Store, name: str) -> Plan:
    """The plan of that name, else of that number.

    Raises:
        NotFoundError: there is none; the message lists those there are.
    """
    plans = await store.plans.list()
    for plan in plans:
        if plan.name == name:
            return plan
    for plan in plans:
        if str(plan.id) == name:
            return plan
    known = ", ".join(plan.name for plan in plans) or "none yet"
    raise NotFoundError(f"there is no plan {name!r}; the plans are: {known}")

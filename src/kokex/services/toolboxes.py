"""The toolbox of a turn, made from the services that its plan runs on."""

from __future__ import annotations

from collections.abc import Callable

from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.ports.toolbox import Toolbox
from kokex.services.accounts import AccountSession
from kokex.services.plan_services import Services
from kokex.services.toolbox import Desk, PlanToolbox
from kokex.services.turn_budget import TurnBudget


def toolbox_of(
    store: Store,
    clock: Clock,
    services: Services,
    session: AccountSession,
    current_plan: Callable[[], Plan],
    budget: TurnBudget,
) -> Toolbox:
    """All that an agent can see and do in one turn, within its budget.

    Args:
        current_plan: the turn's plan as its user wants it at the moment of the call.
    """
    return PlanToolbox(
        Desk(
            current_plan=current_plan,
            budget=budget,
            session=session,
            ledger=services.ledgers.of(current_plan().id),
            store=store,
            clock=clock,
            market_data=services.market_data,
            trading=services.trading,
            alerts=services.alerts,
            forecasting=services.forecasting,
            records=services.forecast_records,
            indicators=services.indicators,
            pictures=services.pictures,
            executing=services.executing,
        )
    )

"""Plans, and word of their changes to every process."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy import Row, Select, func, insert, select, update

from kokex.adapters.postgres.database import ConstraintError, Database
from kokex.adapters.postgres.listening import notifications
from kokex.adapters.postgres.repositories.parent_orders import stopped_with_plan
from kokex.adapters.postgres.repositories.plan_changes import (
    STATUS_CHANNEL,
    NumberedSetting,
    change_setting,
    tell_of_plan,
)
from kokex.adapters.postgres.tables import capital_changes, permission_changes, plans
from kokex.adapters.postgres.text import storable_json
from kokex.domain.candle import Interval
from kokex.domain.capital import CapitalSettings
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.limits import RiskLimits
from kokex.domain.plan import AgentSettings, ForecastSettings, NewPlan, Plan, PlanStatus, TradingTool
from kokex.ports.permissions import CapitalChange, PermissionChange

EVERYTHING = 0
"""What `changes` yields for: any plan may have changed."""


class PostgresPlans:
    """`PlanStore` on `plans`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, plan: NewPlan) -> Plan:
        """See `PlanStore`. Raises `NotFoundError` where the account does not exist."""
        statement = (
            insert(plans)
            .values(
                name=plan.name,
                account_id=plan.account_id,
                inst_id=plan.inst_id,
                interval=plan.interval.name,
                status=PlanStatus.CREATED.value,
                limits=storable_json(plan.limits),
                agent=storable_json(plan.agent),
                forecast=storable_json(plan.forecast),
                capital=storable_json(plan.capital),
            )
            .returning(plans)
        )
        try:
            async with self._database.begin() as connection:
                return _plan((await connection.execute(statement)).one())
        except ConstraintError as error:
            if error.constraint == "fk_plans_account_id_accounts":
                raise NotFoundError(f"account {plan.account_id} does not exist") from error
            raise StateError(f"a plan named {plan.name!r} exists already; choose another name") from error

    async def get(self, plan_id: int) -> Plan:
        """See `PlanStore`."""
        found = await self._read(select(plans).where(plans.c.id == plan_id))
        if not found:
            raise NotFoundError(f"plan {plan_id} does not exist")
        return found[0]

    async def list(self, statuses: Collection[PlanStatus] | None = None) -> builtins.list[Plan]:
        """See `PlanStore`."""
        query = select(plans).order_by(plans.c.id)
        if statuses is not None:
            query = query.where(plans.c.status.in_([status.value for status in statuses]))
        return await self._read(query)

    async def set_status(self, plan_id: int, status: PlanStatus) -> None:
        """See `PlanStore`. Raises `NotFoundError`."""
        change = update(plans).where(plans.c.id == plan_id).values(status=status.value, updated_at=func.now())
        async with self._database.begin() as connection:
            if not (await connection.execute(change)).rowcount:
                raise NotFoundError(f"plan {plan_id} does not exist")
            if status is PlanStatus.STOPPED:
                await connection.execute(stopped_with_plan(plan_id))
            await tell_of_plan(connection, plan_id)

    async def set_trading_tools(
        self, plan_id: int, tools: Collection[TradingTool], *, by: str, reason: str, at: datetime
    ) -> PermissionChange:
        """See `PlanStore`. Raises `NotFoundError`."""
        version, before, after = await change_setting(
            self._database,
            _AGENT,
            plan_id,
            lambda now: replace(now, trading_tools=frozenset(tools)),
            by=by,
            reason=reason,
            at=at,
        )
        return PermissionChange(plan_id, version, before.trading_tools, after.trading_tools, by, reason, at)

    async def permission_changes(self, plan_id: int) -> builtins.list[PermissionChange]:
        """See `PlanStore`."""
        query = (
            select(permission_changes)
            .where(permission_changes.c.plan_id == plan_id)
            .order_by(permission_changes.c.version)
        )
        async with self._database.begin() as connection:
            return [_permission_change(row) for row in (await connection.execute(query)).all()]

    async def change_capital(
        self,
        plan_id: int,
        edit: Callable[[CapitalSettings], CapitalSettings],
        *,
        by: str,
        reason: str,
        at: datetime,
    ) -> CapitalChange:
        """See `PlanStore`. Raises `NotFoundError`."""
        version, before, after = await change_setting(
            self._database, _CAPITAL, plan_id, edit, by=by, reason=reason, at=at
        )
        return CapitalChange(plan_id, version, before, after, by, reason, at)

    async def capital_changes(self, plan_id: int) -> builtins.list[CapitalChange]:
        """See `PlanStore`."""
        query = (
            select(capital_changes)
            .where(capital_changes.c.plan_id == plan_id)
            .order_by(capital_changes.c.version)
        )
        async with self._database.begin() as connection:
            return [_capital_change(row) for row in (await connection.execute(query)).all()]

    async def changes(self) -> AsyncIterator[int]:
        """See `PlanStore`. The first item is 0, once it listens: what was set before must be read.

        Raises:
            StoreUnavailableError: the database cannot be reached at the start; later it is waited for.
        """
        async for payload in notifications(self._database.address, STATUS_CHANNEL):
            yield int(payload) if payload else EVERYTHING

    async def _read(self, query: Select[tuple[object, ...]]) -> builtins.list[Plan]:
        async with self._database.begin() as connection:
            return [_plan(row) for row in (await connection.execute(query)).all()]


def _permission_change(row: Row[tuple[object, ...]]) -> PermissionChange:
    before, after = (frozenset(map(TradingTool, names)) for names in (row.before, row.after))
    return PermissionChange(
        row.plan_id, row.version, before, after, row.changed_by, row.reason, row.changed_at
    )


def _capital_change(row: Row[tuple[object, ...]]) -> CapitalChange:
    before, after = (msgspec.convert(kept, CapitalSettings) for kept in (row.before, row.after))
    return CapitalChange(row.plan_id, row.version, before, after, row.changed_by, row.reason, row.changed_at)


def _agent(kept: Mapping[str, object]) -> AgentSettings:
    """Settings as kept. A plan that was made before tools were granted keeps what it could do then: all."""
    before: dict[str, object] = {"trading_tools": [tool.value for tool in TradingTool]}
    return msgspec.convert(before | dict(kept), AgentSettings)


_AGENT = NumberedSetting(
    plans.c.agent, permission_changes, _agent, recorded=lambda agent: sorted(agent.trading_tools)
)
_CAPITAL = NumberedSetting(
    plans.c.capital, capital_changes, lambda kept: msgspec.convert(kept, CapitalSettings)
)


def _plan(row: Row[tuple[object, ...]]) -> Plan:
    return Plan(
        id=row.id,
        name=row.name,
        account_id=row.account_id,
        inst_id=row.inst_id,
        interval=Interval(row.interval),
        status=PlanStatus(row.status),
        created_at=row.created_at,
        limits=msgspec.convert(row.limits, RiskLimits),
        agent=_agent(row.agent),
        forecast=msgspec.convert(row.forecast, ForecastSettings),
        capital=msgspec.convert(row.capital, CapitalSettings),
    )

"""How order subscriptions stand."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import ws_subscriptions
from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.ports.store import SubscriptionStatus

_CHANNEL = "orders"
_KEY = ("plan_id", "connection_key", "channel", "inst_id")


class PostgresSubscriptions:
    """`SubscriptionStore` on `ws_subscriptions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, statuses: Sequence[SubscriptionStatus], at: datetime) -> None:
        """See `SubscriptionStore`."""
        if not statuses:
            return
        rows = [_columns(status, at) for status in statuses]
        statement = insert(ws_subscriptions)
        changes = {name: statement.excluded[name] for name in rows[0] if name not in (*_KEY, "created_at")}
        statement = statement.on_conflict_do_update(
            index_elements=[ws_subscriptions.c[name] for name in _KEY], set_=changes
        )
        async with self._database.begin() as connection:
            await connection.execute(statement, rows)

    async def list(self) -> builtins.list[SubscriptionStatus]:
        """See `SubscriptionStore`."""
        table = ws_subscriptions.c
        query = select(ws_subscriptions).order_by(table.plan_id, table.connection_key, table.inst_id)
        async with self._database.begin() as connection:
            return [_status(row) for row in (await connection.execute(query)).all()]


def _columns(status: SubscriptionStatus, at: datetime) -> dict[str, object]:
    return {
        "plan_id": status.plan_id,
        "connection_key": status.connection_key,
        "channel": _CHANNEL,
        "inst_id": status.inst_id,
        "is_active": status.active,
        "connected_at": status.connected_since,
        "last_event_at": status.last_event_at,
        "event_count": status.events,
        "reconnect_count": status.reconnects,
        "reconciled_at": status.reconciled_at,
        "report_count": status.reports,
        "flaw_count": status.flaws,
        "lag_seconds": status.lag_seconds,
        "worst_lag_seconds": status.worst_lag_seconds,
        "refused": storable_json(status.refused),
        "stopped": None if status.stopped is None else storable_text(status.stopped),
        "created_at": at,
        "updated_at": at,
    }


def _status(row: Row[tuple[object, ...]]) -> SubscriptionStatus:
    return SubscriptionStatus(
        plan_id=row.plan_id,
        connection_key=row.connection_key,
        inst_id=row.inst_id,
        active=row.is_active,
        connected_since=row.connected_at,
        last_event_at=row.last_event_at,
        events=row.event_count,
        reconnects=row.reconnect_count,
        reconciled_at=row.reconciled_at,
        reports=row.report_count,
        flaws=row.flaw_count,
        lag_seconds=row.lag_seconds,
        worst_lag_seconds=row.worst_lag_seconds,
        refused=row.refused,
        stopped=row.stopped,
        updated_at=row.updated_at,
    )

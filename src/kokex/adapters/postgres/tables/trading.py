"""Orders, fills, the journal of order events, and how subscriptions stand.

The journal, orders and fills have no foreign keys on purpose: what the exchange did happened, and a missing plan must not
keep it out.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata, number_column

_PENDING = "status IN ('submitted', 'unknown', 'accepted', 'partially_filled')"
_STATUSES = (
    "status IN ('awaiting_approval', 'submitted', 'unknown', 'accepted', 'partially_filled', 'filled', 'canceled', "
    "'rejected', 'denied', 'expired')"
)

orders = Table(
    "orders",
    metadata,
    number_column(),
    Column("account_id", BigInteger, nullable=False),
    # Our client order id; `<inst_id>:<order_id>` for an order made elsewhere, whose client order id need not be unique.
    Column("order_key", Text, nullable=False),
    Column("client_order_id", Text),
    Column("order_id", Text),
    Column("plan_id", BigInteger),  # None: made elsewhere
    Column("inst_id", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("order_type", Text, nullable=False),
    Column("quantity", EXACT, nullable=False),
    Column("price", EXACT),
    Column("status", Text, nullable=False),
    Column("filled_quantity", EXACT, nullable=False, server_default=text("0")),
    Column("average_price", EXACT),
    Column("decision_id", BigInteger),
    Column("step", Integer),
    Column("reason", Text),
    Column("reduce_only", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    # Open, in flight or unknown; those that wait for approval are found by their row in `approvals`. A column of its own, so that moving from one such status to the next touches no index.
    Column("is_pending", Boolean, Computed(_PENDING, persisted=True), nullable=False),
    Column(
        "grant_left", JSONB(none_as_null=True)
    ),  # of the turn, after this order; None where no grant was spent
    Column(
        "amendments", JSONB(none_as_null=True)
    ),  # oldest first, each with the grant it left over; None: never changed
    Column("amended_at", MOMENT),  # when a change was last asked for
    Column("decision_mid", EXACT),  # (bid + ask) / 2 when it was decided on; None where it was not known
    Column("stops", JSONB(none_as_null=True)),  # stop-loss and take-profit that it brings along
    UniqueConstraint("account_id", "order_key"),
    CheckConstraint(_STATUSES, name="ck_orders_status"),
    postgresql_with={"fillfactor": 60},
)
Index("idx_orders_plan_id_created_at", orders.c.plan_id, orders.c.created_at)
Index("idx_orders_pending", orders.c.account_id, postgresql_where=orders.c.is_pending)

fills = Table(
    "fills",
    metadata,
    number_column(),
    Column("account_id", BigInteger, nullable=False),
    Column("plan_id", BigInteger),  # the plan that placed the order; None: made elsewhere
    Column("inst_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("fill_key", Text, nullable=False),  # the trade id, or the event's key where the exchange gave none
    Column("trade_id", Text),
    Column("client_order_id", Text),
    Column("side", Text, nullable=False),
    Column("price", EXACT, nullable=False),
    Column("quantity", EXACT, nullable=False),
    Column("fee", EXACT),
    Column("fee_currency", Text),
    Column("maker", Boolean),
    Column("occurred_at", MOMENT, nullable=False),
    Column("bill_id", Text),
    # With the order: a trade between two orders of one account is a fill of each.
    UniqueConstraint("account_id", "inst_id", "order_id", "fill_key"),
)
Index("idx_fills_plan_id_occurred_at", fills.c.plan_id, fills.c.occurred_at)

order_event_logs = Table(
    "order_event_logs",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, nullable=False),
    Column("event_type", String(50), nullable=False),
    Column("order_id", String(100), nullable=False),
    Column("inst_id", String(50), nullable=False),
    Column("side", String(10), nullable=False),
    Column("event_data", JSONB, nullable=False),
    Column("processed_at", MOMENT, nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("agent_conversation_id", BigInteger),  # the turn that was told of it and ended with a decision
    Column("account_id", BigInteger, nullable=False),
    Column("event_key", Text, nullable=False),
    # The exchange's own JSON as it came. Text: taking it apart for JSONB would cost as much as all else about the row.
    # None: a row older than this column, whose `event_data` has it.
    Column("raw", Text),
    UniqueConstraint("plan_id", "order_id", "event_type", "event_key"),
    # Kept as it is: compressing each event would take a third of the time of writing it. Nearly half of each page stays free,
    # so that telling its events to turns (`agent_conversation_id`) writes beside them and touches no index.
    postgresql_with={"fillfactor": 55, "toast_tuple_target": 8160},
)
Index("idx_order_event_logs_plan_id", order_event_logs.c.plan_id)
Index("idx_order_event_logs_order_id", order_event_logs.c.order_id)
Index("idx_order_event_logs_event_type", order_event_logs.c.event_type)
Index(
    "idx_order_event_logs_plan_order_event",
    order_event_logs.c.plan_id,
    order_event_logs.c.order_id,
    order_event_logs.c.event_type,
)

journal_heads = Table(
    "journal_heads",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("inst_id", Text, primary_key=True),
    Column("last_occurred_at", MOMENT, nullable=False),
)

ws_subscriptions = Table(
    "ws_subscriptions",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, nullable=False),
    Column("connection_key", Text, nullable=False),
    Column("channel", Text, nullable=False, server_default=text("'orders'")),
    Column("inst_id", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("connected_at", MOMENT),
    Column("last_event_at", MOMENT),
    Column("event_count", BigInteger, nullable=False, server_default=text("0")),
    Column("reconnect_count", BigInteger, nullable=False, server_default=text("0")),
    Column("reconciled_at", MOMENT),
    Column("created_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    Column("report_count", BigInteger, nullable=False, server_default=text("0")),
    Column("flaw_count", BigInteger, nullable=False, server_default=text("0")),
    Column("lag_seconds", Double),
    Column("worst_lag_seconds", Double),
    Column("refused", JSONB, nullable=False, server_default=text("'{}'")),  # reason by channel
    Column("stopped", Text),
    UniqueConstraint("plan_id", "connection_key", "channel", "inst_id"),
)

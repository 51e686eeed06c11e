"""The schema as SQLAlchemy Core tables. Migrations make it; tests hold both to be the same."""

from kokex.adapters.postgres.tables.account_events import account_books, account_event_logs, account_states
from kokex.adapters.postgres.tables.accounts import accounts, installation, plans
from kokex.adapters.postgres.tables.approvals import approvals
from kokex.adapters.postgres.tables.base import metadata
from kokex.adapters.postgres.tables.capital import capital_changes, plan_trails
from kokex.adapters.postgres.tables.deciding import (
    forecasts,
    tool_calls,
    turn_records,
    turn_triggers,
    turns,
    user_messages,
)
from kokex.adapters.postgres.tables.funding import funding_payments, funding_shares
from kokex.adapters.postgres.tables.market import candle_ledger, candles, instruments
from kokex.adapters.postgres.tables.models import (
    model_activations,
    model_events,
    model_versions,
    work_requests,
)
from kokex.adapters.postgres.tables.notices import plan_notes, plan_notices, plan_watches, price_alerts
from kokex.adapters.postgres.tables.parent_orders import parent_orders
from kokex.adapters.postgres.tables.reconciling import account_standings, coverages
from kokex.adapters.postgres.tables.risk import (
    halt_effects,
    halts,
    limit_changes,
    permission_changes,
    plan_worths,
)
from kokex.adapters.postgres.tables.spending import model_usage
from kokex.adapters.postgres.tables.trading import (
    fills,
    journal_heads,
    order_event_logs,
    orders,
    ws_subscriptions,
)

__all__ = [
    "account_books",
    "account_event_logs",
    "account_standings",
    "account_states",
    "accounts",
    "approvals",
    "candle_ledger",
    "candles",
    "capital_changes",
    "coverages",
    "fills",
    "forecasts",
    "funding_payments",
    "funding_shares",
    "halt_effects",
    "halts",
    "installation",
    "instruments",
    "journal_heads",
    "limit_changes",
    "metadata",
    "model_activations",
    "model_events",
    "model_usage",
    "model_versions",
    "order_event_logs",
    "orders",
    "parent_orders",
    "permission_changes",
    "plan_notes",
    "plan_notices",
    "plan_trails",
    "plan_watches",
    "plan_worths",
    "plans",
    "price_alerts",
    "tool_calls",
    "turn_records",
    "turn_triggers",
    "turns",
    "user_messages",
    "work_requests",
    "ws_subscriptions",
]

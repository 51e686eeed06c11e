"""The journal writer's statements.

`APPEND` is the whole transaction of a small batch, in one round trip: journal, orders, fills and heads together. A large batch takes
its parts one after another. Each part is harmless when repeated: the journal and fills by their unique keys, orders by the guards of
`Order.apply`, heads by growing only.
"""

from __future__ import annotations

_RANK = """CASE {status}
    WHEN 'awaiting_approval' THEN 0 WHEN 'submitted' THEN 0 WHEN 'unknown' THEN 0 WHEN 'expired' THEN 0
    WHEN 'accepted' THEN 1 WHEN 'partially_filled' THEN 2 ELSE 3 END"""

# Rows of orders, fills and heads come as arrays, a parameter for each column, or, in few rows, as one JSON document: to the server
# an array is half the work, to us each parameter costs as much as several rows.

_ORDERS_IN_ARRAYS = """unnest(%(order_account_id)s, %(order_order_key)s, %(order_plan_id)s, %(order_client_order_id)s,
    %(order_order_id)s, %(order_inst_id)s, %(order_side)s, %(order_order_type)s, %(order_quantity)s, %(order_price)s,
    %(order_status)s, %(order_filled_quantity)s, %(order_average_price)s, %(order_decision_id)s, %(order_step)s,
    %(order_reason)s, %(order_created_at)s, %(order_updated_at)s) AS told (
    account_id, order_key, plan_id, client_order_id, order_id, inst_id, side, order_type, quantity, price, status,
    filled_quantity, average_price, decision_id, step, reason, created_at, updated_at)"""

_ORDERS_IN_JSON = """jsonb_to_recordset(%(orders)s) AS told (
    account_id bigint, order_key text, plan_id bigint, client_order_id text, order_id text, inst_id text, side text,
    order_type text, quantity numeric, price numeric, status text, filled_quantity numeric, average_price numeric,
    decision_id bigint, step integer, reason text, created_at timestamptz, updated_at timestamptz)"""

_FILLS_IN_ARRAYS = """unnest(%(fill_account_id)s, %(fill_order_key)s, %(fill_plan_id)s, %(fill_inst_id)s,
    %(fill_order_id)s, %(fill_fill_key)s, %(fill_trade_id)s, %(fill_client_order_id)s, %(fill_side)s, %(fill_price)s,
    %(fill_quantity)s, %(fill_fee)s, %(fill_fee_currency)s, %(fill_maker)s, %(fill_occurred_at)s, %(fill_bill_id)s) AS told (
    account_id, order_key, plan_id, inst_id, order_id, fill_key, trade_id, client_order_id, side, price, quantity, fee,
    fee_currency, maker, occurred_at, bill_id)"""

_FILLS_IN_JSON = """jsonb_to_recordset(%(fills)s) AS told (
    account_id bigint, order_key text, plan_id bigint, inst_id text, order_id text, fill_key text, trade_id text,
    client_order_id text, side text, price numeric, quantity numeric, fee numeric, fee_currency text, maker boolean,
    occurred_at timestamptz, bill_id text)"""

_HEADS_IN_ARRAYS = """unnest(%(head_account_id)s, %(head_inst_id)s, %(head_last_occurred_at)s) AS told (
    account_id, inst_id, last_occurred_at)"""

_HEADS_IN_JSON = """jsonb_to_recordset(%(heads)s) AS told (
    account_id bigint, inst_id text, last_occurred_at timestamptz)"""

_MOVE_ORDERS = f"""
INSERT INTO orders AS known (
    account_id, order_key, plan_id, client_order_id, order_id, inst_id, side, order_type, quantity, price, status,
    filled_quantity, average_price, decision_id, step, reason, created_at, updated_at)
SELECT account_id, order_key, plan_id, client_order_id, order_id, inst_id, side, order_type, quantity::numeric,
    price::numeric, status, filled_quantity::numeric, average_price::numeric, decision_id, step, reason, created_at, updated_at
FROM {{told}}
ON CONFLICT (account_id, order_key) DO UPDATE SET
    plan_id = coalesce(known.plan_id, excluded.plan_id),
    order_id = excluded.order_id,
    status = excluded.status,
    filled_quantity = excluded.filled_quantity,
    average_price = excluded.average_price,
    quantity = excluded.quantity,
    price = excluded.price,
    updated_at = excluded.updated_at,
    reason = coalesce(excluded.reason, known.reason)
WHERE known.status NOT IN ('filled', 'canceled', 'rejected', 'denied')
    AND excluded.status NOT IN ('expired', 'denied')  -- told of orders that are so already, and never went out
    AND excluded.filled_quantity >= known.filled_quantity
    AND {_RANK.format(status="excluded.status")} >= {_RANK.format(status="known.status")}
"""  # noqa: S608 - put together from constants

_KEEP_FILLS = """
INSERT INTO fills AS known (
    account_id, plan_id, inst_id, order_id, fill_key, trade_id, client_order_id, side, price, quantity, fee, fee_currency,
    maker, occurred_at, bill_id)
SELECT account_id,
    coalesce(
        plan_id,
        (SELECT orders.plan_id FROM orders WHERE orders.account_id = told.account_id AND orders.order_key = told.order_key)),
    inst_id, order_id, fill_key, trade_id, client_order_id, side, price::numeric, quantity::numeric, fee::numeric,
    fee_currency, maker, occurred_at, bill_id
FROM {told}
ON CONFLICT (account_id, inst_id, order_id, fill_key) DO UPDATE SET
    fee = coalesce(known.fee, excluded.fee),
    fee_currency = coalesce(known.fee_currency, excluded.fee_currency),
    maker = coalesce(known.maker, excluded.maker),
    bill_id = coalesce(known.bill_id, excluded.bill_id)
WHERE (known.fee IS NULL AND excluded.fee IS NOT NULL) OR (known.bill_id IS NULL AND excluded.bill_id IS NOT NULL)
"""

_MOVE_HEADS = """
INSERT INTO journal_heads AS known (account_id, inst_id, last_occurred_at)
SELECT * FROM {told}
ON CONFLICT (account_id, inst_id) DO UPDATE SET last_occurred_at = excluded.last_occurred_at
WHERE excluded.last_occurred_at > known.last_occurred_at
"""

MOVE_ORDERS = _MOVE_ORDERS.format(told=_ORDERS_IN_ARRAYS)
KEEP_FILLS = _KEEP_FILLS.format(told=_FILLS_IN_ARRAYS)
MOVE_HEADS = _MOVE_HEADS.format(told=_HEADS_IN_ARRAYS)

INSERT_EVENTS = """
INSERT INTO order_event_logs (plan_id, account_id, event_type, order_id, inst_id, side, event_key, event_data, raw)
SELECT * FROM unnest(%(plan_ids)s, %(account_ids)s, %(event_types)s, %(order_ids)s, %(inst_ids)s, %(sides)s,
    %(event_keys)s, %(event_data)s, %(raws)s)
ON CONFLICT (plan_id, order_id, event_type, event_key) DO NOTHING
RETURNING id, plan_id, order_id, event_type, event_key
"""

APPEND = f"""
WITH journalled AS ({INSERT_EVENTS}
), moved AS ({_MOVE_ORDERS.format(told=_ORDERS_IN_JSON)}),
kept AS ({_KEEP_FILLS.format(told=_FILLS_IN_JSON)}),
heads AS ({_MOVE_HEADS.format(told=_HEADS_IN_JSON)})
SELECT id, plan_id, order_id, event_type, event_key FROM journalled
"""  # noqa: S608 - put together from constants

NUMBERS = """
SELECT logs.id, logs.plan_id, logs.order_id, logs.event_type, logs.event_key
FROM order_event_logs AS logs
JOIN unnest(%(plan_ids)s, %(order_ids)s, %(event_types)s, %(event_keys)s) AS told (plan_id, order_id, event_type, event_key)
    USING (plan_id, order_id, event_type, event_key)
WHERE logs.id > %(after)s
"""

LAST_NUMBER = "SELECT coalesce(max(id), 0) FROM order_event_logs"

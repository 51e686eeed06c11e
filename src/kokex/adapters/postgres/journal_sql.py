"""The journal writer's statements.

`APPEND` is one statement, and for all but large batches the whole transaction and one round trip: journal, orders, fills and
heads together. Each part is harmless when repeated: the journal and fills by their unique keys, orders by the guards of `Order.apply`, heads by growing only.
"""

from __future__ import annotations

_RANK = """CASE {status}
    WHEN 'submitted' THEN 0 WHEN 'unknown' THEN 0 WHEN 'expired' THEN 0
    WHEN 'accepted' THEN 1 WHEN 'partially_filled' THEN 2 ELSE 3 END"""

MOVE_ORDERS = f"""
INSERT INTO orders AS known (
    account_id, order_key, plan_id, client_order_id, order_id, inst_id, side, order_type, quantity, price, status,
    filled_quantity, average_price, decision_id, step, reason, created_at, updated_at)
SELECT * FROM jsonb_to_recordset(%(orders)s) AS told (
    account_id bigint, order_key text, plan_id bigint, client_order_id text, order_id text, inst_id text, side text,
    order_type text, quantity numeric, price numeric, status text, filled_quantity numeric, average_price numeric,
    decision_id bigint, step integer, reason text, created_at timestamptz, updated_at timestamptz)
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
    AND excluded.filled_quantity >= known.filled_quantity
    AND {_RANK.format(status="excluded.status")} >= {_RANK.format(status="known.status")}
"""  # noqa: S608 - put together from constants

_KEEP_FILLS = """
INSERT INTO fills AS known (
    account_id, plan_id, inst_id, order_id, fill_key, trade_id, client_order_id, side, price, quantity, fee, fee_currency,
    maker, occurred_at, bill_id)
SELECT told.account_id,
    coalesce(
        (SELECT orders.plan_id FROM orders WHERE orders.account_id = told.account_id AND orders.order_key = told.order_key),
        told.plan_id),
    told.inst_id, told.order_id, told.fill_key, told.trade_id,
    told.client_order_id, told.side, told.price, told.quantity, told.fee, told.fee_currency, told.maker, told.occurred_at,
    told.bill_id
FROM jsonb_to_recordset(%(fills)s) AS told (
    account_id bigint, order_key text, plan_id bigint, inst_id text, order_id text, fill_key text, trade_id text,
    client_order_id text, side text, price numeric, quantity numeric, fee numeric, fee_currency text, maker boolean,
    occurred_at timestamptz, bill_id text)
ON CONFLICT (account_id, inst_id, order_id, fill_key) DO UPDATE SET
    fee = coalesce(known.fee, excluded.fee),
    fee_currency = coalesce(known.fee_currency, excluded.fee_currency),
    maker = coalesce(known.maker, excluded.maker),
    bill_id = coalesce(known.bill_id, excluded.bill_id)
WHERE (known.fee IS NULL AND excluded.fee IS NOT NULL) OR (known.bill_id IS NULL AND excluded.bill_id IS NOT NULL)
"""

_MOVE_HEADS = """
INSERT INTO journal_heads AS known (account_id, inst_id, last_occurred_at)
SELECT * FROM jsonb_to_recordset(%(heads)s) AS told (account_id bigint, inst_id text, last_occurred_at timestamptz)
ON CONFLICT (account_id, inst_id) DO UPDATE SET last_occurred_at = excluded.last_occurred_at
WHERE excluded.last_occurred_at > known.last_occurred_at
"""

APPEND = f"""
WITH journalled AS (
    INSERT INTO order_event_logs (plan_id, account_id, event_type, order_id, inst_id, side, event_key, event_data)
    SELECT * FROM unnest(%(plan_ids)s, %(account_ids)s, %(event_types)s, %(order_ids)s, %(inst_ids)s, %(sides)s,
        %(event_keys)s, %(event_data)s)
    ON CONFLICT (plan_id, order_id, event_type, event_key) DO NOTHING
    RETURNING id, plan_id, order_id, event_type, event_key
), moved AS ({MOVE_ORDERS}), kept AS ({_KEEP_FILLS}), heads AS ({_MOVE_HEADS})
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

"""Openings and closings of turns, of many plans at once: every event that wakes an agent pays for both.

These are the ordinary cases. What they give nothing for (another turn of the plan is still running, or this one is closed already)
`PostgresTurns` looks at closer. Lists that are longer for one turn than for another come in one array; each turn has a part of it.

Each turn is looked up by itself (counting, and a comparison that no index knows, see to that): a walk through the index of running
turns would pass all that have ended since the table was last vacuumed.
"""

from __future__ import annotations

from kokex.adapters.postgres.statement_line import Statement

OPEN = Statement.of(
    "turns_open",
    """
WITH asked AS (
    SELECT * FROM unnest(%(plan_ids)s, %(summaries)s, %(cursors)s, %(account_cursors)s, %(moments)s, %(first_keys)s,
        %(last_keys)s, %(first_events)s, %(last_events)s) AS asked (
        plan_id, summary, cursor, account_cursor, at, first_key, last_key, first_event, last_event)
), opened AS (
    INSERT INTO turns (
        plan_id, status, trigger_keys, trigger_summary, event_ids, cursor, account_cursor, started_at)
    SELECT plan_id, 'running', (%(keys)s)[first_key::integer:last_key::integer], summary,
        (%(event_ids)s)[first_event::integer:last_event::integer], cursor, account_cursor, at
    FROM asked
    WHERE (SELECT count(*) FROM turns WHERE turns.plan_id = asked.plan_id AND turns.status = 'running') = 0
    RETURNING id, plan_id, trigger_keys
), noted AS (
    INSERT INTO turn_triggers (plan_id, trigger_key, turn_id)
    SELECT opened.plan_id, key, opened.id FROM opened, unnest(opened.trigger_keys) AS key
    ON CONFLICT DO NOTHING
)
SELECT id, plan_id FROM opened
""",
)

CLOSE = Statement.of(
    "turns_close",
    """
WITH asked AS (
    SELECT * FROM unnest(%(turn_ids)s, %(statuses)s, %(moments)s, %(actions)s, %(reasons)s, %(confidences)s, %(models)s,
        %(errors)s, %(changes_of_mind)s, %(tokens_in)s, %(tokens_out)s, %(calls)s, %(records)s) AS asked (
        turn_id, status, at, action, reason, confidence, model, error, change_of_mind, tokens_in, tokens_out, calls, record)
), closed AS (
    UPDATE turns SET status = asked.status, finished_at = asked.at, action = asked.action, reason = asked.reason,
        confidence = asked.confidence, model = asked.model, error = asked.error,
        change_of_mind = asked.change_of_mind, tokens_in = asked.tokens_in, tokens_out = asked.tokens_out
    FROM asked WHERE turns.id = asked.turn_id AND turns.status || '' = 'running'
    RETURNING turns.id, turns.event_ids, turns.status, asked.calls, asked.record
), told AS (
    UPDATE order_event_logs SET agent_conversation_id = closed.id FROM closed
    WHERE order_event_logs.id = ANY (closed.event_ids) AND closed.status = 'done'
), called AS (
    INSERT INTO tool_calls (turn_id, step, name, arguments, result, seconds, asked_at)
    SELECT closed.id, call.* FROM closed, jsonb_to_recordset(closed.calls) AS call (
        step integer, name text, arguments jsonb, result jsonb, seconds double precision,
        asked_at timestamptz)
), recorded AS (
    INSERT INTO turn_records (turn_id, record) SELECT closed.id, closed.record FROM closed
)
SELECT id, id FROM closed
""",
)

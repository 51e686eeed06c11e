"""Migrations: from empty, from every earlier revision with rows in place, by several at once, and never backwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from kokex.adapters.postgres import PostgresStore, schema, upgrade
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.tables import metadata
from kokex.adapters.vault import Vault
from kokex.domain.errors import StoreError, StoreUnavailableError, StoreVersionError
from tests.integration.postgres.journalling import entry

ROWS = {
    "0001": r"""
        INSERT INTO accounts (name, exchange, environment, endpoints, credentials)
        VALUES ('main', 'okx', 'paper', '{}', '\x00');
        INSERT INTO plans (name, account_id, inst_id, interval, status, limits, agent, forecast)
        VALUES ('eth', 1, 'ETH-USDT', '1H', 'running', '{}', '{}', '{}');
        INSERT INTO candles VALUES ('okx:live', 'ETH-USDT', '1H', now(), 1, 2, 0.5, 1.5, NULL, NULL);
        INSERT INTO instruments
        VALUES ('okx:live', 'ETH-USDT', 'spot', 'ETH', 'USDT', '', 0.01, 0.1, 0.1, 1, NULL, NULL, NULL, true);
        INSERT INTO installation (code) VALUES ('ab3f');
        """,
    "0002": """
        INSERT INTO orders
            (account_id, order_key, inst_id, side, order_type, quantity, status, created_at, updated_at)
        VALUES (1, 'KX1', 'ETH-USDT', 'buy', 'limit', 1.50, 'accepted', now(), now());
        INSERT INTO fills (account_id, inst_id, order_id, fill_key, side, price, quantity, occurred_at)
        VALUES (1, 'ETH-USDT', '9', '1', 'buy', 2000, 0.10, now());
        INSERT INTO order_event_logs
            (plan_id, event_type, order_id, inst_id, side, event_data, account_id, event_key)
        VALUES (1, 'buy_order_live', '9', 'ETH-USDT', 'buy', '{}', 1, 'live');
        INSERT INTO journal_heads VALUES (1, 'ETH-USDT', now());
        INSERT INTO ws_subscriptions (plan_id, connection_key, inst_id, is_active, created_at, updated_at)
        VALUES (1, 'okx:paper:1', 'ETH-USDT', true, now(), now());
        """,
    "0003": """
        INSERT INTO turns (plan_id, status, trigger_keys, trigger_summary, event_ids, cursor, started_at)
        VALUES (1, 'done', '{candle:1}', 'candle', '{}', 7, now());
        """,
    "0004": r"""
        INSERT INTO model_versions (plan_id, number, status, origin, preset, wish)
        VALUES (1, 1, 'ready', 'trained', 'tiny', '{}');
        INSERT INTO model_activations (plan_id, version_id, activated_at) VALUES (1, 1, now());
        INSERT INTO model_events (version_id, event) VALUES (1, '{}');
        INSERT INTO work_requests (kind, key, status, details, data)
        VALUES ('forecast', 'a', 'waiting', '{}', '\x00');
        """,
    "0005": """
        INSERT INTO account_event_logs
            (account_id, event_type, event_key, currency, event_data, source, occurred_at, plan_ids)
        VALUES (1, 'balance_changed', 'USDT:1:2', 'USDT', '{}', 'stream', now(), '{1,2}');
        INSERT INTO account_books VALUES (1, now());
        INSERT INTO account_states VALUES (1, 'balance:USDT', '{}', false, now());
        """,
    "0006": """
        INSERT INTO candle_ledger (market, inst_id, interval, complete)
        VALUES ('okx:demo', 'ETH-USDT', '1H', '{[2026-01-01, 2026-01-02)}');
        """,
    "0007": """
        INSERT INTO account_standings VALUES (1, 'halted', 'out of reach', now(), false, NULL, now());
        INSERT INTO coverages VALUES (1, 'ETH-USDT-SWAP', now(), now(), now(), '7', -10, 0);
        """,
    "0008": """
        INSERT INTO order_event_logs
            (plan_id, event_type, order_id, inst_id, side, event_data, account_id, event_key, raw)
        VALUES (1, 'buy_order_done', '9', 'ETH-USDT', 'buy', '{}', 1, 'filled', '{ }');
        """,
    "0009": """
        INSERT INTO turn_records VALUES (1, '{"version": 1}');
        INSERT INTO user_messages (plan_id, text, sent_at) VALUES (1, 'why?', now());
        """,
    "0010": """
        INSERT INTO plan_worths VALUES (1, now(), -1.50, 0, 2);
        """,
    "0011": """
        INSERT INTO model_usage (plan_id, turn_id, at, provider, model, input_tokens, output_tokens, estimated, cost_usd)
        VALUES (1, 1, now(), 'http://127.0.0.1/v1', 'small', 10, 5, false, 0.0000015);
        """,
    "0012": """
        INSERT INTO halts (scope, number, level, reason, ordered_by, since, flatten)
        VALUES ('plan', 1, 'halted', 'news', 'ann', now(), true);
        INSERT INTO halt_effects VALUES (1, 1, now());
        """,
    "0013": """
        INSERT INTO limit_changes VALUES (1, 2, '{}', '{"max_open_orders": 3}', 'ann', 'calmer', now());
        """,
    "0014": """
        INSERT INTO approvals (account_id, client_order_id, plan_id, notional, price, asked_at, expires_at)
        VALUES (1, 'KX1', 1, 3000.50, NULL, now(), now());
        """,
    "0015": """
        INSERT INTO plan_watches VALUES (1, now());
        INSERT INTO plan_notices (plan_id, kind, notice_key, occurred_at, facts)
        VALUES (1, 'risk_event', 'halt:1:set', now(), '{}');
        INSERT INTO price_alerts (plan_id, turn_id, price, direction, note, made_at)
        VALUES (1, 1, 2000.10, 'above', 'look', now());
        INSERT INTO plan_notes (plan_id, turn_id, text, made_at) VALUES (1, 1, 'patience pays', now());
        """,
    "0016": """
        UPDATE orders SET amendments = '[]', decision_mid = 2000.05 WHERE id = 1;
        """,
    "0017": """
        INSERT INTO plan_trails (plan_id, since, sign, best) VALUES (1, now(), 1, 2000.10);
        """,
    "0018": """
        INSERT INTO order_event_logs
            (plan_id, event_type, order_id, inst_id, side, event_data, account_id, event_key, raw)
        VALUES (1, 'buy_order_live', '10', 'ETH-USDT', 'buy', '{}', 1, 'live', '{ }');
        """,
    "0019": """
        INSERT INTO permission_changes VALUES (1, 2, '{}', '{place_order}', 'ann', 'it may trade', now());
        """,
    "0020": """
        INSERT INTO parent_orders
            (plan_id, decision_id, step, side, quantity, style, started_at, ends_at, status, grant_left)
        VALUES (1, 7, 0, 'buy', 1.5, 'twap', now(), now(), 'working', '{}');
        """,
    "0021": """
        INSERT INTO funding_payments (account_id, bill_id, inst_id, amount, currency, position, occurred_at)
        VALUES (1, '700001', 'ETH-USDT-SWAP', -0.6123456789, 'USDT', 3, now());
        INSERT INTO funding_shares (plan_id, account_id, bill_id, amount) VALUES (1, 1, '700001', -0.6123456789);
        """,
    "0022": """
        INSERT INTO parent_orders
            (plan_id, decision_id, step, side, quantity, style, started_at, ends_at, status, grant_left, reduces)
        VALUES (1, 7, 1, 'sell', 1.5, 'twap', now(), now(), 'working', '{}', true);
        """,
    "0024": """
        INSERT INTO capital_changes VALUES (1, 2, '{}', '{"sizing": "kelly"}', 'ann', 'proven by now', now());
        """,
}


def _engine(url: str):  # type: ignore[no-untyped-def]
    return create_engine(DatabaseAddress.parse(url).url)


def _differences(url: str) -> list[object]:
    engine = _engine(url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    return list(found)


def _contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind = 'r' AND nspname = 'public' AND relname <> 'alembic_version' ORDER BY 1"
        ).fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}


def test_from_empty(empty_database_url: str) -> None:
    """The tables are those that the program works with; again changes nothing."""
    assert schema.current_revision(empty_database_url) is None

    assert upgrade(empty_database_url) == schema.HEAD
    assert _differences(empty_database_url) == []
    assert upgrade(empty_database_url) == schema.HEAD
    assert schema.current_revision(empty_database_url) == schema.HEAD


@pytest.mark.parametrize("revision", schema.REVISIONS)
def test_from_each_revision_with_rows(empty_database_url: str, revision: str) -> None:
    """Every row is still there afterwards, new columns behind it, and the tables are the same as from empty."""
    upgrade(empty_database_url, revision)
    with psycopg.connect(empty_database_url) as connection:
        for known in schema.REVISIONS[: schema.REVISIONS.index(revision) + 1]:
            connection.execute(ROWS[known])
    before = _contents(empty_database_url)
    assert any(before.values())

    upgrade(empty_database_url)

    after = _contents(empty_database_url)
    for name, rows in before.items():
        assert [new[: len(old)] for old, new in zip(rows, after[name], strict=True)] == rows
    assert _differences(empty_database_url) == []


def test_revisions_are_the_ones_on_disk() -> None:
    """The list that `upgrade` goes by without Alembic is the chain of scripts."""
    script = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))

    chain = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(chain)) == schema.REVISIONS
    assert script.get_heads() == [schema.HEAD]


def test_indexes_and_constraints_have_the_users_names(database_url: str) -> None:
    """The journal's, as asked for; and the one unique constraint that differs on purpose."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT indexname, regexp_replace(indexdef, '.* USING btree ', '') FROM pg_indexes"
            " WHERE tablename = 'order_event_logs'"
        ).fetchall()

    assert dict(rows) == {
        "pk_order_event_logs": "(id)",
        "idx_order_event_logs_plan_id": "(plan_id)",
        "idx_order_event_logs_order_id": "(order_id)",
        "idx_order_event_logs_event_type": "(event_type)",
        "idx_order_event_logs_plan_order_event": "(plan_id, order_id, event_type)",
        "uq_order_event_logs_plan_id_order_id_event_type_event_key": (
            "(plan_id, order_id, event_type, event_key)"
        ),
    }


def test_columns_are_the_users(database_url: str) -> None:
    """In the user's order, then our three."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT column_name, udt_name FROM information_schema.columns"
            " WHERE table_name = 'order_event_logs' ORDER BY ordinal_position"
        ).fetchall()

    assert rows == [
        ("id", "int8"),
        ("plan_id", "int8"),
        ("event_type", "varchar"),
        ("order_id", "varchar"),
        ("inst_id", "varchar"),
        ("side", "varchar"),
        ("event_data", "jsonb"),
        ("processed_at", "timestamptz"),
        ("agent_conversation_id", "int8"),
        ("account_id", "int8"),
        ("event_key", "text"),
        ("raw", "text"),
    ]


def test_several_processes_at_once(empty_database_url: str, tmp_path: Path) -> None:
    """Started together in a folder of their own: all succeed, the work is done once."""
    folder = tmp_path / "with a space"
    folder.mkdir()
    program = "import sys; from kokex.adapters.postgres import upgrade; print(upgrade(sys.argv[1]))"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_database_url], stdout=subprocess.PIPE, text=True, cwd=folder
        )
        for _ in range(3)
    ]

    answers = [run.communicate(timeout=100)[0].strip() for run in runs]

    assert answers == [schema.HEAD] * 3
    assert list(folder.iterdir()) == []
    assert _differences(empty_database_url) == []


def test_a_migration_that_fails_leaves_nothing(empty_database_url: str) -> None:
    """All revisions are one transaction."""
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE tool_calls (in_the_way text)")

    with pytest.raises(StoreError, match="tool_calls"):
        upgrade(empty_database_url)

    assert schema.current_revision(empty_database_url) is None
    assert list(_contents(empty_database_url)) == ["tool_calls"]


async def test_newer_than_the_program(database_url: str, vault: Vault) -> None:
    """Both revisions are named, and nothing is touched."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")

    for attempt in (asyncio.to_thread(upgrade, database_url), PostgresStore.open(database_url, vault)):
        with pytest.raises(StoreVersionError, match=rf"0099.*{schema.HEAD}"):
            await attempt
    assert schema.current_revision(database_url) == "0099"


async def test_older_than_the_program(empty_database_url: str, vault: Vault) -> None:
    """Empty or behind: the command that helps is named."""
    with pytest.raises(StoreError, match="kokex db upgrade"):
        await PostgresStore.open(empty_database_url, vault)

    upgrade(empty_database_url, "0002")

    with pytest.raises(StoreError, match=r"0002.*kokex db upgrade"):
        await PostgresStore.open(empty_database_url, vault)


async def test_tables_taken_away_while_running(store: PostgresStore, database_url: str) -> None:
    """Refused, not unreachable: trying again would not help."""
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP TABLE order_event_logs")

    with pytest.raises(StoreError, match="order_event_logs") as caught:
        await store.journal.append([entry()])

    assert not isinstance(caught.value, StoreUnavailableError)

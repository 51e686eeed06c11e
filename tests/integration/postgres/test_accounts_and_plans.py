"""Accounts with encrypted keys, plans with all their settings, and the installation's name."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.adapters.vault import Vault
from kokex.domain.account import Credentials, Environment
from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError, NotFoundError, StateError
from kokex.domain.events import OrderEventKind
from kokex.domain.order import OrderStatus
from kokex.domain.plan import (
    AgentSettings,
    ForecastSettings,
    NewPlan,
    Plan,
    PlanStatus,
    RiskLimits,
    TradingTool,
    TriggerKind,
)
from kokex.domain.quiet_hours import QuietHours
from kokex.domain.schedule import Schedule
from kokex.ports.permissions import PermissionChange
from tests.builders import START, order
from tests.integration.postgres.journalling import CREDENTIALS, ENDPOINTS, new_account, new_plan

ODD = 'O\'Brien "计划" \\ % {} ; DROP TABLE plans; --\n🙂'


async def test_account_round_trip(store: PostgresStore) -> None:
    """By number, by name, in the list, with its keys."""
    account = await new_account(store, ODD)

    assert await store.accounts.get(account.id) == account
    assert await store.accounts.by_name(ODD) == account
    assert await store.accounts.list() == [account]
    assert (account.exchange, account.environment, account.endpoints) == ("okx", Environment.PAPER, ENDPOINTS)
    assert await store.accounts.credentials(account.id) == CREDENTIALS


async def test_account_name_is_taken(store: PostgresStore) -> None:
    """Named; the first stays."""
    account = await new_account(store)

    with pytest.raises(StateError, match="'main'"):
        await new_account(store)

    assert await store.accounts.list() == [account]


async def test_account_that_does_not_exist(store: PostgresStore) -> None:
    """Every way of asking says so; by name the names there are."""
    await new_account(store)

    for call in (
        store.accounts.get(99),
        store.accounts.credentials(99),
        store.accounts.update_endpoints(99, ENDPOINTS),
    ):
        with pytest.raises(NotFoundError, match="99"):
            await call
    with pytest.raises(NotFoundError, match=r"'other'.*'main'"):
        await store.accounts.by_name("other")


async def test_other_keys_are_told_to_whoever_listens(store: PostgresStore) -> None:
    """They take the place of the old ones; another try of the old ones is told as well."""
    account = await new_account(store)
    other = Credentials("another", "one", "")
    async with asyncio.timeout(60), aclosing(store.accounts.changes()) as changes:
        assert await anext(changes) == 0
        await store.accounts.replace_credentials(account.id, other)
        assert await anext(changes) == account.id
        assert await store.accounts.credentials(account.id) == other
        await store.accounts.announce(account.id)
        assert await anext(changes) == account.id


async def test_a_removed_account_keeps_its_history_and_its_name(store: PostgresStore) -> None:
    """Its keys are gone; it is found where history is asked for."""
    plan = await new_plan(store)
    account = await store.accounts.get(plan.account_id)
    await store.plans.set_status(plan.id, PlanStatus.RUNNING)
    with pytest.raises(StateError, match="used by plans"):
        await store.accounts.remove(account.id)
    await store.plans.set_status(plan.id, PlanStatus.STOPPED)
    await store.orders.add(order(plan_id=plan.id, account_id=account.id))
    with pytest.raises(StateError, match="1 order of its plans"):
        await store.accounts.remove(account.id)
    await store.orders.settle(account.id, "KXtestP1D1S0", OrderStatus.EXPIRED, at=START)

    await store.accounts.remove(account.id)

    assert await store.accounts.list() == []
    assert await store.accounts.list(removed=True) == [account]
    assert await store.accounts.by_name(account.name, removed=True) == account
    assert await store.accounts.get(account.id) == account
    with pytest.raises(ConfigurationError, match="removed"):
        await store.accounts.credentials(account.id)
    for call in (
        store.accounts.by_name(account.name),
        store.accounts.remove(account.id),
        store.accounts.replace_credentials(account.id, CREDENTIALS),
    ):
        with pytest.raises(NotFoundError):
            await call
    with pytest.raises(StateError, match="or did and was removed"):
        await new_account(store, account.name)


async def test_endpoints_change(store: PostgresStore) -> None:
    """The paper exchange came up on another port; the keys stay."""
    account = await new_account(store)
    moved = replace(ENDPOINTS, rest_url="http://127.0.0.1:2", certificate_file="/tmp/a b.pem")

    await store.accounts.update_endpoints(account.id, moved)

    assert (await store.accounts.get(account.id)).endpoints == moved
    assert await store.accounts.credentials(account.id) == CREDENTIALS


async def test_keys_are_not_in_the_database(store: PostgresStore, database_url: str) -> None:
    """In no column in the clear."""
    await new_account(store)

    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT accounts::text, credentials FROM accounts").fetchone()

    assert row is not None
    for secret in ("secret", "words"):
        assert secret not in row[0].replace("secret_", "")
        assert secret.encode() not in row[1]


async def test_wrong_key(store: PostgresStore, database_url: str) -> None:
    """The account is readable, its keys are not, and the message names no secret."""
    account = await new_account(store)
    other = await PostgresStore.open(database_url, Vault(b"k" * 32, source="/data/secret.key"))

    with pytest.raises(ConfigurationError, match=r"'main'.*/data/secret\.key"):
        await other.accounts.credentials(account.id)

    assert await other.accounts.get(account.id) == account
    await other.close()


async def test_rows_cannot_be_swapped(store: PostgresStore, database_url: str) -> None:
    """One account's keys put into another's row do not open."""
    await new_account(store, "a")
    b = await new_account(store, "b")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE accounts SET credentials = (SELECT credentials FROM accounts WHERE name = 'a')"
        )

    with pytest.raises(ConfigurationError, match="'b'"):
        await store.accounts.credentials(b.id)


async def test_plan_round_trip(store: PostgresStore) -> None:
    """Every setting, exactly."""
    account = await new_account(store)
    new = NewPlan(
        name=ODD,
        account_id=account.id,
        inst_id="ETH-USDT-SWAP",
        interval=Interval("15m"),
        limits=RiskLimits(
            max_order_notional=Decimal("12.340"), allow_short=True, cash_reserve=Decimal("1E+3")
        ),
        agent=AgentSettings(
            prompt="Buy low.\x00 计划",
            triggers=frozenset({TriggerKind.CANDLE}),
            order_triggers=frozenset({OrderEventKind.DONE}),
            turn_seconds=7.5,
            schedule=Schedule.parse("09:30,16:00"),
            debounce_seconds=2.5,
            quiet_hours=QuietHours.parse("22:00-06:00"),
            trading_tools=frozenset({TradingTool.PLACE_ORDER}),
        ),
        forecast=ForecastSettings(horizon=12, seed=42),
    )

    plan = await store.plans.add(new)

    assert await store.plans.get(plan.id) == plan
    assert await store.plans.list() == [plan]
    assert plan == Plan(
        plan.id,
        new.name,
        new.account_id,
        new.inst_id,
        new.interval,
        PlanStatus.CREATED,
        plan.created_at,
        new.limits,
        replace(new.agent, prompt="Buy low.\ufffd 计划"),
        new.forecast,
    )
    assert str(plan.limits.max_order_notional) == "12.340"
    assert plan.created_at.utcoffset() is not None


async def test_plan_kept_by_an_older_program(store: PostgresStore, database_url: str) -> None:
    """A setting that did not exist then has its default; one that no longer exists is ignored."""
    plan = await new_plan(store)
    with psycopg.connect(database_url) as connection:
        connection.execute("""UPDATE plans SET limits = '{"max_open_orders": 2, "gone": 1}'""")

    assert (await store.plans.get(plan.id)).limits == RiskLimits(max_open_orders=2)


async def test_a_plan_of_before_the_granting_of_tools_keeps_what_it_could_do(
    store: PostgresStore, database_url: str
) -> None:
    """It may use all tools that trade; one that is made now only watches; a grant of nothing stays one."""
    plan = await new_plan(store)
    assert (await store.plans.get(plan.id)).agent.trading_tools == frozenset()
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE plans SET agent = agent - 'trading_tools'")

    kept = (await store.plans.get(plan.id)).agent
    assert kept == replace(plan.agent, trading_tools=frozenset(TradingTool))


async def test_tools_are_granted_and_taken_away(store: PostgresStore) -> None:
    """Nothing else of the plan changes, and whoever follows the plans is told."""
    plan = await new_plan(store)
    async with aclosing(store.plans.changes()) as told, asyncio.timeout(60):
        assert await anext(told) == 0
        first = await store.plans.set_trading_tools(
            plan.id, {TradingTool.CANCEL_ORDER}, by="ann", reason="try it", at=START
        )
        assert await anext(told) == plan.id

    granted = replace(plan, agent=replace(plan.agent, trading_tools=frozenset({TradingTool.CANCEL_ORDER})))
    assert await store.plans.get(plan.id) == granted
    second = await store.plans.set_trading_tools(plan.id, (), by="bob", reason="", at=START)
    assert await store.plans.get(plan.id) == plan
    with pytest.raises(NotFoundError, match="99"):
        await store.plans.set_trading_tools(99, (), by="bob", reason="", at=START)

    cancelling = frozenset({TradingTool.CANCEL_ORDER})
    assert first == PermissionChange(plan.id, 2, frozenset(), cancelling, "ann", "try it", START)
    assert second == PermissionChange(plan.id, 3, cancelling, frozenset(), "bob", "", START)
    assert await store.plans.permission_changes(plan.id) == [first, second]
    assert await store.plans.permission_changes(99) == []


async def test_plan_that_cannot_be_added(store: PostgresStore) -> None:
    """A name that is taken, an account that is not there."""
    plan = await new_plan(store)

    with pytest.raises(StateError, match="'eth'"):
        await store.plans.add(NewPlan("eth", plan.account_id, "BTC-USDT", Interval("1H")))
    with pytest.raises(NotFoundError, match="account 99"):
        await store.plans.add(NewPlan("other", 99, "BTC-USDT", Interval("1H")))


async def test_plan_status(store: PostgresStore) -> None:
    """Set and listed by."""
    first, second = await new_plan(store, "a"), await new_plan(store, "b")
    await store.plans.set_status(second.id, PlanStatus.RUNNING)

    assert (await store.plans.get(second.id)).status is PlanStatus.RUNNING
    assert await store.plans.list([PlanStatus.CREATED]) == [first]
    assert [plan.id for plan in await store.plans.list(list(PlanStatus))] == [first.id, second.id]
    assert await store.plans.list([]) == []
    with pytest.raises(NotFoundError, match="99"):
        await store.plans.get(99)


async def test_installation_is_drawn_once(store: PostgresStore, database_url: str, vault: Vault) -> None:
    """Also by several at once: four letters or digits, the same for all, for ever."""
    other = await PostgresStore.open(database_url, vault)

    codes = await asyncio.gather(*(each.installation() for each in (store, other) for _ in range(3)))

    assert len(set(codes)) == 1
    assert len(codes[0]) == 4 and codes[0].isalnum() and codes[0] == codes[0].lower()
    assert await other.installation() == codes[0]
    await other.close()

"""Accounts, their keys encrypted."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec
from sqlalchemy import Row, Select, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import ConstraintError, Database
from kokex.adapters.postgres.listening import notifications
from kokex.adapters.postgres.tables import accounts, orders, plans
from kokex.domain.account import Credentials, Endpoints, Environment, ExchangeAccount
from kokex.domain.errors import ConfigurationError, NotFoundError, StateError
from kokex.domain.order import OrderStatus
from kokex.domain.plan import PlanStatus

CHANNEL = "kokex_accounts"
"""Where changes of keys are told."""
EVERYTHING = 0
"""An account number that means: any may have changed."""
_NO_KEYS = b""
"""What a removed account has in their place."""
_PENDING = [status.value for status in OrderStatus if not status.closed]


class SecretKeeper(Protocol):
    """Encrypts what must not be read from the database; a secret opens only under the name it was sealed with."""

    def seal(self, secret: bytes, name: str) -> bytes:
        """Encrypt."""
        ...

    def unseal(self, sealed: bytes, name: str) -> bytes:
        """Decrypt. Raises `ConfigurationError` where the key is another, or the name."""
        ...


class PostgresAccounts:
    """`AccountStore` on `accounts`."""

    def __init__(self, database: Database, keeper: SecretKeeper) -> None:
        self._database = database
        self._keeper = keeper

    async def add(
        self,
        name: str,
        exchange: str,
        environment: Environment,
        endpoints: Endpoints,
        credentials: Credentials,
    ) -> ExchangeAccount:
        """See `AccountStore`."""
        statement = (
            insert(accounts)
            .values(
                name=name,
                exchange=exchange,
                environment=environment.value,
                endpoints=msgspec.to_builtins(endpoints),
                credentials=self._keeper.seal(msgspec.json.encode(credentials), name),
            )
            .returning(accounts.c.id)
        )
        try:
            async with self._database.begin() as connection:
                number = (await connection.execute(statement)).scalar_one()
        except ConstraintError as error:
            raise StateError(
                f"an account named {name!r} exists already, or did and was removed; choose another name"
            ) from error
        return ExchangeAccount(number, name, exchange, environment, endpoints)

    async def update_endpoints(self, account_id: int, endpoints: Endpoints) -> None:
        """See `AccountStore`. Raises `NotFoundError`."""
        changes = (
            update(accounts)
            .where(accounts.c.id == account_id)
            .values(endpoints=msgspec.to_builtins(endpoints))
        )
        async with self._database.begin() as connection:
            found = (await connection.execute(changes)).rowcount
        if not found:
            raise NotFoundError(f"account {account_id} does not exist")

    async def get(self, account_id: int) -> ExchangeAccount:
        """See `AccountStore`."""
        found = await self._read(_query().where(accounts.c.id == account_id))
        if not found:
            raise NotFoundError(f"account {account_id} does not exist")
        return found[0]

    async def by_name(self, name: str, *, removed: bool = False) -> ExchangeAccount:
        """See `AccountStore`."""
        everything = await self.list(removed=removed)
        for account in everything:
            if account.name == name:
                return account
        names = ", ".join(repr(account.name) for account in everything) or "none yet"
        raise NotFoundError(f"there is no account named {name!r}; there are: {names}")

    async def list(self, *, removed: bool = False) -> builtins.list[ExchangeAccount]:
        """See `AccountStore`."""
        query = _query().order_by(accounts.c.id)
        return await self._read(query if removed else query.where(accounts.c.credentials != _NO_KEYS))

    async def replace_credentials(self, account_id: int, credentials: Credentials) -> None:
        """See `AccountStore`."""
        async with self._database.begin() as connection:
            name = await self._lock(connection, account_id)
            sealed = self._keeper.seal(msgspec.json.encode(credentials), name)
            await self._set(connection, account_id, sealed)

    async def remove(self, account_id: int) -> None:
        """See `AccountStore`."""
        async with self._database.begin() as connection:
            name = await self._lock(connection, account_id)
            await self._check_unused(connection, account_id, name)
            await self._set(connection, account_id, _NO_KEYS)

    async def announce(self, account_id: int) -> None:
        """See `AccountStore`."""
        async with self._database.begin() as connection:
            await self._tell(connection, account_id)

    async def changes(self) -> AsyncIterator[int]:
        """See `AccountStore`. The first item is 0, once it listens: what changed before must be read.

        Raises:
            StoreUnavailableError: the database cannot be reached at the start; later it is waited for.
        """
        async for payload in notifications(self._database.address, CHANNEL):
            yield int(payload) if payload else EVERYTHING

    async def credentials(self, account_id: int) -> Credentials:
        """See `AccountStore`. Raises `NotFoundError` as well."""
        query = select(accounts.c.name, accounts.c.credentials).where(accounts.c.id == account_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(f"account {account_id} does not exist")
        if row.credentials == _NO_KEYS:
            raise ConfigurationError(
                f"account {row.name!r} was removed: what was recorded of it stays, but no plan can work on it any more"
            )
        return msgspec.json.decode(self._keeper.unseal(row.credentials, row.name), type=Credentials)

    async def _lock(self, connection: AsyncConnection, account_id: int) -> str:
        """The account's name; nobody else changes the account meanwhile. Raises `NotFoundError`."""
        this = accounts.c.id == account_id
        query = select(accounts.c.name).where(this, accounts.c.credentials != _NO_KEYS).with_for_update()
        name: str | None = (await connection.execute(query)).scalar_one_or_none()
        if name is None:
            raise NotFoundError(f"account {account_id} does not exist")
        return name

    async def _check_unused(self, connection: AsyncConnection, account_id: int, name: str) -> None:
        at_work = plans.c.status.in_([PlanStatus.RUNNING.value, PlanStatus.PAUSED.value])
        query = select(plans.c.name).where(plans.c.account_id == account_id, at_work).order_by(plans.c.id)
        names = (await connection.execute(query)).scalars().all()
        if names:
            raise StateError(
                f"account {name!r} is used by plans {', '.join(map(repr, names))}; stop them first: kokex plan stop NAME"
            )
        ours = (orders.c.account_id == account_id, orders.c.plan_id.is_not(None))
        pending = select(func.count()).where(*ours, orders.c.status.in_(_PENDING))
        count = (await connection.execute(pending)).scalar_one()
        if count:
            raise StateError(
                f"account {name!r} has {count} {'order' if count == 1 else 'orders'} of its plans whose end is not known; "
                "see kokex order list"
            )

    async def _set(self, connection: AsyncConnection, account_id: int, sealed: bytes) -> None:
        await connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(credentials=sealed)
        )
        await self._tell(connection, account_id)

    async def _tell(self, connection: AsyncConnection, account_id: int) -> None:
        tell = text("SELECT pg_notify(:channel, :account_id)")
        await connection.execute(tell, {"channel": CHANNEL, "account_id": str(account_id)})

    async def _read(self, query: Select[tuple[object, ...]]) -> builtins.list[ExchangeAccount]:
        async with self._database.begin() as connection:
            return [_account(row) for row in (await connection.execute(query)).all()]


def _query() -> Select[tuple[object, ...]]:
    table = accounts.c
    return select(table.id, table.name, table.exchange, table.environment, table.endpoints)


def _account(row: Row[tuple[object, ...]]) -> ExchangeAccount:
    return ExchangeAccount(
        id=row.id,
        name=row.name,
        exchange=row.exchange,
        environment=Environment(row.environment),
        endpoints=msgspec.convert(row.endpoints, Endpoints),
    )

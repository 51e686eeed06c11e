"""Accounts, their keys encrypted."""

from __future__ import annotations

import builtins
from typing import Protocol

import msgspec
from sqlalchemy import Row, Select, insert, select, update

from kokex.adapters.postgres.database import ConstraintError, Database
from kokex.adapters.postgres.tables import accounts
from kokex.domain.account import Credentials, Endpoints, Environment, ExchangeAccount
from kokex.domain.errors import NotFoundError, StateError


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
            raise StateError(f"an account named {name!r} exists already; choose another name") from error
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

    async def by_name(self, name: str) -> ExchangeAccount:
        """See `AccountStore`."""
        everything = await self.list()
        for account in everything:
            if account.name == name:
                return account
        names = ", ".join(repr(account.name) for account in everything) or "none yet"
        raise NotFoundError(f"there is no account named {name!r}; there are: {names}")

    async def list(self) -> builtins.list[ExchangeAccount]:
        """See `AccountStore`."""
        return await self._read(_query().order_by(accounts.c.id))

    async def credentials(self, account_id: int) -> Credentials:
        """See `AccountStore`. Raises `NotFoundError` as well."""
        query = select(accounts.c.name, accounts.c.credentials).where(accounts.c.id == account_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(f"account {account_id} does not exist")
        return msgspec.json.decode(self._keeper.unseal(row.credentials, row.name), type=Credentials)

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

"""Everything the services keep, on one PostgreSQL database."""

from __future__ import annotations

import secrets
import string
from typing import Self

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.account_journal_writer import AccountJournalWriter
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.journal_writer import JournalWriter
from kokex.adapters.postgres.ownership import PostgresAccountLocks, PostgresAccountOwners
from kokex.adapters.postgres.repositories.account_journal import PostgresAccountJournal
from kokex.adapters.postgres.repositories.accounts import PostgresAccounts, SecretKeeper
from kokex.adapters.postgres.repositories.alerts import PostgresAlerts
from kokex.adapters.postgres.repositories.approvals import PostgresApprovals
from kokex.adapters.postgres.repositories.candles import PostgresCandles
from kokex.adapters.postgres.repositories.forecasts import PostgresForecasts
from kokex.adapters.postgres.repositories.funding import PostgresFunding
from kokex.adapters.postgres.repositories.instruments import PostgresInstruments
from kokex.adapters.postgres.repositories.journal import PostgresJournal
from kokex.adapters.postgres.repositories.messages import PostgresMessages
from kokex.adapters.postgres.repositories.models import PostgresModels
from kokex.adapters.postgres.repositories.notes import PostgresNotes
from kokex.adapters.postgres.repositories.notices import PostgresNotices
from kokex.adapters.postgres.repositories.orders import PostgresOrders
from kokex.adapters.postgres.repositories.parent_orders import PostgresParentOrders
from kokex.adapters.postgres.repositories.plans import PostgresPlans
from kokex.adapters.postgres.repositories.reconciliation import PostgresReconciliation
from kokex.adapters.postgres.repositories.risk import PostgresRisk
from kokex.adapters.postgres.repositories.spending import PostgresSpending
from kokex.adapters.postgres.repositories.subscriptions import PostgresSubscriptions
from kokex.adapters.postgres.repositories.trails import PostgresTrails
from kokex.adapters.postgres.repositories.turns import PostgresTurns
from kokex.adapters.postgres.repositories.work import PostgresWork
from kokex.adapters.postgres.schema import check_revision
from kokex.adapters.postgres.tables import installation
from kokex.adapters.postgres.turn_writer import TurnWriter

_CODE_LETTERS = string.digits + string.ascii_lowercase


class PostgresStore:
    """`Store` on PostgreSQL. Made by `open`; connections are drawn as they are needed."""

    def __init__(self, database: Database, keeper: SecretKeeper) -> None:
        self._database = database
        self._writer = JournalWriter(database.address)
        self.journal = PostgresJournal(database, self._writer)
        self._account_writer = AccountJournalWriter(database.address)
        self.account_journal = PostgresAccountJournal(database, self._account_writer)
        self.orders = PostgresOrders(database)
        self.accounts = PostgresAccounts(database, keeper)
        self.plans = PostgresPlans(database)
        self.candles = PostgresCandles(database)
        self.instruments = PostgresInstruments(database)
        self.forecasts = PostgresForecasts(database)
        self._turn_writer = TurnWriter(database.address)
        self.turns = PostgresTurns(database, self._turn_writer)
        self.messages = PostgresMessages(database)
        self.subscriptions = PostgresSubscriptions(database)
        self.models = PostgresModels(database)
        self.work = PostgresWork(database)
        self.owners = PostgresAccountOwners(database)
        self.reconciliation = PostgresReconciliation(database)
        self.funding = PostgresFunding(database)
        self.spending = PostgresSpending(database)
        self.risk = PostgresRisk(database)
        self.trails = PostgresTrails(database)
        self.parent_orders = PostgresParentOrders(database)
        self.approvals = PostgresApprovals(database)
        self.notices = PostgresNotices(database)
        self.alerts = PostgresAlerts(database)
        self.notes = PostgresNotes(database)

    @classmethod
    async def open(cls, url: str, keeper: SecretKeeper) -> Self:
        """Connect and make sure that the tables are the ones this program knows.

        Args:
            url: `postgresql://...`.
            keeper: encrypts the exchange keys.

        Raises:
            ConfigurationError: the URL cannot be read.
            StoreUnavailableError: the database cannot be reached.
            StoreVersionError: its tables are newer than this program.
            StoreError: its tables are older, or missing: `upgrade` them first.
        """
        database = Database(DatabaseAddress.parse(url))
        try:
            check_revision(database.address, await _revision(database))
        except BaseException:
            await database.close()
            raise
        return cls(database, keeper)

    async def installation(self) -> str:
        """See `Store`."""
        drawn = "".join(secrets.choice(_CODE_LETTERS) for _ in range(4))
        keep = insert(installation).values(code=drawn).on_conflict_do_nothing()
        async with self._database.begin() as connection:
            code: str | None = (await connection.execute(select(installation.c.code))).scalar_one_or_none()
            if code is None:
                await connection.execute(keep)
                code = (await connection.execute(select(installation.c.code))).scalar_one()
        return str(code)

    def account_locks(self) -> PostgresAccountLocks:
        """Ownership of accounts for one engine, on a session of its own."""
        return PostgresAccountLocks(self._database.address)

    async def close(self) -> None:
        """See `Store`."""
        await self._writer.close()
        await self._account_writer.close()
        await self._turn_writer.close()
        await self._database.close()


async def _revision(database: Database) -> str | None:
    async with database.begin() as connection:
        if (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one() is None:
            return None
        return (
            await connection.execute(text("SELECT version_num FROM alembic_version"))
        ).scalar_one_or_none()

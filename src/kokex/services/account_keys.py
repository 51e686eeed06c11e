"""Keys that are replaced while the engine runs, and accounts that stopped because of theirs.

`kokex account keys` keeps new ones and tells; the engine connects the account anew with them. An account that stopped is tried again
every few minutes besides: what kept it out (an IP address, a permission, a frozen key) may be mended at the exchange, with the keys as
they are. `kokex account check` has it tried at once.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from kokex.domain.errors import ConfigurationError, StoreUnavailableError
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.order_events import OrderEventService

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 300.0
"""How often an account that stopped is tried again with the keys that it has."""
LISTEN_SECONDS: Final = 1.0
"""How soon the database is listened to again."""


class AccountKeys:
    """Follows the keys of the accounts that this process works on."""

    def __init__(
        self, store: Store, clock: Clock, sessions: AccountSessions, order_events: OrderEventService
    ) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._order_events = order_events
        self._renewing = asyncio.Lock()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._try_again())

    async def _listen(self) -> None:
        while True:
            try:
                async for account_id in self._store.accounts.changes():
                    for session in self._sessions.all():
                        if account_id in (0, session.account.id):
                            await self._renew(session, again=account_id != 0)
            except StoreUnavailableError as error:
                log.warning("keys wait for the database", reason=str(error))
            await self._clock.sleep(LISTEN_SECONDS)

    async def _try_again(self) -> None:
        while True:
            await self._clock.sleep(RETRY_SECONDS)
            for session in self._sessions.all():
                try:
                    await self._renew(session, again=True)
                except StoreUnavailableError as error:
                    log.warning("keys wait for the database", reason=str(error))

    async def _renew(self, session: AccountSession, *, again: bool) -> None:
        """Use the keys on record where they are others; where the account stopped, `again` tries those that it has.

        Raises:
            StoreUnavailableError: they cannot be read now.
        """
        async with self._renewing:
            try:
                credentials = await self._store.accounts.credentials(session.account.id)
            except ConfigurationError as error:
                log.error("no keys", account=session.account.name, reason=str(error))
                if self._order_events.connections.get(session.account.connection_key) is None:
                    await self._sessions.forget(session)
                return
            changed = credentials != session.credentials
            if changed:
                await self._sessions.renew(session, credentials)
            if changed or (again and session.stopped is not None):
                log.info("account connects anew", account=session.account.name, new_keys=changed)
                session.stopped = None
                await self._order_events.reconnect(session.account, credentials)

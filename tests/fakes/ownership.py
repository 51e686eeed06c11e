"""Account locks in memory, shared by the engines of a test."""

from __future__ import annotations

from kokex.domain.errors import StoreUnavailableError


class Database:
    """Who holds what, among all engines."""

    def __init__(self) -> None:
        self.held: dict[int, str] = {}
        self.engines: set[str] = set()
        self.down = False


class MemoryLocks:
    """`AccountLocks` of one engine; `cut` ends its session, as a lost connection does."""

    def __init__(self, database: Database, engine: str) -> None:
        self._database = database
        self.engine = engine
        self.cut = False
        self.proofs = 0

    def _session(self) -> None:
        if self._database.down or self.cut:
            self.cut = False
            self.forget()
            raise StoreUnavailableError("the session was lost")

    def forget(self) -> None:
        """What the database does when the session ends."""
        database = self._database
        database.engines.discard(self.engine)
        database.held = {number: name for number, name in database.held.items() if name != self.engine}

    async def acquire(self, account_id: int) -> bool:
        self._session()
        self._database.engines.add(self.engine)
        return self._database.held.setdefault(account_id, self.engine) == self.engine

    async def release(self, account_id: int) -> None:
        self._session()
        self._database.held.pop(account_id, None)

    async def prove(self) -> None:
        self.proofs += 1
        self._session()

    async def others(self) -> dict[str, int]:
        self._session()
        self._database.engines.add(self.engine)
        held = list(self._database.held.values())
        return {name: held.count(name) for name in self._database.engines if name != self.engine}

    async def close(self) -> None:
        self.forget()

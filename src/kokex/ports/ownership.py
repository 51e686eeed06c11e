"""Which engine owns an account: at any moment one at most, among all engines on one database."""

from __future__ import annotations

from typing import Protocol


class AccountLocks(Protocol):
    """Locks on accounts that live exactly as long as one session with the database.

    Every method but `owners` and `close` may be called by one task alone. A method that raises has lost the session, and with it
    every lock; the next `acquire` begins a new one.
    """

    @property
    def engine(self) -> str:
        """This engine's name, as others see it: host, process, and letters that no other has."""
        ...

    async def acquire(self, account_id: int) -> bool:
        """Lock the account unless another engine holds it. When it returns True, whatever a former owner wrote is readable.

        Raises:
            StoreUnavailableError: no session can be had, or it was lost.
        """
        ...

    async def release(self, account_id: int) -> None:
        """Let others have it.

        Raises:
            StoreUnavailableError: the session was lost, and the lock with it.
        """
        ...

    async def prove(self) -> None:
        """Return only if the session lives: then every lock is still held.

        Raises:
            StoreUnavailableError: the session was lost, and every lock with it.
        """
        ...

    async def others(self) -> dict[str, int]:
        """The other engines that are connected now, and how many accounts each owns.

        Raises:
            StoreUnavailableError: the session was lost, and every lock with it.
        """
        ...

    async def close(self) -> None:
        """End the session; every lock is free at once."""
        ...


class AccountOwners(Protocol):
    """Who owns what, for anybody who asks."""

    async def owners(self) -> dict[int, str]:
        """The engine of each account that is owned now, by account number. Raises `StoreUnavailableError`."""
        ...

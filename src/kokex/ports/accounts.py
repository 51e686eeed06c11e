"""Exchange accounts on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from kokex.domain.account import Credentials, Endpoints, Environment, ExchangeAccount


class AccountStore(Protocol):
    """Exchange accounts; keys are encrypted at rest."""

    async def add(
        self,
        name: str,
        exchange: str,
        environment: Environment,
        endpoints: Endpoints,
        credentials: Credentials,
    ) -> ExchangeAccount:
        """Keep an account. Raises `StateError` where the name is taken."""
        ...

    async def update_endpoints(self, account_id: int, endpoints: Endpoints) -> None:
        """Change where the account is reached (a paper exchange on a new port)."""
        ...

    async def get(self, account_id: int) -> ExchangeAccount:
        """By number. Raises `NotFoundError`."""
        ...

    async def by_name(self, name: str, *, removed: bool = False) -> ExchangeAccount:
        """By name, with `removed` also one that was removed. Raises `NotFoundError` that lists the names there are."""
        ...

    async def list(self, *, removed: bool = False) -> list[ExchangeAccount]:
        """All, by number; with `removed` also those that were removed."""
        ...

    async def replace_credentials(self, account_id: int, credentials: Credentials) -> None:
        """Keep other keys, and tell whoever listens to `changes`. Raises `NotFoundError`, also of a removed account."""
        ...

    async def remove(self, account_id: int) -> None:
        """Forget its keys, and tell whoever listens to `changes`; what was recorded of it stays, and its name.

        Raises:
            NotFoundError: there is no such account, or it is removed already.
            StateError: a plan is at work on it, or an order's end is not known.
        """
        ...

    async def announce(self, account_id: int) -> None:
        """Tell whoever listens to `changes` that the account may be worth another try."""
        ...

    def changes(self) -> AsyncIterator[int]:
        """Numbers of accounts whose keys changed, by any process, as it happens; yields 0 after a lost connection."""
        ...

    async def credentials(self, account_id: int) -> Credentials:
        """The keys, decrypted.

        Raises:
            ConfigurationError: the encryption key is not the one they were kept with, or the account was removed.
        """
        ...

"""`kokex account keys` and `remove`: other keys for an account, or none any more."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
import sys
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.keys import read_keys
from kokex.cli.options import AsJson
from kokex.cli.output import say, say_json
from kokex.cli.running import with_application
from kokex.domain.errors import ConfigurationError, KokexError

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.account import Credentials, ExchangeAccount

_COMPARE_SECONDS = 5.0
"""How long the exchange may take to say whose keys they are; without its word they are kept all the same."""


def keys(
    name: Annotated[str, typer.Argument(help="The account.")],
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read key, secret and passphrase from three lines of input.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Give an account other keys; they are kept encrypted, and a running engine connects with them within a second.

    They come from KOKEX_API_KEY, KOKEX_API_SECRET and KOKEX_API_PASSPHRASE, from standard input or from a prompt, as with
    `account add`. They must open the same account at the exchange: keys that are seen to open another are refused.
    """

    from kokex.domain.account import Credentials

    async def find(opened: Application) -> ExchangeAccount:
        return await opened.store.accounts.by_name(name)

    async def replace(opened: Application) -> None:
        account = await find(opened)
        await _refuse_another_account(opened, account, given)
        await opened.store.accounts.replace_credentials(account.id, given)

    with_application(find)  # a name that is unknown is told before anybody types keys
    given = Credentials(*read_keys(from_stdin=from_stdin))
    with_application(replace)
    if as_json:
        say_json({"account": name, "replaced": True})
    else:
        say(f"Account {name} has other keys now. A running engine connects with them at once.")
        say(f"See that they open it: kokex account check {quote(name)}")


def remove(
    name: Annotated[str, typer.Argument(help="The account.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Forget an account's keys for good. Its plans must be stopped; their orders, fills and decisions stay readable.

    Nothing is done at the exchange: what the account holds there stays. Its name is not used again.
    """
    if not yes and not sys.stdin.isatty():
        raise ConfigurationError(f"account {name} was not removed: pass --yes where nobody can be asked")
    if not yes and not typer.confirm(f"Remove account {name}? Its keys are forgotten for good"):
        say(f"Account {name} stays.")
        raise typer.Exit(1)

    async def forget(opened: Application) -> None:
        account = await opened.store.accounts.by_name(name)
        await opened.store.accounts.remove(account.id)

    with_application(forget)
    if as_json:
        say_json({"account": name, "removed": True})
    else:
        say(
            f"Account {name} is removed. What was recorded of it stays; delete its keys at the exchange, too."
        )


async def _refuse_another_account(opened: Application, account: ExchangeAccount, given: Credentials) -> None:
    """Keys that open another account would make its plans trade beside what they hold. Silence proves nothing.

    Raises:
        ConfigurationError: the exchange says so.
    """
    try:
        known = await opened.store.accounts.credentials(account.id)
        async with asyncio.timeout(_COMPARE_SECONDS):
            before, after = await asyncio.gather(
                _owner(opened, account, known), _owner(opened, account, given)
            )
    except (KokexError, TimeoutError):
        return
    if before != after:
        raise ConfigurationError(
            f"these keys open account {after} at the exchange, and {account.name} is {before} there; nothing was changed. "
            "Add the other as an account of its own: kokex account add"
        )


async def _owner(opened: Application, account: ExchangeAccount, credentials: Credentials) -> str:
    exchange = opened.adapter.exchange(account, credentials)
    try:
        return (await exchange.settings()).account_id
    finally:
        await exchange.close()

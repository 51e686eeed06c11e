"""`kokex account`: exchange accounts and their keys."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokex.cli.account_changes import keys, remove
from kokex.cli.keys import read_keys
from kokex.cli.options import AsJson
from kokex.cli.output import plain, say, say_json, say_table
from kokex.cli.running import with_application
from kokex.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.account import Endpoints, Environment, ExchangeAccount

app = typer.Typer(no_args_is_help=True, help="Exchange accounts and their keys.")
app.command()(keys)
app.command()(remove)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call the account here.")],
    environment: Annotated[
        str, typer.Option(help="live (real money), demo (the exchange's) or paper (this machine's).")
    ],
    region: Annotated[
        str, typer.Option(help="Where the account was registered: global, eea or us (Australia included).")
    ] = "global",
    paper_url: Annotated[
        str | None, typer.Option(help="Where the paper exchange serves: http://127.0.0.1:PORT.")
    ] = None,
    certificate: Annotated[
        str | None, typer.Option(help="A certificate file to trust besides the system's (paper over https).")
    ] = None,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read key, secret and passphrase from three lines of input.")
    ] = False,
    as_json: Annotated[bool, AsJson] = False,
) -> None:
    """Keep an account, its keys encrypted.

    Keys come from KOKEX_API_KEY, KOKEX_API_SECRET and KOKEX_API_PASSPHRASE where all three are set, from standard input
    with --stdin, else from a prompt that does not show them. They are never part of the command.
    """
    kind = _environment(environment)
    if certificate is not None and not Path(certificate).is_file():
        raise ConfigurationError(f"--certificate {certificate} is no file that can be read")
    endpoints = _endpoints(kind, region, paper_url, certificate)
    if not name.strip():
        raise ConfigurationError("an account needs a name that is not empty")
    given = read_keys(from_stdin=from_stdin)

    async def keep(opened: Application) -> ExchangeAccount:
        from kokex.domain.account import Credentials

        return await opened.store.accounts.add(name.strip(), "okx", kind, endpoints, Credentials(*given))

    account = with_application(keep)
    if as_json:
        say_json(_document(account))
    else:
        say(f"Account {account.name} is kept ({account.environment.value}, {account.endpoints.rest_url}).")
        say(f"See that its keys open it: kokex account check {quote(account.name)}")


@app.command("list")
def list_accounts(as_json: Annotated[bool, AsJson] = False) -> None:
    """Show the accounts; never their keys."""

    async def read(opened: Application) -> list[ExchangeAccount]:
        return await opened.store.accounts.list()

    accounts = with_application(read)
    if as_json:
        say_json([_document(account) for account in accounts])
    elif not accounts:
        say(
            "No accounts yet; add one: kokex account add NAME --environment paper --paper-url http://127.0.0.1:PORT"
        )
    else:
        rows = [
            (
                str(account.id),
                account.name,
                account.exchange,
                account.environment.value,
                account.endpoints.rest_url,
            )
            for account in accounts
        ]
        say_table("", ("id", "name", "exchange", "environment", "address"), rows)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="The account.")], as_json: Annotated[bool, AsJson] = False
) -> None:
    """Log in and say what is wrong, if anything: address, clock, keys, stream. Exits 1 if something is.

    Where all is well, a running engine tries again at once what it had given up on the account.
    """
    from kokex.cli.probing import AccountReport, probe

    async def look(opened: Application) -> AccountReport:
        account = await opened.store.accounts.by_name(name)
        report = await probe(opened, account)
        if report.problem is None:
            await opened.store.accounts.announce(account.id)
        return report

    report = with_application(look)
    if as_json:
        say_json(report.document())
    else:
        _show(report)
    if report.problem is not None:
        raise typer.Exit(1)


def _show(report: Any) -> None:
    account = report.account
    say(f"{account.name}: {account.exchange} {account.environment.value} at {account.endpoints.rest_url}")
    if report.clock_offset is not None:
        say(f"The exchange's clock is {report.clock_offset:+.3f} s from this computer's.")
    if report.snapshot is not None:
        rows = [
            (balance.currency, plain(balance.total), plain(balance.available), plain(balance.frozen))
            for balance in report.snapshot.balances.values()
        ]
        say_table("", ("currency", "total", "available", "frozen"), rows)
        for position in report.snapshot.positions.values():
            say(f"Position: {plain(position.quantity)} contracts of {position.inst_id}")
    say("All is well." if report.problem is None else f"Wrong: {report.problem}")


@app.command()
def accept(
    name: Annotated[str, typer.Argument(help="The account.")], as_json: Annotated[bool, AsJson] = False
) -> None:
    """Take an account's contract positions as the exchange tells them, where they differ from the fills on record.

    For a difference that you have looked into (`kokex plan show` names it). The engine compares anew within seconds; what plans hold
    by their own fills stays as it is.
    """

    async def forget(opened: Application) -> int:
        found = await opened.store.accounts.by_name(name)
        return await opened.store.reconciliation.forget_baselines(found.id)

    accepted = with_application(forget)
    if as_json:
        say_json({"account": name, "instruments": accepted})
    elif accepted:
        say(f"Positions of account {name} are taken as they are now ({accepted} instruments).")
    else:
        say(f"Account {name} has no contract position that is compared with fills.")


def _environment(name: str) -> Environment:
    from kokex.domain.account import Environment

    try:
        return Environment(name.lower())
    except ValueError:
        raise ConfigurationError(
            f"environment {name!r} is unknown; use one of {', '.join(Environment)}"
        ) from None


def _endpoints(
    environment: Environment, region: str, paper_url: str | None, certificate: str | None
) -> Endpoints:
    from kokex.adapters.okx.configuration import endpoints_for
    from kokex.domain.account import Environment

    if paper_url is not None and environment is not Environment.PAPER:
        raise ConfigurationError(
            f"--paper-url {paper_url} belongs to --environment paper, not to {environment.value}"
        )
    return endpoints_for(region.lower(), environment, paper_url=paper_url, certificate_file=certificate)


def _document(account: ExchangeAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "exchange": account.exchange,
        "environment": account.environment,
        "rest_url": account.endpoints.rest_url,
        "private_url": account.endpoints.private_url,
    }

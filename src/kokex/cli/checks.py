"""The doctor's checks: each finds out one thing and, where it is wrong, says what to do."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kokex.adapters.postgres import EmbeddedPostgres
from kokex.adapters.postgres.schema import HEAD, current_revision
from kokex.bootstrap import application, model_chain
from kokex.cli.engine_presence import engine_process
from kokex.cli.probing import AccountReport, probe
from kokex.domain.errors import ConfigurationError, KokexError, StoreVersionError
from kokex.settings import Settings

LEAST_DISK = 1_000_000_000
"""Bytes that should be free where the data lie."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome. `advice`: what to do; empty where nothing is wrong."""

    name: str
    fine: bool
    detail: str
    advice: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """All checks in order; those that need what is broken are left out."""
    findings = [
        check_python(),
        check_disk(settings.folder),
        check_folder(settings.folder),
        check_agent(settings),
    ]
    findings.append(check_engine(settings.folder))
    if not findings[2].fine and settings.database_url is None:
        why = "not looked at, nor are the accounts, while the data folder is wrong"
        return [*findings, Finding("database", False, why, "mend that first, then run `kokex doctor` again")]
    database = await check_database(settings)
    findings.append(database)
    if database.fine:
        findings += await check_accounts(settings)
    return findings


def check_python() -> Finding:
    """The interpreter."""
    fine = sys.version_info >= (3, 11)
    return Finding(
        "Python",
        fine,
        f"{platform.python_version()} at {sys.executable}",
        "" if fine else "install Python 3.11 or newer and set KOKEX up with it",
    )


def check_disk(folder: Path) -> Finding:
    """Room where the data lie."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    fine = free >= LEAST_DISK
    return Finding(
        "disk",
        fine,
        f"{free / 1e9:.1f} GB free at {existing}",
        ""
        if fine
        else f"free at least {LEAST_DISK / 1e9:.0f} GB, or set KOKEX_HOME to a folder on another disk",
    )


def check_folder(folder: Path) -> Finding:
    """The data folder: there, ours, and closed to others."""
    name = "data folder"
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        return Finding(
            name, False, f"{existing} is a file", "move it away, or set KOKEX_HOME to another folder"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(name, False, f"{existing} cannot be written", "set KOKEX_HOME to a folder of your own")
    if existing != folder:
        return Finding(name, True, f"{folder} will be made when it is needed")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o066:  # passing through is allowed: the embedded database may run as a user of its own
        return Finding(
            name, False, f"{folder} is open to other users ({mode:o})", f"run: chmod 700 '{folder}'"
        )
    return Finding(name, True, f"{folder}, which only you can read")


def check_agent(settings: Settings) -> Finding:
    """Who decides."""
    try:
        chain = model_chain(settings)
    except ConfigurationError as error:
        return Finding("agent", False, str(error), "mend it in KOKEX_LLM_...; docs/agent.md has an example")
    if chain is None:
        return Finding("agent", True, "the built-in policy decides (no KOKEX_LLM_... names a model)")
    names = ", then ".join(f"{one.model} at {one.place}" for one in chain.models)
    return Finding("agent", True, f"{names} decides; built-in exits where none answers")


def check_engine(folder: Path) -> Finding:
    """Whether plans are worked on now. Never wrong: not running is a choice."""
    process = engine_process(folder)
    if process is None:
        return Finding("engine", True, "none works on this data folder now; `kokex up` starts one")
    return Finding("engine", True, f"process {process} works on this data folder")


async def check_database(settings: Settings) -> Finding:
    """Whether it answers, and fits this program; it is not changed."""
    try:
        async with _database_url(settings) as url:
            revision = await asyncio.to_thread(current_revision, url)
    except StoreVersionError as error:
        return Finding("database", False, str(error), "install the KOKEX that made it")
    except KokexError as error:
        advice = "start it, or correct KOKEX_DATABASE_URL" if settings.database_url else "see its log there"
        return Finding("database", False, str(error), advice)
    if revision is None:
        return Finding("database", True, "answers; empty, its tables are made with the next command")
    if revision == HEAD:
        return Finding("database", True, f"answers, revision {revision}")
    if revision < HEAD:
        return Finding(
            "database", True, f"answers, revision {revision}; the next command brings it to {HEAD}"
        )
    return Finding(
        "database",
        False,
        f"has revision {revision}, newer than {HEAD}, the last that this program knows",
        "install the KOKEX that made it, or use another database",
    )


@asynccontextmanager
async def _database_url(settings: Settings) -> AsyncIterator[str]:
    """URL of the database as it is, not migrated."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = EmbeddedPostgres(settings.folder / "database")
    url = await asyncio.to_thread(server.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(server.release)


async def check_accounts(settings: Settings) -> list[Finding]:
    """Each account's address, clock, keys and stream."""
    try:
        async with application(settings) as opened:
            accounts = await opened.store.accounts.list()
            if not accounts:
                return [Finding("accounts", True, "none yet; `kokex account add` keeps one")]
            return [account_finding(await probe(opened, account)) for account in accounts]
    except KokexError as error:
        return [Finding("accounts", False, str(error), "mend that first, then run `kokex doctor` again")]


def account_finding(report: AccountReport) -> Finding:
    """What an account's report comes to."""
    name = f"account {report.account.name}"
    if report.problem is not None:
        return Finding(name, False, report.problem, _account_advice(report))
    assert report.snapshot is not None
    money = f"{len(report.snapshot.balances)} currencies"
    return Finding(
        name, True, f"keys open it, stream stands, clock offset {report.clock_offset:+.3f} s, {money}"
    )


def _account_advice(report: AccountReport) -> str:
    environment = report.account.environment.value
    if report.clock_offset is None:
        where = (
            "start it (kokex paper serve)" if environment == "paper" else "check the network and the region"
        )
        return f"{report.account.endpoints.rest_url} does not answer as an exchange: {where}"
    if report.snapshot is None:
        return f"check that key, secret and passphrase are those of the {environment} environment, and add the account anew, under another name"
    return "set this computer's clock, and see that WebSocket connections are not blocked"

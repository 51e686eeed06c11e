"""Candles: import, read, find gaps, repair them; each beside the least that the same work could cost."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
from rich.console import Console

from benchmarks.figures import Figure
from benchmarks.processes import ROOT, ChildError
from kokex.adapters.candle_files import read_candle_file, write_candle_file
from kokex.adapters.okx import OKXAdapter, endpoints_for
from kokex.adapters.postgres import EmbeddedPostgres, PostgresStore, upgrade
from kokex.adapters.system_clock import SystemClock
from kokex.adapters.vault import Vault
from kokex.domain.account import Credentials, Environment
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.services.accounts import AccountSession, AccountSessions, market_of
from kokex.services.market_data import CandleRepair

IMPORT_SECONDS, READ_SECONDS, GAPS_SECONDS = 20.0, 2.0, 1.0
_MINUTE = Interval("1m")
_INST_ID = "BTC-USDT"
_GAPS = ROOT.parent / "shared" / "data" / "okx_BTC-USDT_1m_2022q1_gaps.csv.gz"
_PAGES_A_SECOND = 10.0
"""OKX v5: 20 requests of `history-candles` in 2 s."""
_FIRST = 1_640_995_200


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to do."""

    candles: int = 1_000_000
    rounds: int = 3


QUICK = Effort(candles=50_000, rounds=1)


async def measure(
    server: EmbeddedPostgres, folder: Path, effort: Effort, console: Console
) -> tuple[list[Figure], dict[str, Any]]:
    """All figures, and what they were made of."""
    url = server.database_url("postgres")
    await asyncio.to_thread(upgrade, url)
    store = await PostgresStore.open(url, Vault.open(folder))
    try:
        file = folder / f"okx_{_INST_ID}_1m.csv"
        rows = _walk(effort.candles)
        write_candle_file(file, rows.open_times, rows.values)
        console.log(f"candles: import {effort.candles:,}")
        imported, spent = await asyncio.to_thread(_import, url, folder, file, effort.candles)
        copied = await asyncio.to_thread(_copy_floor, url, file)
        console.log("candles: read")
        read = await _fastest(
            lambda: store.candles.latest("okx:live", _INST_ID, _MINUTE, effort.candles), effort
        )
        fetched = await _fastest(lambda: asyncio.to_thread(_rows_floor, url), effort)
        figures = [
            _figure(
                "import from CSV, `kokex data import`",
                imported,
                IMPORT_SECONDS,
                copied,
                "COPY of the file into a bare table",
            ),
            _figure(
                "read to arrays", read, READ_SECONDS, fetched, "the same rows through psycopg, one by one"
            ),
        ]
        shown = f"{spent[0]:.1f} + {spent[1]:.1f} s"
        figures.insert(1, Figure("candles", "processor time of the import: command + database", shown))
        more, record = await _gaps(store, folder, console)
        record |= {
            "import": imported,
            "import_processor": spent,
            "copy": copied,
            "read": read,
            "rows": fetched,
            "candles": effort.candles,
        }
        return figures + more, record
    finally:
        await store.close()


async def _gaps(store: PostgresStore, folder: Path, console: Console) -> tuple[list[Figure], dict[str, Any]]:
    """Gaps of the shared file where it is there, else of one made alike."""
    path, note = (
        (_GAPS, "") if _GAPS.exists() else (_made_gaps(folder), "a file made alike: 'shared' is absent")
    )
    file = read_candle_file(path, strict=False)
    async with _exchange(store, folder, path) as session:
        key = CandleKey(market_of(session.account), _INST_ID, _MINUTE)
        await store.candles.keep(key, file.rows)
        began = time.perf_counter()
        gaps = await store.candles.gaps(key)
        found = time.perf_counter() - began
        console.log(f"candles: repair {len(gaps)} gaps")
        began = time.perf_counter()
        check = await CandleRepair(store.candles).check(key)
        checked = time.perf_counter() - began
        steps: list[int] = []
        began = time.perf_counter()
        await CandleRepair(store.candles).repair(
            session.exchange, key, on_step=lambda _, total: steps.append(total)
        )
        repaired = time.perf_counter() - began
        left = await store.candles.gaps(key)
        whole = len(await store.candles.read(key))
    if len(left) or whole != len(file) + file.report.missing:
        raise ChildError(f"{len(left)} gaps are left after the repair, {whole} candles are kept")
    floor = steps[-1] / _PAGES_A_SECOND
    figures = [
        Figure("candles", f"the ledger finds {len(gaps)} gaps", f"{found * 1000:.1f} ms", f"< {GAPS_SECONDS:g} s", found < GAPS_SECONDS and len(gaps) == 93, note),
        Figure("candles", f"check of {len(file):,} candles for every flaw", f"{checked:.2f} s", note=f"{len(check.flaws)} findings"),
        Figure("candles", f"repair of {file.report.missing:,} candles in {steps[-1]} requests", f"{repaired:.1f} s", "all", True, f"{repaired / floor:.2f} of what the exchange's rate limit takes ({floor:.1f} s)"),
    ]  # fmt: skip
    return figures, {
        "gaps": len(gaps),
        "find": found,
        "check": checked,
        "repair": repaired,
        "requests": steps[-1],
    }


def _figure(name: str, seconds: float, target: float, floor: float, what: str) -> Figure:
    note = f"{seconds / floor:.2f} of {what} ({floor:.2f} s)"
    return Figure("candles", name, f"{seconds:.2f} s", f"< {target:g} s", seconds < target, note)


async def _fastest(work: Callable[[], Awaitable[object]], effort: Effort) -> float:
    """Seconds of the median round."""
    spent = []
    for _ in range(effort.rounds):
        began = time.perf_counter()
        await work()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def _import(url: str, folder: Path, file: Path, candles: int) -> tuple[float, tuple[float, float]]:
    """Seconds of the command, its start included; and of processors, in the command and in the database."""
    environment = {**os.environ, "KOKEX_HOME": str(folder), "KOKEX_DATABASE_URL": url}
    command = [str(Path(sys.executable).with_name("kokex")), "data", "import", str(file), "--json"]
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    before, began = (_children_seconds(), _tree_seconds(server)), time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds = time.perf_counter() - began
    if ended.returncode or json.loads(ended.stdout)["changed"] != candles:
        raise ChildError(f"kokex data import failed: {ended.stderr or ended.stdout}")
    return seconds, (_children_seconds() - before[0], _tree_seconds(server) - before[1])


def _children_seconds() -> float:
    """Processor time of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree_seconds(root: psutil.Process | None) -> float:
    """Processor time of a server and all its processes, those that have ended too."""
    if root is None:
        return 0.0
    own = root.cpu_times()
    living = [child.cpu_times() for child in root.children()]
    ended = own.children_user + own.children_system
    return float(own.user + own.system + ended + sum(one.user + one.system for one in living))


def _copy_floor(url: str, file: Path) -> float:
    """Seconds of the server's own CSV reader, into a table with the same key and nothing else."""
    columns = "open_time timestamptz PRIMARY KEY, open float8, high float8, low float8, close float8, volume float8, amount float8"
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE bare ({columns})")
        connection.commit()
        began = time.perf_counter()
        with connection.cursor().copy("COPY bare FROM STDIN (FORMAT CSV, HEADER)") as copy:
            copy.write(file.read_bytes())
        connection.commit()
        seconds = time.perf_counter() - began
        connection.execute("DROP TABLE bare")
        connection.commit()
    return seconds


def _rows_floor(url: str) -> None:
    """The usual way to arrays: a row at a time through Python."""
    query = "SELECT extract(epoch FROM open_time)::bigint, open, high, low, close, volume, amount FROM candles WHERE market = 'okx:live' ORDER BY open_time"
    with psycopg.connect(url) as connection, connection.cursor(binary=True) as cursor:
        np.array(cursor.execute(query).fetchall(), dtype=np.float64)


@asynccontextmanager
async def _exchange(store: PostgresStore, folder: Path, path: Path) -> AsyncIterator[AccountSession]:
    """A paper exchange in a process of its own that has every candle of `path`, the missing ones too."""
    program = str(Path(sys.executable).with_name("kokex"))
    options = [
        "--interval",
        "1m",
        "--instruments",
        _INST_ID,
        "--candles",
        str(path),
        "--as-history",
        "--accept-gaps",
    ]
    process = await asyncio.create_subprocess_exec(
        program, "paper", "serve", "--port", "0", "--json", *options,
        stdout=asyncio.subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 120))
        endpoints = endpoints_for("global", Environment.PAPER, paper_url=ready["rest_url"])
        keys = Credentials("paper-key", "paper-secret", "paper-passphrase")
        account = await store.accounts.add("bench", "okx", Environment.PAPER, endpoints, keys)
        clock = SystemClock()
        sessions = AccountSessions(store, clock, OKXAdapter(clock))
        yield await sessions.open(account.id)
        await sessions.close()
    finally:
        process.terminate()
        await process.wait()


def _walk(count: int) -> CandleRows:
    """A random walk in steps of 0.1, with volumes of six digits."""
    random = np.random.default_rng(2022)
    close = np.round(40_000 + np.cumsum(random.normal(0, 3, count)), 1)
    opened = np.concatenate([close[:1], close[:-1]])
    top, bottom = np.maximum(opened, close) + 1.5, np.minimum(opened, close) - 1.5
    volume = np.round(random.lognormal(2, 1, count), 6)
    values = np.column_stack(
        [opened, np.round(top, 1), np.round(bottom, 1), close, volume, np.full(count, np.nan)]
    )
    return CandleRows(_FIRST + 60 * np.arange(count), values)


def _made_gaps(folder: Path) -> Path:
    """As many candles as the shared file has, 93 times 200 of 300 missing."""
    rows = _walk(71_000)
    gone = np.concatenate([np.arange(200) + 43_000 + 300 * gap for gap in range(93)])
    kept = rows[np.setdiff1d(np.arange(len(rows)), gone)]
    path = folder / "okx_BTC-USDT_1m_gaps.csv"
    write_candle_file(path, kept.open_times, kept.values)
    return path

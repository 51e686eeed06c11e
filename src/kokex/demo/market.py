"""The demo's market seen from the demo: its process, and its admin face."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from kokex.demo.folder import candle_file, market_log_file, state_file
from kokex.demo.options import KEYS, MarketChoice
from kokex.domain.errors import ConfigurationError, ExchangeUnavailableError

START_SECONDS: Final = 60.0
"""How long the market may take to stand (a long candle file is read first)."""
STOP_SECONDS: Final = 10.0
_EVENTS_A_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Market:
    """A market at work."""

    rest_url: str
    process: asyncio.subprocess.Process
    log: Path
    _session: aiohttp.ClientSession

    async def run_clock(self) -> None:
        """Let market time go on."""
        await self._ask("POST", "clock", {"resume": True})

    async def freeze(self) -> None:
        """Stop market time: prices stand still, orders and cancels still work."""
        await self._ask("POST", "clock", {"pause": True})

    async def books(self) -> dict[str, Any]:
        """The account's own books, as the exchange keeps them."""
        return await self._ask("GET", f"books?account={KEYS.api_key}")

    async def events(self) -> list[dict[str, Any]]:
        """Every order event that the exchange made for the account, whether or not anybody was connected."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = (await self._ask("GET", f"events?account={KEYS.api_key}&after={after}"))["events"]
            found += page
            if len(page) < _EVENTS_A_PAGE:
                return found

    async def ended(self) -> None:
        """Return only by raising: the process has ended without being asked.

        Raises:
            ExchangeUnavailableError: always.
        """
        code = await self.process.wait()
        raise ExchangeUnavailableError(
            f"the demo's market ended by itself (exit code {code}); see {self.log}"
        )

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url = f"{self.rest_url}/paper/v1/{path}"
        try:
            async with self._session.request(method, url, json=body) as response:
                answer: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ExchangeUnavailableError(
                f"the demo's market does not answer {url}: {error}; see {self.log}"
            ) from error
        if response.status != 200:
            raise ConfigurationError(f"the demo's market refused {url}: {answer.get('error', answer)}")
        return answer


@dataclass(frozen=True, slots=True)
class MarketProcess:
    """A market that is on its way: it gets ready while other things are done."""

    process: asyncio.subprocess.Process
    folder: Path
    session: aiohttp.ClientSession

    async def stands(self) -> Market:
        """The market, once it serves.

        Raises:
            ConfigurationError: it cannot be made so (a flawed candle file, a state of another market).
            ExchangeUnavailableError: it did not stand in time.
        """
        rest_url = await _ready(self.process, self.folder)
        return Market(rest_url, self.process, market_log_file(self.folder), self.session)


@asynccontextmanager
async def start_market(folder: Path, choice: MarketChoice) -> AsyncIterator[MarketProcess]:
    """Start the market's process, stopped in time; end it with the block, its state kept."""
    with market_log_file(folder).open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kokex.demo.market_server",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
    try:
        _ask_for(process, folder, choice)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            yield MarketProcess(process, folder, session)
    finally:
        await _end(process)


def _ask_for(process: asyncio.subprocess.Process, folder: Path, choice: MarketChoice) -> None:
    assert process.stdin is not None
    words = {
        "seed": choice.seed,
        "speed": choice.speed,
        "inst_id": choice.inst_id,
        "candles": None if choice.candles is None else str(candle_file(folder)),
        "state": str(state_file(folder)),
    }
    process.stdin.write(json.dumps(words).encode() + b"\n")


async def _ready(process: asyncio.subprocess.Process, folder: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise ExchangeUnavailableError(
            f"the demo's market did not start within {START_SECONDS:.0f} s; see {market_log_file(folder)}"
        ) from error
    if not line:
        code = await process.wait()
        raise ExchangeUnavailableError(
            f"the demo's market ended at once (exit code {code}); see {market_log_file(folder)}"
        )
    answer = json.loads(line)
    if not answer["ready"]:
        raise ConfigurationError(answer["error"])
    return str(answer["rest_url"])


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

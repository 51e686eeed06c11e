"""Processes of a benchmark: each measured thing runs in one of its own and is told what to do, a line of JSON at a time."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
Words = dict[str, Any]

_ANSWER_SECONDS = 300.0
_END_SECONDS = 10.0


class ChildError(Exception):
    """A process of the benchmark did not do what it was told; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Child:
    """The parent's side of one process."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    ready: Words
    """What it said when it was ready."""

    async def ask(self, **words: Any) -> Words:
        """Tell it one thing and wait for the answer.

        Raises:
            ChildError: it died, failed or did not answer in time.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words).encode() + b"\n")
        await self.process.stdin.drain()
        return await _answer(self.name, self.process, self.log)


@asynccontextmanager
async def child(module: str, log: Path, **words: Any) -> AsyncIterator[Child]:
    """Run `python -m benchmarks.<module>`, told `words`; it ends with the block. What it complains of goes to `log`.

    Raises:
        ChildError: it did not get ready.
    """
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"benchmarks.{module}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            cwd=ROOT,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(words).encode() + b"\n")
        yield Child(module, process, log, await _answer(module, process, log))
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answer(name: str, process: asyncio.subprocess.Process, log: Path) -> Words:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _ANSWER_SECONDS)
    except TimeoutError:
        raise ChildError(f"{name} gave no answer in {_ANSWER_SECONDS:g} s") from None
    if not line:
        raise ChildError(f"{name} died (exit code {await process.wait()}): {_last_words(log)}")
    words: Words = json.loads(line)
    if "error" in words:
        raise ChildError(f"{name} failed: {words['error']}")
    return words


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-20:]) or "it said nothing"


# -- the child's side


def first_words() -> Words:
    """What the parent told this process at its start."""
    words: Words = json.loads(sys.stdin.readline())
    return words


async def serve_commands(ready: Words, commands: Mapping[str, Callable[[Words], Awaitable[Words]]]) -> None:
    """Say `ready`, then do what is told (`{"do": NAME, ...}`), one after another, until standard input closes."""
    _say({"ready": True, **ready})
    while line := await asyncio.to_thread(sys.stdin.readline):
        words = json.loads(line)
        _say(await commands[words["do"]](words))


def _say(words: Words) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


# -- what processes use


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its children have used, those included that have ended."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        family = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    total: float = times.user + times.system + times.children_user + times.children_system
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total

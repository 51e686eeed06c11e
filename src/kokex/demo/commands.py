"""The commands that the demo shows at its end: really run, each in a process of its own, as a person would."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kokex.demo.owner import QUESTION
from kokex.domain.instrument import Side
from kokex.domain.plan import Plan
from kokex.ports.store import Store

SECONDS: Final = 120.0
"""How long one may take."""
_LOOKED_AT: Final = 1000
"""Orders that are looked through for one that bought."""
_OURS: Final = ("KOKEX_DATABASE_URL", "KOKEX_LLM_")
"""Beginnings of variables that are not for the demo's commands."""


@dataclass(frozen=True, slots=True)
class Bought:
    """A decision that bought."""

    plan: Plan
    decision: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One command that was run, and what it wrote to standard output (to standard error where it failed)."""

    words: tuple[str, ...]
    code: int
    output: str

    @property
    def line(self) -> str:
        """As a person types it."""
        return shlex.join(("kokex", *self.words))

    def document(self) -> dict[str, Any]:
        """For a program."""
        return {"command": self.line, "exit_code": self.code, "output": self.output}


async def find_bought(store: Store, plans: tuple[Plan, ...]) -> Bought | None:
    """The newest decision with a filled buy, of the first of `plans` that has one."""
    for plan in plans:
        for order in await store.orders.recent(plan.id, limit=_LOOKED_AT):
            if order.side is Side.BUY and order.filled_quantity > 0 and order.decision_id:
                return Bought(plan, order.decision_id)
    return None


async def show_commands(folder: Path, bought: Bought) -> tuple[Shown, ...]:
    """Show it, run it again, and ask its agent about it. The engine must be at work on `folder`."""
    number = str(bought.decision)
    wanted = (
        ("decision", "show", number),
        ("decision", "replay", number),
        ("agent", "chat", bought.plan.name, QUESTION),
    )
    return tuple(await asyncio.gather(*(_run(folder, words) for words in wanted)))


def again(folder: Path) -> str:
    """What a person types before such a command."""
    program = Path(sys.executable).with_name("kokex")
    name = str(program) if program.exists() else "kokex"
    return f"KOKEX_HOME={shlex.quote(_near(folder))} {shlex.quote(_near(Path(name)))}"


async def _run(folder: Path, words: tuple[str, ...]) -> Shown:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kokex",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment | {"KOKEX_HOME": str(folder), "COLUMNS": "120"},
        start_new_session=True,  # Ctrl-C is for the demo
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        return Shown(words, -1, f"no end within {SECONDS:.0f} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    code = process.returncode or 0
    return Shown(words, code, (err if code else out).decode(errors="replace").rstrip())


def _near(path: Path) -> str:
    """From where the person is, if it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

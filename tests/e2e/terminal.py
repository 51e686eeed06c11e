"""`kokex` as a person runs it: processes of their own, in a data folder of their own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("kokex")
LIMIT_SECONDS = 240.0
KEYS = {
    "KOKEX_API_KEY": "paper-key",
    "KOKEX_API_SECRET": "paper-secret",
    "KOKEX_API_PASSPHRASE": "paper-passphrase",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def last(self) -> Any:
        """The last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Running:
    """A command at work; `ready` is the JSON line that it began with."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Runs `kokex` with a data folder and an environment."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, **changes: str) -> dict[str, str]:
        """Of the processes: nothing of the tester's own settings."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("KOKEX_")}
        return own | {"KOKEX_HOME": str(self.home)} | dict(self.variables) | changes

    def run(self, *arguments: str, given: str = "", **changes: str) -> Ended:
        """Run one command to its end."""
        ended = subprocess.run(
            [str(PROGRAM), *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            env=self.environment(**changes),
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        """Start a command in a session of its own."""
        return subprocess.Popen(
            [str(PROGRAM), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**changes),
            start_new_session=True,
        )

    @contextmanager
    def serving(self, *arguments: str, **changes: str) -> Iterator[Running]:
        """A command that serves, from its ready line to a SIGTERM, which it must obey with exit code 0."""
        process = self.start(*arguments, **changes)
        try:
            yield Running(process, json.loads(read_line(process)))
            assert finish(process, signal.SIGTERM).code == 0
        finally:
            process.kill()
            process.communicate()


def read_line(process: subprocess.Popen[str], seconds: float = LIMIT_SECONDS) -> str:
    """The next line of standard output."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline() if readable else ""
    if not line:
        process.kill()
        _, err = process.communicate()
        raise AssertionError(f"no line within {seconds:.0f} s; standard error was: {err}")
    return line


def finish(process: subprocess.Popen[str], number: signal.Signals) -> Ended:
    """Send a signal, as Ctrl-C or a service manager does, and wait for the end."""
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT_SECONDS)
    return Ended(process.returncode, out, err)


def until(met: Any, what: str, seconds: float = 30.0) -> Any:
    """What `met` returns, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = met()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about within {seconds:.0f} s")

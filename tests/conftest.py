"""What every test stands on: no network but loopback, repeatable examples, no tracing, the shared folder."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Test modules may import `tests.…` (fixtures, builders), however pytest was started.
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

if (ROOT / "tests" / "fixtures_database.py").exists():
    pytest_plugins = ["tests.fixtures_database"]

for tracing in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"):
    os.environ[tracing] = "false"

settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", parent=settings.get_profile("ci"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


class NetworkRefusedError(RuntimeError):
    """A test tried to reach something that is not this machine."""


_refused: list[str] = []


def _is_here(host: object) -> bool:
    """Whether a host of a connection or a look-up is this machine."""
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in ("", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _watch_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: refuse connections, datagrams and name look-ups that leave this machine."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = host = arguments[0]
    else:
        return
    if not _is_here(host):
        _refused.append(f"{event} {address!r}")
        raise NetworkRefusedError(f"tests reach loopback only, but this one asked for {event} {address!r}")


sys.addaudithook(_watch_sockets)


def _watch_uvloop() -> None:
    """uvloop connects in C, past the audit events: its entry points are watched instead."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return

    def watched(name: str) -> None:
        original = getattr(uvloop.Loop, name)

        async def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
            if name == "sock_connect":
                _watch_sockets("socket.connect", arguments)
            else:
                host = options.get("host", arguments[1] if len(arguments) > 1 else None)
                _watch_sockets("socket.getaddrinfo", (host,))
            return await original(self, *arguments, **options)

        setattr(uvloop.Loop, name, guarded)

    for name in ("create_connection", "sock_connect"):
        watched(name)


_watch_uvloop()


@pytest.fixture(autouse=True)
def refused_connections() -> Iterator[list[str]]:
    """Fail a test that tried to leave this machine, even where the code under test swallowed the error."""
    _refused.clear()
    yield _refused
    if _refused:
        attempts = "; ".join(_refused)
        _refused.clear()
        pytest.fail(f"tests reach loopback only, but this one asked for: {attempts}", pytrace=False)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The checkout's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder `shared` beside the checkout (real market data, samples), or a skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder 'shared' with real market data does not lie beside this checkout")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that the quick ones fill the gaps at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)

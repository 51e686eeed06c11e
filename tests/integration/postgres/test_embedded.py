"""The embedded server: one per folder, whoever starts it, however its users end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from kokex.adapters.postgres import EmbeddedPostgres
from kokex.domain.errors import StoreUnavailableError

pytestmark = pytest.mark.slow

_USER = """
import sys
from kokex.adapters.postgres import EmbeddedPostgres

server = EmbeddedPostgres(sys.argv[1])
print(server.start(), flush=True)
sys.stdin.readline()
server.release()
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a cluster, its path as awkward as paths can be; the tests leave it stopped.

    Not below pytest's own folder: another session closes that to all but its user, the server's among them.
    """
    with TemporaryDirectory(prefix="kokex-tests-") as top:
        folder = Path(top) / "a $HOME, ü'\"`x` 计划 %41+" / "database"
        with EmbeddedPostgres(folder):
            pass
        yield folder
        EmbeddedPostgres(folder).stop()


def _start_user(folder: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until it reads a line."""
    return subprocess.Popen(
        [sys.executable, "-c", _USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _url(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def _end(user: subprocess.Popen[str]) -> None:
    user.communicate("\n", timeout=60)
    assert user.returncode == 0


def _server_process(folder: Path) -> int:
    return int((folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def _running(folder: Path) -> bool:
    return (folder / "cluster" / "postmaster.pid").exists()


def _ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        return row[0] if row else None


def test_data_outlives_the_server(folder: Path) -> None:
    """What one start wrote, the next one reads; in between nothing runs."""
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'ü 计划' AS word")
    assert not _running(folder)

    with EmbeddedPostgres(folder) as server:
        assert _ask(server.url, "SELECT word FROM kept") == "ü 计划"
    assert not _running(folder)


def test_settings_that_keep_money_safe(folder: Path) -> None:
    """Durable, small, and deaf to the network."""
    with EmbeddedPostgres(folder) as server:
        for name, value in (
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("autovacuum", "on"),
            ("jit", "off"),
            ("shared_buffers", "64MB"),
            ("max_connections", "60"),
            ("listen_addresses", ""),
            ("server_encoding", "UTF8"),
            ("data_checksums", "on"),
        ):
            assert _ask(server.url, f"SHOW {name}") == value
        socket_folder = Path(str(_ask(server.url, "SHOW unix_socket_directories")).strip('"'))
        assert socket_folder.stat().st_mode & 0o077 == 0
    assert not socket_folder.exists()


def test_shared_by_processes(folder: Path) -> None:
    """Started at once by two, it runs once; whoever leaves last stops it."""
    users = [_start_user(folder) for _ in range(2)]
    urls = {_url(user) for user in users}
    assert len(urls) == 1

    _end(users[0])
    assert _ask(urls.pop(), "SELECT 1") == 1
    _end(users[1])
    assert not _running(folder)


def test_starter_is_killed(folder: Path) -> None:
    """The server stays, the next user finds it running, and then it is the last one's to stop."""
    user = _start_user(folder)
    url = _url(user)
    process = _server_process(folder)
    user.kill()
    user.communicate()

    with EmbeddedPostgres(folder) as server:
        assert server.url == url
        assert _server_process(folder) == process
        assert _ask(server.url, "SELECT 1") == 1
    assert not _running(folder)


def test_server_is_killed(folder: Path) -> None:
    """The next start recovers what was committed."""
    with EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE committed AS SELECT 1 AS number")
        os.kill(_server_process(folder), signal.SIGKILL)

        with EmbeddedPostgres(folder) as second:
            assert _ask(second.url, "SELECT number FROM committed") == 1


def test_process_number_given_to_another_program(folder: Path) -> None:
    """A stale process file that names a living stranger keeps nothing from starting, and the stranger is left alone."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        lines = [str(stranger.pid), str(folder / "cluster"), "1700000000", "5432", "/tmp", "", "0 0", "ready"]
        (folder / "cluster" / "postmaster.pid").write_text("\n".join(lines) + "\n")

        EmbeddedPostgres(folder).stop()
        with EmbeddedPostgres(folder) as server:
            assert _ask(server.url, "SELECT 1") == 1

        assert stranger.poll() is None
        stranger.terminate()


def test_stop_ends_it_for_everyone(folder: Path) -> None:
    """Whoever uses it; a user's own release afterwards is harmless."""
    server = EmbeddedPostgres(folder)
    server.start()

    EmbeddedPostgres(folder).stop()

    assert not _running(folder)
    server.release()


def test_started_twice_by_one_user(folder: Path) -> None:
    """The second start is the first."""
    with EmbeddedPostgres(folder) as server:
        assert server.start() == server.url
    server.release()
    assert not _running(folder)


def test_setting_that_postgres_refuses(folder: Path) -> None:
    """The message says what its log says."""
    with pytest.raises(StoreUnavailableError, match="shared_buffers"):
        EmbeddedPostgres(folder, settings={"shared_buffers": "much"}).start()


def test_cluster_of_another_version(tmp_path: Path) -> None:
    """Named, with the installed one, rather than started."""
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")

    with pytest.raises(StoreUnavailableError, match=r"PostgreSQL 16, .* 18"):
        EmbeddedPostgres(tmp_path).start()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file is in its way."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailableError, match="file"):
        EmbeddedPostgres(tmp_path / "file" / "database").start()


def test_url_before_start(tmp_path: Path) -> None:
    """There is none, and nothing is made by asking."""
    with pytest.raises(StoreUnavailableError, match="not started"):
        _ = EmbeddedPostgres(tmp_path / "database").url

    assert list(tmp_path.iterdir()) == []

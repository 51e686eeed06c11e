"""A hub on this machine that speaks the file endpoints of the Hugging Face hub: HEAD and GET of /OWNER/NAME/resolve/REVISION/FILE."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "a" * 40


@dataclass
class Hub:
    """Serves `root/NAME/FILE`, whoever the owner is.

    Attributes:
        cut: connections that break after this many bytes of weights; None: none does.
        asked: method, path and range of every request.
    """

    root: Path
    url: str = ""
    cut: int | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def ranges(self) -> list[str]:
        """Ranges of weights that were asked for."""
        return [span for _, path, span in self.asked if span is not None and path.endswith(".safetensors")]


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """Serve until the end of the block."""
    hub = Hub(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            """Only what the file is."""
            self._answer(body=False)

        def do_GET(self) -> None:
            """The file, or the rest of it."""
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            span = self.headers.get("Range")
            hub.asked.append((self.command, self.path, span))
            words = self.path.strip("/").split("/")
            file = hub.root / words[1] / words[4] if len(words) == 5 else hub.root / "nothing"
            if not file.is_file():
                self._missing("EntryNotFound" if file.parent.is_dir() and len(words) == 5 else "RepoNotFound")
                return
            content = file.read_bytes()
            start = int(span.removeprefix("bytes=").partition("-")[0]) if span and body else 0
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if not body:
                return
            rest = content[start:]
            if hub.cut is not None and file.suffix == ".safetensors":
                self.wfile.write(rest[: hub.cut])
                self.close_connection = True
                return
            self.wfile.write(rest)

        def _missing(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

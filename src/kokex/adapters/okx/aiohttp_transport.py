"""HTTP through aiohttp. Nothing is followed, retried or remembered here.

In a module of its own because aiohttp is slow to import, and a command line that asks the database alone needs none of it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp
import yarl

from kokex.adapters.okx.http import HttpAnswer, NoAnswerError, NotSentError

_CONNECT_SECONDS = 5.0
_CONNECTIONS = 20


class AiohttpTransport:
    """`HttpTransport` over a pool of kept-alive connections, opened at the first request."""

    def __init__(self, base_url: str, *, user_agent: str, ssl_context: ssl.SSLContext | None) -> None:
        self._base_url = base_url
        self._user_agent = user_agent
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> HttpAnswer:
        """See `HttpTransport`. Redirects are not followed: they would carry keys to a host that nobody chose."""
        url = yarl.URL(self._base_url + path, encoded=True)  # the signature covers the path byte for byte
        limits = aiohttp.ClientTimeout(total=seconds, connect=min(seconds, _CONNECT_SECONDS))
        if self._closed:
            raise NotSentError(f"this connection to {self._base_url} is closed")
        fault: NotSentError | NoAnswerError
        try:
            async with self._pool().request(
                method, url, headers=headers, data=body, timeout=limits, allow_redirects=False
            ) as response:
                return HttpAnswer(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            fault = NotSentError(f"no connection to {self._base_url}: {error}")
        except TimeoutError:
            fault = NoAnswerError(f"no answer from {self._base_url} in {seconds:g} s")
        except (aiohttp.ClientError, OSError) as error:
            fault = NoAnswerError(f"the connection to {self._base_url} was cut ({type(error).__name__})")
        # Raised out here so that aiohttp's own error, which may hold the request's headers and so the keys, is let go.
        raise fault

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._ssl or True),
                headers={"User-Agent": self._user_agent},
            )
        return self._session

    async def close(self) -> None:
        """Release the connections, for good."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

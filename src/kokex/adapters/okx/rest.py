"""Signed REST calls: limited, timed, and repeated only where a repetition cannot do harm.

A read is repeated with back-off when the exchange is busy, limits us or cannot be reached. A write is repeated only after an
answer that proves that nothing was done. Everything that comes out of here is a row, or an error of the domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from urllib.parse import urlencode

import msgspec

from kokex.adapters.okx import routes
from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.errors import (
    EXPIRED_BEFORE_ARRIVAL,
    ErrorKind,
    Verdict,
    error_kind,
    exchange_error,
    verdict_for_read,
    verdict_for_write,
)
from kokex.adapters.okx.http import HttpAnswer, HttpTransport, NoAnswerError, NotSentError
from kokex.adapters.okx.parse.market import parse_server_time
from kokex.adapters.okx.parse.scalars import milliseconds
from kokex.adapters.okx.rate_limit import RateLimiter
from kokex.adapters.okx.routes import Route
from kokex.adapters.okx.server_clock import ServerClock
from kokex.adapters.okx.shared_reading import SharedReading
from kokex.adapters.okx.signing import rest_headers
from kokex.adapters.okx.wire import CommandItem, Envelope
from kokex.domain.account import Credentials
from kokex.domain.errors import (
    DataError,
    ExchangeError,
    ExchangeRejectedError,
    ExchangeUnavailableError,
    ExchangeUnknownError,
)
from kokex.ports.clock import Clock

ORDER_LIFETIME = timedelta(seconds=5)
"""How long a command may travel: the exchange refuses it afterwards (OKX v5: header `expTime`)."""

SENT_WITHIN = timedelta(seconds=10)
"""A command that expires leaves within this time after it was asked for, or never: silence about it proves something then."""

_READ_SECONDS = 10.0
_WRITE_SECONDS = 6.0
_READ_ATTEMPTS = 6
_WRITE_ATTEMPTS = 4
_BACKOFF = Backoff(base=0.25, cap=5.0)

_envelope = msgspec.json.Decoder(Envelope)
_rows = msgspec.json.Decoder(list[msgspec.Raw] | None)
_items = msgspec.json.Decoder(list[CommandItem] | None)


class OKXRestClient:
    """REST of one account, or of nobody (`credentials` None: public routes only).

    Args:
        owner: names the account in the rate limiter, which accounts share.
        demo: send the header that OKX tells demo from live by.
        shared: with the other clients of the host.
    """

    def __init__(
        self,
        transport: HttpTransport,
        credentials: Credentials | None,
        *,
        clock: Clock,
        limiter: RateLimiter,
        owner: str,
        demo: bool,
        random: Random,
        shared: SharedReading | None = None,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._limiter = limiter
        self._owner = owner
        self._demo = demo
        self._random = random
        shared = shared or SharedReading()
        self._shared = shared.rows
        self.server_clock = ServerClock(clock, self.server_time, shared.offset)

    async def server_time(self) -> datetime:
        """The exchange's clock, asked for now."""
        return parse_server_time(await self.read_row(routes.SERVER_TIME, {}))

    async def read(
        self, route: Route, parameters: Mapping[str, str], *, scope: str = ""
    ) -> list[msgspec.Raw]:
        """The rows that `route` answers with. `scope` is what its limit counts for (an instrument), if not all.

        Raises:
            ExchangeUnavailableError: still busy or out of reach after several attempts.
            ExchangeRejectedError: the exchange refuses this query.
            ExchangeStoppedError: keys, permissions or account.
            DataError: an answer that cannot be read.
        """
        query = urlencode(parameters)
        path = f"{route.path}?{query}" if query else route.path
        if not route.signed:
            return await self._shared.get(path, partial(self._read, route, path, scope))
        await self.server_clock.ready()
        return await self._read(route, path, scope)

    async def _read(self, route: Route, path: str, scope: str) -> list[msgspec.Raw]:
        clock_mended = False
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                return await self._read_once(route, path, scope)
            except ExchangeUnavailableError as error:
                off = error_kind(error.code or "") is ErrorKind.CLOCK
                if attempt == _READ_ATTEMPTS or (off and clock_mended):
                    raise self._final(error, f"{route.method} {route.path}") from None
                if off:
                    clock_mended = True
                    await self.server_clock.learn()
                else:
                    await self._back_off(error, route, scope, attempt)
        raise AssertionError("the last attempt returns or raises")

    async def read_row(self, route: Route, parameters: Mapping[str, str]) -> msgspec.Raw:
        """The one row that `route` always answers with. Raises as `read` does."""
        rows = await self.read(route, parameters)
        if not rows:
            raise DataError(f"GET {route.path} answered without the row that it always has")
        return rows[0]

    async def write(
        self,
        route: Route,
        body: Mapping[str, object] | Sequence[Mapping[str, object]],
        *,
        scope: str,
        expires: bool = False,
    ) -> CommandItem:
        """Send one command and return the item that accepted it.

        Args:
            expires: let the exchange refuse it when it arrives later than `ORDER_LIFETIME`.

        Raises:
            ExchangeRejectedError: refused; nothing was done.
            ExchangeUnavailableError: never taken (limited, unreachable), in several attempts; nothing was done.
            ExchangeUnknownError: no word of what became of it.
            ExchangeStoppedError: keys, permissions or account; nothing was done.
        """
        content = msgspec.json.encode(body)
        latest = self._clock.monotonic() + SENT_WITHIN.total_seconds() if expires else None
        await self.server_clock.ready()
        clock_mended = False
        for attempt in range(1, _WRITE_ATTEMPTS + 1):
            try:
                return await self._write_once(route, content, scope, latest)
            except (ExchangeUnavailableError, ExchangeRejectedError) as error:
                off = error.code == EXPIRED_BEFORE_ARRIVAL or error_kind(error.code or "") is ErrorKind.CLOCK
                if off and not clock_mended:
                    clock_mended = True
                    await self.server_clock.learn()
                elif off or isinstance(error, ExchangeRejectedError) or attempt == _WRITE_ATTEMPTS:
                    raise self._final(error, f"{route.method} {route.path}") from None
                else:
                    await self._back_off(error, route, scope, attempt)
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Release the connections."""
        await self._transport.close()

    async def _read_once(self, route: Route, path: str, scope: str) -> list[msgspec.Raw]:
        try:
            answer = await self._send(route, path, None, scope)
        except (NotSentError, NoAnswerError) as error:
            raise ExchangeUnavailableError(f"GET {route.path}: {error}") from None
        envelope = _read_envelope(answer)
        what = f"GET {route.path}"
        if envelope is None:
            busy = answer.status >= 500 or answer.status in (200, 429)
            raise exchange_error(
                Verdict.RETRY if busy else Verdict.REJECTED, f"HTTP {answer.status}", "", what
            )
        code = str(envelope.code)
        if code != "0":
            raise exchange_error(
                verdict_for_read(code, answer.status), code, self._masked(envelope.msg), what
            )
        try:
            return _rows.decode(envelope.data) or []
        except msgspec.MsgspecError as error:
            raise DataError(f"{what} answered with rows that cannot be read: {error}") from error

    async def _write_once(
        self, route: Route, content: bytes, scope: str, latest: float | None
    ) -> CommandItem:
        what = f"POST {route.path}"
        try:
            answer = await self._send(route, route.path, content, scope, latest=latest)
        except NotSentError as error:
            raise ExchangeUnavailableError(f"{what}: {error}") from None
        except NoAnswerError as error:
            raise ExchangeUnknownError(f"{what}: {error}") from None
        envelope = _read_envelope(answer)
        if envelope is None:
            if answer.status == 429:
                raise exchange_error(Verdict.RETRY, "HTTP 429", "", what)
            raise exchange_error(Verdict.UNKNOWN, f"HTTP {answer.status}", "", what)
        item = _read_item(envelope)
        if item is not None and str(item.sCode) == "0":
            return item
        # Where the item speaks it decides; the envelope's own code stands for the request as a whole.
        code = str(envelope.code) if item is None else str(item.sCode)
        message = envelope.msg if item is None else item.sMsg
        if item is not None and item.subCode:
            message = f"{message} ({item.subCode})"
        verdict = verdict_for_write(code, of_item=item is not None)
        raise exchange_error(verdict, code, self._masked(message), what)

    async def _send(
        self, route: Route, path: str, content: bytes | None, scope: str, *, latest: float | None = None
    ) -> HttpAnswer:
        await self._limiter.acquire(self._limit_key(route, scope), route.budget)
        if latest is not None and self._clock.monotonic() > latest:
            raise NotSentError("too late to be sent; ask again")
        headers = {"Content-Type": "application/json"}
        if self._demo:
            headers["x-simulated-trading"] = "1"
        if route.signed:
            if self._credentials is None:
                raise AssertionError(f"{route.path} needs an account's keys")
            now = self.server_clock.now()
            text = content.decode() if content else ""
            headers |= rest_headers(self._credentials, now, route.method, path, text)
            if latest is not None:
                headers["expTime"] = str(milliseconds(now + ORDER_LIFETIME))
        seconds = _READ_SECONDS if content is None else _WRITE_SECONDS
        return await self._transport.request(
            route.method, path, headers=headers, body=content, seconds=seconds
        )

    async def _back_off(self, error: ExchangeError, route: Route, scope: str, attempt: int) -> None:
        delay = _BACKOFF.delay(attempt, self._random)
        if error_kind(error.code or "") is ErrorKind.RATE_LIMITED or error.code == "HTTP 429":
            self._limiter.hold(self._limit_key(route, scope), delay)
        await self._clock.sleep(delay)

    def _limit_key(self, route: Route, scope: str) -> tuple[str, str, str, str]:
        return (self._owner if route.signed else "", route.method, route.path, scope)

    def _final(self, error: ExchangeError, what: str) -> ExchangeError:
        """`error` when there will be no further attempt, with the advice on clocks where learning the time did not help.

        Never for good: an exchange whose servers disagree about the time comes to agree again.
        """
        if error_kind(error.code or "") is ErrorKind.CLOCK:
            return exchange_error(Verdict.RETRY, error.code or "", "", what)
        return error

    def _masked(self, text: str | None) -> str:
        """`text` of the exchange without keys that it may repeat."""
        shown = text or ""
        if self._credentials is not None:
            for secret in (
                self._credentials.api_key,
                self._credentials.secret,
                self._credentials.passphrase,
            ):
                if secret:
                    shown = shown.replace(secret, "***")
        return shown


def _read_envelope(answer: HttpAnswer) -> Envelope | None:
    """The envelope, or None for a body that is none (a gateway's page)."""
    try:
        return _envelope.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _read_item(envelope: Envelope) -> CommandItem | None:
    """What the answer says of the one command that was sent; None where it says nothing of it."""
    try:
        items = _items.decode(envelope.data) or []
    except msgspec.MsgspecError:
        return None
    return items[0] if len(items) == 1 and items[0].sCode != "" else None

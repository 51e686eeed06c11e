"""Logging in on a private WebSocket, and telling the ways in which it can be refused apart."""

from __future__ import annotations

from typing import NoReturn

import msgspec

from kokex.adapters.okx.errors import ErrorKind, Verdict, error_kind, exchange_error
from kokex.adapters.okx.server_clock import ServerClock
from kokex.adapters.okx.signing import login_argument
from kokex.adapters.okx.websocket import ConnectionLostError
from kokex.adapters.okx.wire import Frame
from kokex.domain.account import Credentials

_REFUSALS_IN_A_ROW = 5
"""Of kinds that may pass."""
_REFUSED_KEYS_IN_A_ROW = 2
"""Once, keys are refused by mistake: by a gateway that has not heard of them, or in the middle of a restart."""

_LOGGED_IN_ALREADY = "60031"
_MAY_PASS = frozenset({"60009"})
"""A failure without a reason: it may pass, or the keys may be wrong."""
_CLOCK_CODES = frozenset({"60004", "60006"})


class Login:
    """Logs one account in; counts refusals over connections, so that it can give up."""

    def __init__(self, credentials: Credentials, server_clock: ServerClock) -> None:
        self._credentials = credentials
        self._server_clock = server_clock
        self._refusals = 0
        self._refused_keys = 0
        self._clock_doubted = False

    async def prepare(self) -> None:
        """Know the exchange's time before it is signed: a login 30 s off is refused.

        Raises:
            ExchangeError: the exchange does not tell its time.
        """
        if self._clock_doubted:
            await self._server_clock.learn()
            self._clock_doubted = False
        else:
            await self._server_clock.ready()

    def request(self) -> bytes:
        """The login frame of this moment."""
        argument = login_argument(self._credentials, self._server_clock.now())
        return msgspec.json.encode({"op": "login", "args": [argument]})

    def judge(self, reply: Frame) -> None:
        """Return when `reply` lets us in.

        Raises:
            ConnectionLostError: not this time; connect anew and try again.
            ExchangeStoppedError: the keys are wrong (refused twice), or it was refused too often in a row.
        """
        code = str(reply.code)
        if (reply.event == "login" and code == "0") or code == _LOGGED_IN_ALREADY:
            self._refusals = 0
            self._refused_keys = 0
            return
        if error_kind(code) in (ErrorKind.RATE_LIMITED, ErrorKind.BUSY):
            raise ConnectionLostError(f"OKX answered the login with {code}: it has no room for it now")
        if code in _CLOCK_CODES:
            self._clock_doubted = True
            self.refuse(code)
        if code in _MAY_PASS or error_kind(code) is not ErrorKind.STOPPED:
            self.refuse(code)
        self._refused_keys += 1
        if self._refused_keys < _REFUSED_KEYS_IN_A_ROW:
            raise ConnectionLostError(f"OKX answered the login with {code}; asking once more")
        raise exchange_error(Verdict.STOP, code, "", "the login")

    def refuse(self, code: str) -> NoReturn:
        """Count a refusal that may pass.

        Raises:
            ConnectionLostError: try again.
            ExchangeStoppedError: that was one too many.
        """
        self._refusals += 1
        if self._refusals >= _REFUSALS_IN_A_ROW:
            raise exchange_error(Verdict.STOP, code, f"{self._refusals} times in a row", "the login")
        raise ConnectionLostError(f"OKX answered the login with {code}")

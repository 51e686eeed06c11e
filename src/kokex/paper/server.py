"""The paper exchange as a server on loopback."""

from __future__ import annotations

import asyncio
import errno
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from kokex.domain.errors import ConfigurationError
from kokex.paper.admin import PREFIX as ADMIN_PREFIX
from kokex.paper.admin import AdminFace
from kokex.paper.certificate import ensure_certificate, server_context
from kokex.paper.clock import MarketClock
from kokex.paper.config import PaperConfig
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.faults import FaultPlan, FaultRecord, Faults
from kokex.paper.faults.answers import AnswerFaults
from kokex.paper.faults.orders import OrderFaults
from kokex.paper.gateway.limits import RateLimiter
from kokex.paper.gateway.timers import CancelTimers
from kokex.paper.rest.face import PREFIX as REST_PREFIX
from kokex.paper.rest.face import RestFace
from kokex.paper.websocket.face import WebSocketFace
from kokex.paper.websocket.hub import Hub
from kokex.paper.websocket.operations import Operations
from kokex.paper.websocket.publisher import Publisher

_SLICE_TICKS = 200
"""Ticks that are computed before clients get a turn."""
_LONGEST_WAIT_S = 0.05
_SHORTEST_WAIT_S = 0.005
_SWEEP_S = 0.5


class PaperServer:
    """Runs a paper exchange inside the caller's event loop.

    Args:
        faults: what shall go wrong, from the start.
        fault_record: file to which armed faults and strikes are appended as JSON lines.

    Example:
        async with PaperServer(PaperConfig(speed=3600)) as server:
            print(server.rest_url, server.ws_url)
    """

    def __init__(
        self, config: PaperConfig, *, faults: FaultPlan | None = None, fault_record: Path | None = None
    ) -> None:
        self.config = config
        self.exchange = PaperExchange(config)
        self.clock = MarketClock(
            self.exchange.now_ms, speed=config.speed, paused=config.paused, wall=time.monotonic
        )
        self.faults = Faults(
            faults,
            market_ms=lambda: self.exchange.now_ms,
            api_key_of=self._api_key_of,
            record=FaultRecord(fault_record),
        )
        answers, orders = AnswerFaults(self.faults, self.exchange), OrderFaults(self.faults)
        self.exchange.desk.submit_to_market = orders.submit
        self.exchange.desk.amend_in_market = orders.amend
        self.hub = Hub()
        self.publisher = Publisher(self.exchange, self.hub, orders)
        limiter = RateLimiter(enabled=config.rate_limits)
        self.timers = CancelTimers()
        self._rest = RestFace(self.exchange, self.publisher, limiter, self.timers, answers)
        operations = Operations(self.exchange, self.publisher, limiter, self.faults)
        self._sockets = WebSocketFace(self.exchange, self.publisher, operations, answers)
        self._admin = AdminFace(self.exchange, self.clock, self.publisher, self._sockets, self.faults)
        self._runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self.port = config.port
        """TCP port, known once the server has started."""

    @property
    def rest_url(self) -> str:
        """Base of REST paths, such as http://127.0.0.1:8080."""
        return f"http{self._secure}://{self.config.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base of WebSocket paths; append /ws/v5/public, /ws/v5/private or /ws/v5/business."""
        return f"ws{self._secure}://{self.config.host}:{self.port}"

    @property
    def certificate(self) -> Path | None:
        """The certificate that clients must trust, None without TLS."""
        return None if self.config.tls_dir is None else ensure_certificate(self.config.tls_dir)

    def push_private(self, account: str, channel: str, payload: bytes) -> int:
        """Send `payload`, one JSON item of `data`, to an account's listeners (for benchmarks).

        Args:
            account: uid or API key.
            channel: orders, account, positions or balance_and_position.
            payload: the item as JSON; the server wraps it with each subscription's `arg`.

        Returns:
            How many connections it went to.
        """
        found = self.exchange.find_account(account)
        return 0 if found is None else self.hub.push_private(found.uid, channel, payload)

    async def wait_for_listeners(self, account: str, *channels: str) -> None:
        """Return once a client listens to every one of an account's private `channels` (for tests and benchmarks).

        Raises:
            ConfigurationError: there is no such account.
        """
        found = self.exchange.find_account(account)
        if found is None:
            raise ConfigurationError(f"account {account!r} does not exist")
        await self.hub.wait_for_listeners(found.uid, channels)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await self._listen()
        except BaseException:
            await self._runner.cleanup()
            self._close()
            raise
        self.clock.hold_at(self.exchange.now_ms)
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._running = [self._tasks.create_task(self._run_market()), self._tasks.create_task(self._sweep())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for task in self._running:
                task.cancel()
            if self._tasks is not None:
                await self._tasks.__aexit__(kind, error, trace)
        finally:
            for connection in list(self.hub.connections):
                connection.close(1001, "The paper exchange is shutting down")
            await self._runner.cleanup()
            self._close()

    def _close(self) -> None:
        self.faults.record.close()
        self.exchange.close()

    def _api_key_of(self, uid: str) -> str:
        account = self.exchange.accounts.get(uid)
        return account.config.api_key if account is not None else ""

    async def _listen(self) -> None:
        config = self.config
        context = server_context(config.tls_dir) if config.tls_dir is not None else None
        site = web.TCPSite(self._runner, config.host, config.port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigurationError(
                    f"port {config.port} on {config.host} is in use; stop what uses it or choose another port"
                ) from error
            raise ConfigurationError(
                f"cannot listen on {config.host}:{config.port}: {error.strerror or error}"
            ) from error
        address = self._runner.addresses[0]
        self.port = int(address[1])

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=4 * 1024 * 1024)
        router = application.router
        router.add_route("*", REST_PREFIX + "{path:.*}", self._rest.handle)
        router.add_route("*", ADMIN_PREFIX + "{path:.*}", self._admin.handle)
        for path in ("public", "private", "business"):
            router.add_get(f"/ws/v5/{path}", self._sockets.handle)
        return application

    async def _run_market(self) -> None:
        """Keep market time up with wall time; where that fails, market time lags and nothing is skipped."""
        exchange = self.exchange
        while True:
            if not self.clock.paused:
                done = exchange.advance(self.clock.target_ms(), most_ticks=_SLICE_TICKS)
                if not done:
                    self.clock.hold_at(exchange.now_ms)
            self.timers.fire(exchange, int(time.time() * 1000))
            self.publisher.flush()
            await asyncio.sleep(self._wait_s())

    def _wait_s(self) -> float:
        if self.clock.paused:
            return _LONGEST_WAIT_S
        wait = self.clock.wait_s(self.exchange.feed.next_at_ms)
        return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, wait))

    async def _sweep(self) -> None:
        while True:
            self._sockets.sweep()
            if not self.clock.paused:
                self.publisher.push_regular(self.config.private_push_interval_s)
            await asyncio.sleep(_SWEEP_S)

    @property
    def _secure(self) -> str:
        return "s" if self.config.tls_dir is not None else ""

"""`OKXAdapter`: makes connections to OKX: live, demo, or our own paper exchange."""

from __future__ import annotations

import ssl
from random import Random

from kokex.adapters.okx.account_ws import OKXAccountWebSocket
from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.configuration import (
    USER_AGENT,
    check_endpoints,
    sends_demo_header,
    ssl_context,
)
from kokex.adapters.okx.connection_queue import ConnectionQueue, Rank
from kokex.adapters.okx.connection_setting import ConnectionPolicy, ConnectionSetting
from kokex.adapters.okx.exchange import OKXExchange
from kokex.adapters.okx.market_ws import OKXMarketWebSocket
from kokex.adapters.okx.rate_limit import Budget, RateLimiter
from kokex.adapters.okx.rest import OKXRestClient
from kokex.adapters.okx.shared_reading import SharedReading
from kokex.domain.account import Credentials, Endpoints, Environment, ExchangeAccount
from kokex.ports.clock import Clock
from kokex.ports.exchange import AccountStreamListener, MarketStreamListener

_REMOTE = ConnectionPolicy(connects=Budget(3, 1.0))
"""OKX v5: three new connections a second for an IP address."""
_LOCAL = ConnectionPolicy(backoff=Backoff(base=0.05, cap=0.5), steady_seconds=0.5, linger_seconds=0.1)
"""A server on this computer may be knocked at more often."""


class OKXAdapter:
    """See `kokex.ports.exchange.ExchangeAdapter`. One for the process: its connections share rate limits and what all may know."""

    def __init__(self, clock: Clock, random: Random | None = None) -> None:
        self._clock = clock
        self._random = random or Random()
        self._limiter = RateLimiter(clock)
        self._queue = ConnectionQueue(clock)
        self._shared: dict[tuple[str, bool], SharedReading] = {}
        self._trust: dict[Endpoints, ssl.SSLContext | None] = {}

    def exchange(self, account: ExchangeAccount, credentials: Credentials) -> OKXExchange:
        """Commands and queries on `account`."""
        return OKXExchange(self._rest(account, credentials), self._clock)

    def account_stream(
        self, account: ExchangeAccount, credentials: Credentials, listener: AccountStreamListener
    ) -> OKXAccountWebSocket:
        """The account's private stream."""
        private = self._setting(account, account.endpoints.private_url, Rank.ORDERS)
        business = self._setting(account, account.endpoints.business_url, Rank.STOPS)
        return OKXAccountWebSocket(private, business, credentials, listener, self._rest(account, credentials))

    def market_stream(self, account: ExchangeAccount, listener: MarketStreamListener) -> OKXMarketWebSocket:
        """The public stream of the account's environment."""
        return OKXMarketWebSocket(
            self._setting(account, account.endpoints.public_url, Rank.MARKET),
            self._setting(account, account.endpoints.business_url, Rank.MARKET),
            listener,
        )

    def _rest(self, account: ExchangeAccount, credentials: Credentials) -> OKXRestClient:
        # Imported where it is first needed: see the module.
        from kokex.adapters.okx.aiohttp_transport import AiohttpTransport  # noqa: PLC0415

        check_endpoints(account.environment, account.endpoints)
        transport = AiohttpTransport(
            account.endpoints.rest_url,
            user_agent=USER_AGENT,
            ssl_context=self._trusted(account.endpoints),
        )
        demo = sends_demo_header(account.environment)
        return OKXRestClient(
            transport,
            credentials,
            clock=self._clock,
            limiter=self._limiter,
            owner=account.connection_key,
            demo=demo,
            random=self._random,
            shared=self._shared.setdefault((account.endpoints.rest_url, demo), SharedReading()),
        )

    def _setting(self, account: ExchangeAccount, url: str, rank: Rank) -> ConnectionSetting:
        check_endpoints(account.environment, account.endpoints)
        policy = _LOCAL if account.environment is Environment.PAPER else _REMOTE
        return ConnectionSetting(
            url, self._trusted(account.endpoints), self._clock, self._random, policy, self._queue, rank
        )

    def _trusted(self, endpoints: Endpoints) -> ssl.SSLContext | None:
        if endpoints not in self._trust:
            self._trust[endpoints] = ssl_context(endpoints)
        return self._trust[endpoints]

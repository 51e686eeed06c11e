"""A paper exchange: a real server on loopback that speaks OKX v5 well enough for clients that never heard of it.

    async with PaperServer(PaperConfig(speed=14400, candles={"ETH-USDT": path})) as server:
        server.rest_url, server.ws_url, server.exchange

Rooms
    market      candle files and a seeded synthetic market, expanded into ticks that draw each candle exactly
    matching    price-time priority among outside liquidity; whole ticks and lots
    ledger      cash, holds, positions, margin, fees; a bill for every change, never rounded
    exchange    the exchange without any wire: accounts, commands, records, state on disk
    gateway     signatures, clock checks, rate limits, faults: what lives on wall-clock time
    wire        payloads as OKX writes them
    rest, websocket, admin   the three faces of the server

Two clocks. The gateway (signatures, `public/time`, inTime and outTime, expTime, rate limits, the 30 s idle rule, the
two hours after which unfilled cancels vanish) runs on wall-clock time. Everything in the market (candles, order and
fill times, trades) runs on market time, `speed` times as fast, from a start that the config names. Ticks in a candle
are counted from the config alone; a machine that is too slow makes market time lag, and never skips a tick. With
`paused=True` market time moves only when the admin face steps it, and the same commands give the same run to the byte.

Faithful: envelopes, error codes, paging, channel placement, login, connection rules; spot and linear perpetuals;
limit, market, post_only, fok, ioc and optimal_limit_ioc orders; partial fills by queue position and level size;
amendments, self-trade prevention, price bands, reduce-only, margin checks; fees in the received currency, unrounded;
no snapshot on `orders`; `avgPx` "0" on the socket and "" over REST; accepted is not done.

Not there: algo orders, options, futures and inverse contracts, spot margin, funding payments (a constant rate is
shown), position tiers and partial liquidation, adl, fee tiers, the fills channel, spread and block trading. Trades
that clients cause show in `trades`, but candles and volumes are the market's own, so that a candle file comes out of
the exchange exactly as it went in. Market data is never stale and the index is the last price. Where OKX's behaviour
is unknown, the module that decides says so.
"""

from __future__ import annotations

from kokex.paper.config import AccountConfig, FeeRates, PaperConfig
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.server import PaperServer

__all__ = ["AccountConfig", "FeeRates", "PaperConfig", "PaperExchange", "PaperServer"]

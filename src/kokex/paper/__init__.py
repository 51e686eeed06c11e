"""A paper exchange: a real server on loopback that speaks OKX v5 well enough for clients that never heard of it.

    async with PaperServer(PaperConfig(speed=14400, candles={"ETH-USDT": path})) as server:
        server.rest_url, server.ws_url, server.exchange

Rooms
    market      candle files and a seeded synthetic market, expanded into ticks that draw each candle exactly
    matching    price-time priority among outside liquidity; whole ticks and lots
    ledger      cash, holds, positions, margin, fees, funding; a bill for every change, never rounded
    algo        stops, triggers, trailing stops and slices: they wait, hold nothing, and become orders
    exchange    the exchange without any wire: accounts, commands, records, state on disk
    gateway     signatures, clock checks, rate limits: what lives on wall-clock time
    faults      what goes wrong on demand, seeded and recorded; the exchange's own record stays right
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
no snapshot on `orders`; `avgPx` "0" on the socket and "" over REST; accepted is not done; stops (conditional, oco,
trigger, trailing, attached, whole positions), twap and icebergs; net and long/short positions, cross and isolated;
funding every eight hours of market time at a constant rate; the causes of balance changes; a warning before a
liquidation; the fills channel for accounts of a high fee tier.

Not there: options, futures and inverse contracts, spot margin, position tiers and partial liquidation, adl, fees that
depend on the tier, chase orders, split take-profits and take-profit limit orders, trigger ratios, spread and block
trading. Trades that clients cause show in `trades`, but candles and volumes are the market's own, so that a candle
file comes out of the exchange exactly as it went in; triggers watch the same prices. An instrument has one price: it
is last and mark; the index is the last price of its spot pair. Market data is never stale unless a fault makes it so.
Where OKX's behaviour is unknown, the module that decides says so.
"""

from __future__ import annotations

from kokex.paper.config import AccountConfig, FeeRates, PaperConfig
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.server import PaperServer

__all__ = ["AccountConfig", "FeeRates", "PaperConfig", "PaperExchange", "PaperServer"]

"""Market data and instruments on the wire."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.paper.decimals import text
from kokex.paper.exchange.notices import TradeNotice
from kokex.paper.instruments import Instrument
from kokex.paper.market.candle import Candle
from kokex.paper.market.history import CandleHistory, merge
from kokex.paper.market.interval import DAY_MS, HOUR_MS
from kokex.paper.matching.book import OrderBook
from kokex.paper.matching.funding import INTERVAL_MS as FUNDING_INTERVAL_MS


def instrument_row(item: Instrument) -> dict[str, Any]:
    """`public/instruments`; contract fields are empty for spot."""
    swap = item.is_swap
    largest = text(item.max_limit_size)
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": "" if swap else item.base,
        "category": "1",
        "contTdSwTime": "",
        "ctMult": "1" if swap else "",
        "ctType": "linear" if swap else "",
        "ctVal": text(item.contract_value) if swap else "",
        "ctValCcy": item.base if swap else "",
        "expTime": "",
        "floatPxLmtPct": "0.05",
        "futureSettlement": False,
        "groupId": item.group_id,
        "initPxLmtPct": "0.05",
        "instFamily": item.family,
        "instId": item.inst_id,
        "instIdCode": item.code,
        "instType": item.inst_type,
        "lever": str(item.max_leverage) if swap else "",
        "listTime": str(item.list_time_ms),
        "lotSz": text(item.lot),
        "maxIcebergSz": largest,
        "maxLmtAmt": "20000000",
        "maxLmtSz": largest,
        "maxMktAmt": "" if swap else "1000000",
        "maxMktSz": text(item.max_market_size),
        "maxPlatOILmt": "",
        "maxPxLmtPct": "0.05",
        "maxStopSz": text(item.max_market_size),
        "maxTriggerSz": largest,
        "maxTwapSz": largest,
        "minSz": text(item.min_size),
        "openType": "",
        "optType": "",
        "posLmtAmt": "",
        "posLmtPct": "",
        "preMktSwTime": "",
        "quoteCcy": "" if swap else item.quote,
        "ruleType": "normal",
        "settleCcy": item.quote if swap else "",
        "state": "live",
        "stk": "",
        "tickSz": text(item.tick),
        "tradeQuoteCcyList": [] if swap else [item.quote],
        "uly": item.family,
        "upcChg": [],
    }


def candle_row(item: Instrument, candle: Candle, *, closed: bool) -> list[str]:
    """ts, o, h, l, c, vol, volCcy, volCcyQuote, confirm.

    OKX v5: spot vol is base and volCcy quote; a contract's vol is contracts and volCcy base.
    """
    amount = text(candle.amount)
    return [
        str(candle.start_ms),
        text(item.price(candle.open)),
        text(item.price(candle.high)),
        text(item.price(candle.low)),
        text(item.price(candle.close)),
        text(item.size(candle.volume)),
        text(item.lot_value * candle.volume) if item.is_swap else amount,
        amount,
        "1" if closed else "0",
    ]


def trade_row(trade: TradeNotice) -> dict[str, Any]:
    """`market/trades`."""
    item = trade.instrument
    return {
        "instId": item.inst_id,
        "side": "buy" if trade.buy else "sell",
        "sz": text(item.size(trade.lots)),
        "px": text(item.price(trade.ticks)),
        "tradeId": str(trade.trade_id),
        "source": "0",
        "ts": str(trade.at_ms),
    }


def trade_push(trade: TradeNotice) -> dict[str, Any]:
    """One item of the trades channel."""
    return {**trade_row(trade), "count": "1", "seqId": trade.trade_id}


def ticker_row(
    history: CandleHistory, book: OrderBook, last: TradeNotice | None, now_ms: int
) -> dict[str, Any]:
    """`market/ticker`: the day's statistics count whole base candles that opened in the last 24 hours."""
    item = history.instrument
    day = merge(0, history.between(now_ms - DAY_MS + 1, now_ms + 1)) or history.last
    newest = history.last
    asks, bids = book.depth(ask=True, limit=1), book.depth(ask=False, limit=1)
    price = "" if newest is None else text(item.price(newest.close))
    volume = "0" if day is None else text(item.size(day.volume))
    return {
        "instType": item.inst_type,
        "instId": item.inst_id,
        "last": price,
        "lastSz": "0" if last is None else text(item.size(last.lots)),
        "askPx": text(item.price(asks[0][0])) if asks else "",
        "askSz": text(item.size(asks[0][1])) if asks else "",
        "bidPx": text(item.price(bids[0][0])) if bids else "",
        "bidSz": text(item.size(bids[0][1])) if bids else "",
        "open24h": "" if day is None else text(item.price(day.open)),
        "high24h": "" if day is None else text(item.price(day.high)),
        "low24h": "" if day is None else text(item.price(day.low)),
        "volCcy24h": "0" if day is None else _turnover(item, day),
        "vol24h": volume,
        "sodUtc0": _day_open(history, now_ms, 0),
        "sodUtc8": _day_open(history, now_ms, 8 * HOUR_MS),
        "ts": str(now_ms),
    }


def _turnover(item: Instrument, day: Candle) -> str:
    return text(item.lot_value * day.volume) if item.is_swap else text(day.amount)


def _day_open(history: CandleHistory, now_ms: int, shift_ms: int) -> str:
    start_ms = (now_ms + shift_ms) // DAY_MS * DAY_MS - shift_ms
    today = history.between(start_ms, now_ms + 1)
    return text(history.instrument.price(today[0].open)) if today else ""


Levels = list[list[str]]


def depth_rows(book: OrderBook, *, ask: bool, limit: int) -> Levels:
    """Levels as [price, size, "0", number of orders], best first."""
    item = book.instrument
    return [
        [text(item.price(ticks)), text(item.size(lots)), "0", str(orders)]
        for ticks, lots, orders in book.depth(ask=ask, limit=limit)
    ]


def mark_row(item: Instrument, mark: Decimal, now_ms: int) -> dict[str, str]:
    """`public/mark-price`."""
    return {"instType": item.inst_type, "instId": item.inst_id, "markPx": text(mark), "ts": str(now_ms)}


def funding_row(item: Instrument, now_ms: int, rate: Decimal) -> dict[str, str]:
    """`public/funding-rate`: a constant rate."""
    next_ms = (now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
    return {
        "formulaType": "withRate",
        "fundingRate": text(rate),
        "fundingTime": str(next_ms),
        "impactValue": "",
        "instId": item.inst_id,
        "instType": item.inst_type,
        "interestRate": text(rate),
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(next_ms + FUNDING_INTERVAL_MS),
        "premium": "0",
        "prevFundingTime": str(next_ms - FUNDING_INTERVAL_MS),
        "settFundingRate": text(rate),
        "settState": "settled",
        "ts": str(now_ms),
    }

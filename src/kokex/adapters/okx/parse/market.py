"""Public data: the exchange's clock, instruments, tickers, candles, trades, order books and funding."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from kokex.adapters.okx import wire
from kokex.adapters.okx.parse.scalars import Payload, guarded, known, moment, number, price
from kokex.domain.account import Ticker
from kokex.domain.candle import Candle
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.market import BookLevel, BookTop, FundingRate, MarkPrice, OrderBook, Trade

_instrument_decoder = msgspec.json.Decoder(wire.InstrumentRow)
_ticker_decoder = msgspec.json.Decoder(wire.TickerRow)
_candle_decoder = msgspec.json.Decoder(wire.CandleRow)
_trade_decoder = msgspec.json.Decoder(wire.TradeRow)
_top_decoder = msgspec.json.Decoder(wire.BookTopRow)
_mark_decoder = msgspec.json.Decoder(wire.MarkPriceRow)
_funding_decoder = msgspec.json.Decoder(wire.FundingRow)
_time_decoder = msgspec.json.Decoder(wire.ServerTime)


@guarded
def parse_server_time(payload: Payload) -> datetime:
    """`{"ts":"1597026383085"}`."""
    return moment(_time_decoder.decode(payload).ts)


@guarded
def parse_instrument(payload: Payload) -> Instrument | None:
    """One row of `public/instruments`; None for what KOKEX does not trade, or a listing without its steps yet."""
    row = _instrument_decoder.decode(payload)
    if not (row.tick_sz and row.lot_sz and row.min_sz):
        return None
    if row.inst_type == "SPOT":
        return _spot(row)
    return _swap(row) if row.inst_type == "SWAP" and row.ct_type == "linear" and row.ct_val else None


def _spot(row: wire.InstrumentRow) -> Instrument:
    # OKX v5: `maxMktSz` of spot is in USDT, which is no quantity of ours.
    return Instrument(
        inst_id=row.inst_id,
        kind=InstrumentKind.SPOT,
        base_currency=row.base_ccy or row.inst_id.split("-")[0],
        quote_currency=row.quote_ccy or row.inst_id.split("-")[1],
        settle_currency=row.quote_ccy or row.inst_id.split("-")[1],
        tick_size=number(row.tick_sz),
        lot_size=number(row.lot_sz),
        min_quantity=number(row.min_sz),
        max_limit_quantity=known(row.max_lmt_sz),
        exchange_code=_code(row.inst_id_code),
        tradable=row.state == "live",
    )


def _swap(row: wire.InstrumentRow) -> Instrument:
    base, quote = (row.inst_family or row.uly or row.inst_id).split("-")[:2]
    return Instrument(
        inst_id=row.inst_id,
        kind=InstrumentKind.SWAP,
        base_currency=row.ct_val_ccy or base,
        quote_currency=quote,
        settle_currency=row.settle_ccy or quote,
        tick_size=number(row.tick_sz),
        lot_size=number(row.lot_sz),
        min_quantity=number(row.min_sz),
        contract_value=number(row.ct_val) * number(row.ct_mult or "1"),
        max_limit_quantity=known(row.max_lmt_sz),
        max_market_quantity=known(row.max_mkt_sz),
        exchange_code=_code(row.inst_id_code),
        tradable=row.state == "live",
    )


@guarded
def parse_ticker(payload: Payload) -> Ticker:
    """A row of `market/ticker` or a push of `tickers`."""
    row = _ticker_decoder.decode(payload)
    return Ticker(
        inst_id=row.inst_id,
        last=number(row.last),
        bid=price(row.bid_px),
        ask=price(row.ask_px),
        occurred_at=moment(row.ts),
    )


@guarded
def parse_candle(payload: Payload, kind: InstrumentKind) -> Candle:
    """One candle row. Volume in base: `vol` of spot, `volCcy` of contracts; amount in quote: `volCcyQuote`."""
    row = _candle_decoder.decode(payload)
    if len(row) < 9:
        raise ValueError(f"a candle has 9 values, not {len(row)}")
    return Candle(
        open_time=moment(row[0]),
        open=float(row[1]),
        high=float(row[2]),
        low=float(row[3]),
        close=float(row[4]),
        volume=_float(row[5] if kind is InstrumentKind.SPOT else row[6]),
        amount=_float(row[7]),
        closed=row[8] == "1",
    )


@guarded
def parse_trade(payload: Payload) -> Trade:
    """One item of `trades`."""
    row = _trade_decoder.decode(payload)
    return Trade(
        inst_id=row.inst_id,
        trade_id=row.trade_id,
        price=number(row.px),
        quantity=number(row.sz),
        side=Side(row.side),
        occurred_at=moment(row.ts),
        count=int(row.count or 1),
    )


@guarded
def parse_book_top(payload: Payload, inst_id: str) -> BookTop:
    """One item of `bbo-tbt`."""
    row = _top_decoder.decode(payload)
    bid, bid_quantity = _level(row.bids)
    ask, ask_quantity = _level(row.asks)
    return BookTop(inst_id, bid, bid_quantity, ask, ask_quantity, moment(row.ts))


@guarded
def parse_mark_price(payload: Payload) -> MarkPrice:
    """One item of `mark-price`."""
    row = _mark_decoder.decode(payload)
    return MarkPrice(row.inst_id, number(row.mark_px), moment(row.ts))


@guarded
def parse_order_book(payload: Payload, inst_id: str) -> OrderBook:
    """A row of `market/books`."""
    row = _top_decoder.decode(payload)
    return OrderBook(inst_id, _levels(row.bids), _levels(row.asks), moment(row.ts))


@guarded
def parse_funding_rate(payload: Payload) -> FundingRate:
    """A row of `public/funding-rate`. OKX v5: `settFundingRate` is what was paid last."""
    row = _funding_decoder.decode(payload)
    due_at = moment(row.funding_time)
    return FundingRate(
        inst_id=row.inst_id,
        rate=number(row.funding_rate),
        due_at=due_at,
        next_due_at=moment(row.next_funding_time) if row.next_funding_time else None,
        last_rate=known(row.sett_funding_rate),
        occurred_at=moment(row.ts) if row.ts else None,
    )


def _levels(levels: list[list[str]]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(number(level[0]), number(level[1])) for level in levels)


def _level(levels: list[list[str]]) -> tuple[Decimal | None, Decimal | None]:
    return (number(levels[0][0]), number(levels[0][1])) if levels else (None, None)


def _float(text: wire.Text) -> float | None:
    return float(text) if text else None


def _code(value: int | str | None) -> int | None:
    return int(value) if value not in (None, "") else None

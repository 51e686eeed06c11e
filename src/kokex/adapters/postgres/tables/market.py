"""Instruments and candles, by market."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Table, Text, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata

instruments = Table(
    "instruments",
    metadata,
    Column("market", Text, primary_key=True),
    Column("inst_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("base_currency", Text, nullable=False),
    Column("quote_currency", Text, nullable=False),
    Column("settle_currency", Text, nullable=False),
    Column("tick_size", EXACT, nullable=False),
    Column("lot_size", EXACT, nullable=False),
    Column("min_quantity", EXACT, nullable=False),
    Column("contract_value", EXACT, nullable=False),
    Column("max_limit_quantity", EXACT),
    Column("max_market_quantity", EXACT),
    Column("exchange_code", BigInteger),
    Column("tradable", Boolean, nullable=False),
    Column("updated_at", MOMENT, nullable=False, server_default=text("now()")),
)

candles = Table(
    "candles",
    metadata,
    Column("market", Text, primary_key=True),
    Column("inst_id", Text, primary_key=True),
    Column("interval", Text, primary_key=True),
    Column("open_time", MOMENT, primary_key=True),
    Column("open", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("close", Double, nullable=False),
    Column("volume", Double),
    Column("amount", Double),
)

candle_ledger = Table(
    "candle_ledger",
    metadata,
    Column("market", Text, primary_key=True),
    Column("inst_id", Text, primary_key=True),
    Column("interval", Text, primary_key=True),
    Column("complete", TSTZMULTIRANGE, nullable=False, server_default=text("'{}'")),
    Column("confirmed", TSTZMULTIRANGE, nullable=False, server_default=text("'{}'")),
    Column("begins_at", MOMENT),
)
"""What is known of the candles beside them: stretches that are complete, those that the exchange confirmed, where it begins."""

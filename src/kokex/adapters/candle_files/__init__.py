"""Candle files: CSV, plain or gzip, Parquet, and freqtrade's feather; read with every flaw found and counted, and written.

One row of CSV is one closed candle: `ts,open,high,low,close,volume,amount`. `ts` is the open time, ISO 8601 (UTC where it
names no zone) or epoch seconds or milliseconds; volume is in base currency, amount in quote currency, blank where
the source has none. Columns may stand in any order and under the usual other names; volume and amount may be missing.
"""

from kokex.adapters.candle_files.checking import FileFindings, check_candle_file
from kokex.adapters.candle_files.reading import (
    CandleFile,
    guess_exchange,
    guess_inst_id,
    read_candle_file,
    read_raw_rows,
)
from kokex.adapters.candle_files.report import CandleReport, FlawCount, FlawExample, RowFlaw
from kokex.adapters.candle_files.writing import write_candle_file

__all__ = [
    "CandleFile",
    "CandleReport",
    "FileFindings",
    "FlawCount",
    "FlawExample",
    "RowFlaw",
    "check_candle_file",
    "guess_exchange",
    "guess_inst_id",
    "read_candle_file",
    "read_raw_rows",
    "write_candle_file",
]

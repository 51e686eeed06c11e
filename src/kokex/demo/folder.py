"""The demo's own folder: made anew, or taken up as a former demo left it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from kokex.adapters.candle_files import read_candle_file, write_candle_file
from kokex.adapters.postgres import EmbeddedPostgres
from kokex.demo.options import MarketChoice
from kokex.domain.errors import ConfigurationError, StateError

_KEPT = frozenset({"engine.lock", "demo.log"})
"""Held by whoever runs the demo while the rest is removed."""


def make_anew(folder: Path, choice: MarketChoice) -> None:
    """Remove what a former demo left, remember `choice`, and keep its candles. The caller holds the folder (`sole_engine`).

    Raises:
        StateError: something else lies there.
        DataError: the candle file is flawed.
    """
    foreign = [path.name for path in folder.iterdir() if path.name not in _OURS]
    if foreign:
        raise StateError(
            f"{folder} holds {foreign[0]!r}, which no demo made; move it away, or set KOKEX_HOME to another folder"
        )
    if (folder / "database").exists():
        EmbeddedPostgres(folder / "database").stop()
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in _KEPT:
            path.unlink()
    if choice.candles is not None:
        file = read_candle_file(choice.candles)
        write_candle_file(candle_file(folder), file.open_times, file.values)
    words = {
        "seed": choice.seed,
        "speed": choice.speed,
        "candles": None if choice.candles is None else str(choice.candles),
        "inst_id": choice.inst_id,
    }
    _choice_file(folder).write_text(json.dumps(words))


def take_up(folder: Path) -> MarketChoice:
    """The choice of the former demo.

    Raises:
        StateError: there was none.
    """
    file = _choice_file(folder)
    if not file.exists() or not state_file(folder).exists():
        raise StateError(f"there is no former demo in {folder} to resume; run `kokex demo` without --resume")
    try:
        words = json.loads(file.read_text())
        candles = None if words["candles"] is None else Path(words["candles"])
        return MarketChoice(int(words["seed"]), float(words["speed"]), candles, str(words["inst_id"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read ({error}); run `kokex demo` without --resume"
        ) from error


def state_file(folder: Path) -> Path:
    """Where the market keeps itself."""
    return folder / "market.sqlite"


def candle_file(folder: Path) -> Path:
    """The candles that the market follows, as they were when the demo was made."""
    return folder / "candles.csv.gz"


def log_file(folder: Path) -> Path:
    """Where the demo's own log goes: the terminal is the view's."""
    return folder / "demo.log"


def market_log_file(folder: Path) -> Path:
    """Where the market's process complains."""
    return folder / "market.log"


def worker_log_file(folder: Path) -> Path:
    """Where the worker's process tells what it does."""
    return folder / "worker.log"


def _choice_file(folder: Path) -> Path:
    return folder / "market.json"


_OURS = frozenset(
    {
        *_KEPT,
        "database",
        "secret.key",
        "candles.csv.gz",
        "market.json",
        "market.sqlite",
        "market.sqlite-wal",
        "market.sqlite-shm",
        "market.sqlite-journal",
        "market.log",
        "models",
        "worker.log",
    }
)

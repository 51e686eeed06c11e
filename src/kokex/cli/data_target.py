"""What a `kokex data` command is about: a file, or candles of one market, instrument and interval that are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kokex.adapters.candle_files import guess_exchange
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey
from kokex.domain.errors import ConfigurationError, NotFoundError
from kokex.domain.time_range import TimeRange
from kokex.ports.store import Store
from kokex.services.accounts import market_of

_FILE_ENDINGS: Final = (".csv", ".gz", ".parquet", ".feather")
_MARKET: Final = re.compile(r"[a-z][a-z0-9]*:[a-z0-9]+")
_EVER: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


CANDLE_ENDINGS: Final = (".csv", ".csv.gz", ".parquet", ".feather")
"""Of the files that are written; the ending is the format."""


@dataclass(frozen=True, slots=True)
class Target:
    """As a person names it."""

    name: str
    market: str | None = None
    account: str | None = None
    inst_id: str | None = None
    interval: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def path(self) -> Path | None:
        """The file that is meant; None where kept candles are."""
        path = user_path(self.name)
        is_file = path.exists() or "/" in self.name or self.name.lower().endswith(_FILE_ENDINGS)
        return path if is_file else None

    @property
    def length(self) -> Interval | None:
        """The interval that is named. Raises `ConfigurationError` where there is none of that name."""
        return None if self.interval is None else Interval(self.interval)

    def window(self) -> TimeRange | None:
        """The time between `--from` and `--to`; None where neither is given.

        Raises:
            ConfigurationError: it would be empty.
        """
        if self.start is None and self.end is None:
            return None
        start, end = self.start or _EVER[0], self.end or _EVER[1]
        if start >= end:
            raise ConfigurationError(
                f"nothing lies between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC"
            )
        return TimeRange(start, end)

    async def key(self, store: Store) -> CandleKey:
        """The kept candles that are meant.

        Raises:
            NotFoundError: none are kept of them.
            ConfigurationError: more than one could be meant.
        """
        inst_id, market = self.name.upper(), await market_named(store, self.market, self.account)
        length = self.length
        kept = [CandleKey(row.market, row.inst_id, row.interval) for row in await store.candles.summary()]
        found = [
            key
            for key in kept
            if key.inst_id == inst_id and market in (None, key.market) and length in (None, key.interval)
        ]
        if not found:
            wanted = " ".join(filter(None, (inst_id, self.interval, market and f"of {market}")))
            there = "; ".join(map(str, kept)) or "none at all"
            raise NotFoundError(
                f"no candles of {wanted} are kept (there are: {there}), and no such file exists"
            )
        if len(found) > 1:
            raise ConfigurationError(
                f"{inst_id} could be {'; '.join(map(str, found))}: say which with --interval and --market"
            )
        return found[0]


def user_path(name: str | Path) -> Path:
    """A path as a person writes it."""
    return Path(name).expanduser()


def written_file(name: str | Path) -> Path:
    """A candle file to be written.

    Raises:
        ConfigurationError: its name ends as no format does.
    """
    path = user_path(name)
    if not path.name.endswith(CANDLE_ENDINGS):
        raise ConfigurationError(
            f"{path.name} ends as no candle file does; name it with one of {', '.join(CANDLE_ENDINGS)}"
        )
    return path


async def market_named(store: Store, market: str | None, account: str | None) -> str | None:
    """The market that is meant by name or by account; None where neither is given.

    Raises:
        ConfigurationError: both are given, or the market's name is none.
        NotFoundError: there is no such account.
    """
    if market is not None and account is not None:
        raise ConfigurationError("give --market or --account, not both")
    if account is not None:
        return market_of(await store.accounts.by_name(account, removed=True))
    if market is not None and not _MARKET.fullmatch(market):
        raise ConfigurationError(
            f"market {market!r} is unknown; write okx:live, okx:demo, binance:live or the like, or --account for a paper exchange"
        )
    return market


def market_of_file(path: Path) -> str:
    """The market that a file's name tells; OKX's where it tells none."""
    return f"{guess_exchange(path) or 'okx'}:live"

"""Back-fill from the paper exchange: any depth, resumable after any end, to the first candle there is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleRows
from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.time_range import NO_TIME, RangeSet
from kokex.services.market_data import BackfillProgress, CandleBackfill, CandleRepair, LongerCandles
from tests.integration.market_data.venue import INST_ID, MINUTE, Venue, config, venue


async def test_to_the_first_candle_there_is(store: PostgresStore) -> None:
    """More is asked for than there is: the end is known, and is not asked for again."""
    async with venue(store) as there:
        window = await there.last(5000)
        seen: list[BackfillProgress] = []
        done = await CandleBackfill(store.candles).fill(
            there.session.exchange, there.key, window, seen.append
        )
        assert (done.changed, done.requested, done.left) == (2000, 5000, NO_TIME)
        assert await store.candles.read(there.key) == await there.told(window)
        assert done.begins_at is not None
        assert (await store.candles.ledger(there.key)).begins_at == done.begins_at
        assert [one.answered for one in seen] == sorted(one.answered for one in seen)
        assert seen[-1].answered == seen[-1].wanted == 5000
        again = await CandleBackfill(store.candles).fill(there.session.exchange, there.key, window)
        assert (again.changed, again.requested) == (0, 0)


async def test_only_gaps_are_read(store: PostgresStore) -> None:
    """What is known costs no request."""
    async with venue(store) as there:
        window = await there.last(900)
        told = await there.told(window)
        await store.candles.keep(there.key, told[np.r_[0:300, 310:600, 700:900]])
        seen: list[BackfillProgress] = []
        done = await CandleBackfill(store.candles).fill(
            there.session.exchange, there.key, window, seen.append
        )
        assert (done.changed, done.requested) == (110, 110)
        assert len(seen) == 2
        assert await store.candles.read(there.key) == told


async def test_pages_before_an_error_are_kept(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run goes on where this one stopped."""
    async with venue(store) as there:
        window = await there.last(1500)
        exchange, pages = there.session.exchange, 0
        read = exchange._candle_rows  # type: ignore[attr-defined]

        async def breaking(*arguments: object) -> object:
            nonlocal pages
            pages += 1
            if pages == 3:
                raise ExchangeUnavailableError("no answer")
            return await read(*arguments)

        monkeypatch.setattr(exchange, "_candle_rows", breaking)
        backfill = CandleBackfill(store.candles)
        with pytest.raises(ExchangeUnavailableError):
            await backfill.fill(exchange, there.key, window)
        assert (await store.candles.ledger(there.key)).complete == RangeSet((await there.last(600),))
        done = await backfill.fill(exchange, there.key, window)
        assert (done.changed, done.requested) == (900, 900)
        assert await store.candles.read(there.key) == await there.told(window)


_CHILD = """
import asyncio, sys
from pathlib import Path
from kokex.adapters.okx import OKXAdapter
from kokex.adapters.postgres import PostgresStore
from kokex.adapters.system_clock import SystemClock
from kokex.adapters.vault import Vault
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey
from kokex.domain.time_range import TimeRange
from kokex.services.accounts import AccountSessions
from kokex.services.market_data import CandleBackfill

async def main(url, folder, account_id):
    store = await PostgresStore.open(url, Vault.open(Path(folder)))
    clock = SystemClock()
    session = await AccountSessions(store, clock, OKXAdapter(clock)).open(int(account_id))
    minute = Interval("1m")
    end = minute.floor((await session.exchange.ticker("ETH-USDT")).occurred_at)
    key = CandleKey(f"paper:{account_id}", "ETH-USDT", minute)
    window = TimeRange(minute.shift(end, -40_000), end)
    await CandleBackfill(store.candles).fill(session.exchange, key, window, lambda page: print(page.answered, flush=True))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_killed_in_the_middle_and_resumed(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    """`kill -9`: what was committed stays, the ledger agrees with the candles, and the rest follows."""
    async with venue(store, config(warmup_candles=45_000)) as there:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _CHILD, database_url, str(tmp_path), str(there.session.account.id)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        for _ in range(5):
            assert await asyncio.wait_for(child.stdout.readline(), 60)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        kept = await store.candles.read(there.key)
        assert 1200 <= len(kept) < 40_000
        assert (await store.candles.ledger(there.key)).complete == kept.ranges(MINUTE)
        window = await there.last(40_000)
        done = await CandleBackfill(store.candles).fill(there.session.exchange, there.key, window)
        assert done.requested == 40_000 - len(kept) == done.changed
        whole = await store.candles.read(there.key)
        assert whole.ranges(MINUTE) == RangeSet((window,))
        assert whole[-600:] == await there.told(await there.last(600))


async def test_longer_candles_are_the_exchange_s_own(store: PostgresStore) -> None:
    """Built from minutes, to the last digit of the volume; the one that is forming is not among them."""
    async with venue(store, config(warmup_candles=3000)) as there:
        there.step(17)
        await CandleBackfill(store.candles).fill(there.session.exchange, there.key, await there.last(3000))
        longer = LongerCandles(store.candles)
        for name in ("15m", "1H", "4H", "6H", "12Hutc", "1D", "1Dutc"):
            target = Interval(name)
            built = await longer.build(there.key, target)
            compared, different = await longer.differences(
                there.session.exchange, INST_ID, target, built.rows
            )
            assert (compared, different) == (len(built.rows), []), name
            assert len(built.incomplete) == 2 or name == "15m"
            assert await longer.keep(there.key, target, built.rows) == len(built.rows)
            assert await longer.keep(there.key, target, built.rows) == 0


async def repaired(there: Venue, kept: CandleRows) -> dict[tuple[str, str], int]:
    """Keep candles, repair them, and count the findings by kind and state."""
    await there.store.candles.keep(there.key, kept)
    check = await CandleRepair(there.store.candles).repair(there.session.exchange, there.key)
    counts: dict[tuple[str, str], int] = {}
    for flaw in check.flaws:
        pair = (flaw.kind.value, flaw.state.value)
        counts[pair] = counts.get(pair, 0) + 1
    return counts


async def test_flaws_are_repaired_or_confirmed(store: PostgresStore) -> None:
    """Holes and wrong candles get the exchange's own; what the exchange itself says so is not asked for again."""
    async with venue(store) as there:
        told = await there.told(await there.last(1200))
        wrong = CandleRows(told.open_times.copy(), told.values.copy())
        wrong.values[400, 1] *= 2
        wrong.values[500:505, 4] = 0.0
        wrong.values[600, 2] = wrong.values[600, 1] * 1.5
        wrong = wrong[np.r_[0:100, 120:800, 805:1200]]
        counts = await repaired(there, wrong)
        assert counts == {
            ("missing", "repaired"): 2,
            ("outlier", "repaired"): 1,
            ("zero_volume", "repaired"): 1,
            ("inconsistent", "repaired"): 1,
        }
        assert await store.candles.read(there.key) == told
        assert (await CandleRepair(store.candles).check(there.key)).flaws == ()


async def test_what_the_exchange_says_itself_is_confirmed(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash is no flaw; and it is asked for once."""
    async with venue(store) as there:
        strand = next(iter(there.server.exchange.strands.values())).history
        candle = strand._closed[-200]
        strand._closed[-200] = type(candle)(
            candle.start_ms,
            candle.open,
            candle.high * 2,
            candle.low,
            candle.close,
            candle.volume,
            candle.amount,
        )
        told = await there.told(await there.last(600))
        counts = await repaired(there, told)
        assert counts == {("outlier", "confirmed"): 1}
        exchange = there.session.exchange

        async def asked(*arguments: object) -> object:
            raise AssertionError("what is confirmed is not asked for again")

        monkeypatch.setattr(exchange, "_candle_rows", asked)
        check = await CandleRepair(store.candles).repair(exchange, there.key)
        assert [flaw.state.value for flaw in check.flaws] == ["confirmed"] and check.open == 0

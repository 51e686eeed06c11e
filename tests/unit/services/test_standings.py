"""An account in trouble is degraded by the clock, says why, is kept, and recovers by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from kokex.domain.errors import StoreUnavailableError
from kokex.domain.standing import HALTED_AFTER, REDUCE_ONLY_AFTER, AccountStanding, Standing, Trouble
from kokex.services.accounts import AccountSession
from kokex.services.reconciling.standings import Standings
from tests.builders import START
from tests.fakes.clock import ManualClock
from tests.fakes.exchange import CREDENTIALS, account
from tests.fakes.running import at_work


class Kept:
    """`ReconciliationStore`, as far as standings need it."""

    def __init__(self) -> None:
        self.saved: list[AccountStanding] = []
        self.down = False

    async def standing(self, account_id: int) -> AccountStanding | None:
        return self.saved[-1] if self.saved else None

    async def save_standing(self, standing: AccountStanding) -> None:
        if self.down:
            raise StoreUnavailableError("the database went away")
        self.saved.append(standing)


class Bench:
    """Standings of one account, with everything around them faked."""

    def __init__(self, kept: Kept | None = None) -> None:
        self.clock = ManualClock()
        self.kept = kept or Kept()
        self.session = AccountSession(account(), CREDENTIALS, SimpleNamespace(), self.clock)  # type: ignore[arg-type]
        self.session.owned = True
        sessions: Any = SimpleNamespace(all=lambda: [self.session])
        self.standings = Standings(SimpleNamespace(reconciliation=self.kept), self.clock, sessions)  # type: ignore[arg-type]
        self.told: list[Standing] = []

    def on_standing_changed(self, session: AccountSession) -> None:
        self.told.append(session.standing)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        async with at_work(self.standings.run(self)):
            yield self


async def test_an_account_out_of_reach_is_held_then_reduced_then_halted_then_well() -> None:
    """At the documented times; each step is told and kept."""
    async with Bench().running() as bench:
        bench.standings.out_of_reach(bench.session, "REST is down")
        assert bench.session.standing is Standing.TRADING
        await bench.clock.advance(REDUCE_ONLY_AFTER.total_seconds() + 1)
        assert bench.session.standing is Standing.REDUCE_ONLY
        bench.standings.out_of_reach(bench.session, "REST is still down")
        await bench.clock.advance((HALTED_AFTER - REDUCE_ONLY_AFTER).total_seconds() + 1)
        assert bench.told == [Standing.REDUCE_ONLY, Standing.HALTED]
        assert bench.kept.saved[-1].standing is Standing.HALTED
        assert bench.kept.saved[-1].trouble == Trouble("REST is still down", START)
        bench.standings.agrees(bench.session)
        await bench.clock.advance(1)
        assert bench.told[-1] is Standing.TRADING
        assert bench.kept.saved[-1].trouble is None
        assert bench.kept.saved[-1].reconciled_at is not None


async def test_a_disagreement_is_not_mended_by_silence() -> None:
    """Losing the exchange after a difference was found keeps the difference, and its age."""
    async with Bench().running() as bench:
        bench.standings.disagrees(bench.session, "coins are missing")
        await bench.clock.advance(10)
        bench.standings.out_of_reach(bench.session, "REST is down")
        assert bench.session.standing is Standing.REDUCE_ONLY
        assert bench.session.trouble == Trouble("coins are missing", START, disagreement=True)


async def test_a_trouble_goes_on_counting_over_a_restart() -> None:
    """Also in another engine."""
    kept = Kept()
    async with Bench(kept).running() as bench:
        bench.standings.disagrees(bench.session, "coins are missing")
        await bench.clock.advance(1)
    async with Bench(kept).running() as again:
        again.session.owned = False
        await again.clock.advance(HALTED_AFTER.total_seconds())
        await again.standings.load(again.session)
        again.session.owned = True
        assert again.session.standing is Standing.HALTED


async def test_having_been_out_of_reach_says_nothing_of_now() -> None:
    """A new start begins with a clean slate; its orders are held until it is reconciled."""
    kept = Kept()
    async with Bench(kept).running() as bench:
        bench.standings.out_of_reach(bench.session, "REST is down")
        await bench.clock.advance(1)
    again = Bench(kept)
    await again.standings.load(again.session)
    assert again.session.trouble is None


async def test_what_could_not_be_kept_is_kept_later() -> None:
    """A database that is away delays the record, not the standing."""
    async with Bench().running() as bench:
        bench.kept.down = True
        bench.standings.disagrees(bench.session, "coins are missing")
        await bench.clock.advance(3)
        assert bench.session.standing is Standing.REDUCE_ONLY
        assert bench.kept.saved == []
        bench.kept.down = False
        await bench.clock.advance(1)
        assert bench.kept.saved[-1].standing is Standing.REDUCE_ONLY


async def test_an_account_of_another_engine_is_not_written_here() -> None:
    """Its owner keeps its standing."""
    async with Bench().running() as bench:
        bench.session.owned = False
        bench.standings.out_of_reach(bench.session, "another engine's")
        await bench.clock.advance(HALTED_AFTER.total_seconds())
        assert bench.kept.saved == []
        assert bench.told == []


def test_what_may_be_done() -> None:
    """Everything when reconciled, reductions when degraded, nothing when halted or not ours."""
    session = Bench().session
    assert not session.may_act
    session.reconciled = True
    assert session.may_act
    session.standing = Standing.HALTED
    assert not session.may_act
    session.standing, session.reconciled = Standing.REDUCE_ONLY, False
    assert session.may_act
    session.owned = False
    assert not session.may_act

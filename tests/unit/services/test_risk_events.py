"""Risk events: each fact is told once, also after a restart, and none for what was before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.errors import StoreUnavailableError
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.limits import Protections, RiskLimits
from kokex.domain.notice import Notice
from kokex.domain.plan import AgentSettings, Plan, TriggerKind
from kokex.domain.results import Worth
from kokex.domain.risk.state import Performance, RiskState
from kokex.domain.standing import Standing, Trouble
from kokex.ports.risk import HaltRecord
from kokex.services.risk_events import STORM, STORM_PERIOD, STORM_REST, RiskWatch, storm_at
from tests.builders import START, plan, risk_state
from tests.fakes.clock import ManualClock

SECOND = timedelta(seconds=1)
GUARDED = RiskLimits(
    capital=Decimal(1000),
    protections=Protections(
        max_daily_loss=Decimal(50), max_drawdown=Decimal("0.1"), losing_streak=2, stop_guard=2
    ),
)


class MemoryNotices:
    """`NoticeStore` in memory, with the facts that risk events are made of."""

    def __init__(self) -> None:
        self.kept: list[Notice] = []
        self.since: datetime | None = None
        self.denied: list[datetime] = []
        self.halts: list[HaltRecord] = []
        self.lost_answers = 0

    async def watch(self, plan_id: int, at: datetime) -> datetime:
        self.since = self.since or at
        return self.since

    async def note(self, plan_id: int, key: str, facts: Mapping[str, Any], at: datetime) -> Notice | None:
        if any(one.key == key for one in self.kept):
            return None
        self.kept.append(Notice(len(self.kept) + 1, plan_id, TriggerKind.RISK_EVENT, key, at, facts))
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreUnavailableError("the connection was lost")
        return self.kept[-1]

    async def waiting(self, plan_id: int) -> list[Notice]:
        return list(self.kept)

    async def latest(self, plan_id: int, prefix: str) -> Notice | None:
        return next((one for one in reversed(self.kept) if one.key.startswith(prefix)), None)

    async def denials(self, plan_id: int, after: datetime, *, limit: int) -> list[datetime]:
        return [one for one in self.denied if one > after][:limit]

    async def halt_history(self, *, limit: int) -> list[HaltRecord]:
        return list(reversed(self.halts))[:limit]


@dataclass
class Bench:
    """A plan on an account; each `life` of the watch begins with an empty memory."""

    notices: MemoryNotices = field(default_factory=MemoryNotices)
    clock: ManualClock = field(default_factory=ManualClock)
    session: Any = field(
        default_factory=lambda: SimpleNamespace(standing=Standing.TRADING, trouble=None, reconciled=True)
    )
    performance: Performance | None = None
    told: list[Notice] = field(default_factory=list)
    settings: AgentSettings = field(
        default_factory=lambda: AgentSettings(triggers=frozenset({TriggerKind.RISK_EVENT}))
    )

    def __post_init__(self) -> None:
        self.new_life()

    def new_life(self) -> None:
        store: Any = SimpleNamespace(notices=self.notices, risk=self.notices)
        ledgers: Any = SimpleNamespace(get=lambda plan_id: object())
        pictures: Any = SimpleNamespace(state=self._state)
        self.watch = RiskWatch(store, self.clock, pictures, ledgers)

    def _state(self, session: Any, of: Plan, ledger: Any) -> RiskState:
        return risk_state(performance=self.performance)

    def at_work(self) -> list[tuple[Plan, Any]]:
        return [(plan(agent=self.settings, limits=GUARDED), self.session)]

    def on_notices(self, plan_id: int, notices: Sequence[Notice]) -> None:
        self.told.extend(notices)

    async def look(self) -> list[str]:
        """Keys of what is new; looking again, and once more after a restart, tells nothing."""
        before = len(self.told)
        await self.watch.look(self, self)
        new = [one.key for one in self.told[before:]]
        await self.watch.look(self, self)
        self.new_life()
        await self.watch.look(self, self)
        assert len(self.told) == before + len(new)
        return new


def halt(number: int, since: datetime, lifted_at: datetime | None = None, **changes: Any) -> HaltRecord:
    made = Halt(HaltScope.PLATFORM, None, HaltLevel.HALTED, "news", "ann", since)
    return HaltRecord(number, made, lifted_at, *(("bob", "calm") if lifted_at else (None, None)))


async def test_halts_set_and_lifted() -> None:
    """What was over before the plan was watched is no news; what is in force is, whenever it was set."""
    bench = Bench()
    hour = timedelta(hours=1)
    bench.notices.halts = [halt(1, START - hour, START - SECOND), halt(2, START - hour)]
    assert await bench.look() == ["halt:2:set"]
    bench.notices.halts[1] = halt(2, START - hour, START + hour)
    bench.notices.halts.append(halt(3, START + hour, START + hour + SECOND))
    assert await bench.look() == ["halt:2:lifted", "halt:3:set", "halt:3:lifted"]
    assert bench.told[1].facts == {
        "risk_event": "halt_lifted",
        "halt": 2,
        "where": "the platform",
        "level": "halted",
        "by": "bob",
        "reason": "calm",
    }


async def test_one_that_was_kept_and_the_answer_lost_is_told() -> None:
    """It is there when it is to be kept again, but nobody heard of it."""
    bench = Bench()
    bench.notices.halts = [halt(1, START)]
    bench.notices.lost_answers = 1
    with pytest.raises(StoreUnavailableError):
        await bench.watch.look(bench, bench)
    assert bench.told == [] and await bench.look() == ["halt:1:set"]


async def test_a_plan_that_does_not_want_them_costs_nothing() -> None:
    bench = Bench(settings=AgentSettings())
    bench.notices.halts = [halt(1, START)]
    assert await bench.look() == []
    assert bench.notices.since is None


@pytest.mark.parametrize(
    ("made", "keys"),
    [
        (Performance(Worth(START, Decimal(-60), Decimal(0), Decimal(0)), Decimal(-60), at=START), ["daily_loss:2026-01-01"]),
        (
            Performance(Worth(START, Decimal(50), Decimal(50), Decimal("170.50")), Decimal(50), at=START),
            ["drawdown:170.5"],
        ),
        (
            Performance(
                Worth.begin(START), Decimal(0), losing_streak=2, last_loss_at=START, stops=(START, START + SECOND), at=START
            ),
            ["losing_streak:2026-01-01T00:00:00+00:00", "stop_guard:2026-01-01T00:00:01+00:00"],
        ),
        (Performance(Worth.begin(START), None, at=START), []),
    ],
)  # fmt: skip
async def test_a_protection_that_began(made: Performance, keys: list[str]) -> None:
    """Named by what makes it this one; that no price is known is none."""
    bench = Bench()
    assert await bench.look() == []
    bench.performance = made
    assert await bench.look() == keys
    assert all(one.facts["risk_event"] == "protection_began" and one.facts["reason"] for one in bench.told)


async def test_an_account_degraded_and_in_line_again() -> None:
    """Each step once; in line again only after it was not, and only once it is reconciled."""
    bench = Bench()
    assert await bench.look() == []
    bench.session.trouble = Trouble("no answer", START)
    bench.session.standing = Standing.REDUCE_ONLY
    assert await bench.look() == ["standing:2026-01-01T00:00:00+00:00:reduce_only"]
    bench.session.standing = Standing.HALTED
    assert await bench.look() == ["standing:2026-01-01T00:00:00+00:00:halted"]
    bench.session.standing, bench.session.trouble, bench.session.reconciled = Standing.TRADING, None, False
    assert await bench.look() == []
    bench.session.reconciled = True
    assert await bench.look() == ["standing:2026-01-01T00:00:00+00:00:trading"]
    assert [one.facts["risk_event"] for one in bench.told] == ["account_degraded"] * 2 + [
        "account_reconciled"
    ]
    assert bench.told[0].facts["reason"] == "no answer"


async def test_a_storm_of_denials() -> None:
    """Told once; the next not before it has rested; those of a time when nobody looked count as well."""
    bench = Bench()
    assert await bench.look() == []
    bench.notices.denied = [START + number * SECOND for number in range(1, STORM)]
    assert await bench.look() == []
    bench.notices.denied += [START + number * SECOND for number in range(STORM, 3 * STORM)]
    assert await bench.look() == [f"denials:{(START + STORM * SECOND).isoformat()}"]
    later = START + STORM * SECOND + STORM_REST
    bench.notices.denied += [later + number * SECOND for number in range(1, STORM + 1)]
    await bench.clock.advance(3600)
    assert await bench.look() == [f"denials:{(later + STORM * SECOND).isoformat()}"]


def test_denials_that_take_their_time_are_no_storm() -> None:
    """Nor are too few."""
    moments = [START + number * STORM_PERIOD / (STORM - 1) for number in range(STORM)]
    assert storm_at(moments) == moments[-1]
    assert storm_at(moments[1:]) is None
    assert storm_at([one + number * SECOND for number, one in enumerate(moments)]) is None


async def test_a_fault_of_one_plan_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told, and nothing ends; what could not be looked for is told at the next look."""
    bench = Bench()
    faulty = bench._state
    bench.settings = replace(bench.settings)
    other = replace(plan(agent=bench.settings, limits=GUARDED), id=2)
    first = bench.at_work()[0]
    monkeypatch.setattr(bench, "at_work", lambda: [first, (other, bench.session)])
    broken = [True]

    def state(session: Any, of: Plan, ledger: Any) -> RiskState:
        if of.id == 1 and broken[0]:
            raise ZeroDivisionError("a fault")
        return faulty(session, of, ledger)

    monkeypatch.setattr(bench, "_state", state)
    bench.new_life()
    bench.notices.halts.append(halt(1, START))
    await bench.watch.look(bench, bench)
    assert [(one.plan_id, one.key) for one in bench.told] == [(2, "halt:1:set")]
    broken[0] = False
    bench.notices.kept.clear()
    await bench.watch.look(bench, bench)
    assert [(one.plan_id, one.key) for one in bench.told][1:] == [(1, "halt:1:set")]

"""Risk events: what changed in what a plan may do, kept once for each plan whose agent wants to hear of it.

    halts                a kill switch set or lifted                                 halt:12:set, halt:12:lifted
    protections          daily loss, drawdown, losing streak, stop guard began       daily_loss:2026-01-31, drawdown:120.5...
    the account          degraded to reduce only or halted, and in line again        standing:2026-01-31T...:reduce_only, ...:trading
    denials              `STORM` orders denied within `STORM_PERIOD`                 denials:2026-01-31T...
    the trailing stop    hit: noted by `TrailingStops` itself, before it acts        trailing_stop:7

Each follows from facts that are kept elsewhere and is looked for anew after a start, under a key made of the fact: none is lost, none is
told twice. What came and went between two looks is told where the facts keep it (halts, denials); a protection or a standing that did
leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.domain.notice import Notice
from kokex.domain.plan import Plan, TriggerKind
from kokex.domain.risk import DenialCode
from kokex.domain.risk.losses import protections
from kokex.domain.risk.state import Performance
from kokex.domain.standing import Standing
from kokex.domain.trigger_facts import time_text
from kokex.ports.clock import Clock
from kokex.ports.risk import HaltRecord
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.alerts import NoticeSink
from kokex.services.halts import covers
from kokex.services.ledger import Ledgers
from kokex.services.risk_picture import RiskPictures

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0
STORM: Final = 10
"""Denied orders that are a storm."""
STORM_PERIOD: Final = timedelta(seconds=60)
STORM_REST: Final = timedelta(minutes=10)
"""After one no other is told for so long."""
_HALTS_READ: Final = 100
_DENIALS_READ: Final = 1000
_LONGEST_REASON: Final = 300

Found = tuple[str, dict[str, Any]]
"""A risk event: its key, and what the agent is told."""


class PlansAtWork(Protocol):
    """Knows the plans at work in this engine."""

    def at_work(self) -> Iterable[tuple[Plan, AccountSession]]:
        """Each with its account's session."""
        ...


@dataclass(slots=True)
class _Watched:
    """One plan.

    Attributes:
        since: what happened before does not count.
        degraded: since when its account is, as last told; None while it is not.
        denials_from: denials up to then are dealt with.
        asked: keys that were to be kept, whatever the answer.
        known: keys that were kept.
    """

    since: datetime
    degraded: str | None
    denials_from: datetime
    asked: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)


class RiskWatch:
    """Looks for risk events of the plans at work."""

    def __init__(self, store: Store, clock: Clock, pictures: RiskPictures, ledgers: Ledgers) -> None:
        self._store = store
        self._clock = clock
        self._pictures = pictures
        self._ledgers = ledgers
        self._watched: dict[int, _Watched] = {}

    async def run(self, plans: PlansAtWork, sink: NoticeSink) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.look(plans, sink)
            except KokexError as error:
                log.warning("risk events wait", reason=str(error))

    async def look(self, plans: PlansAtWork, sink: NoticeSink) -> None:
        """Keep and tell what is new."""
        wanting = [one for one in plans.at_work() if TriggerKind.RISK_EVENT in one[0].agent.triggers]
        self._watched = {plan.id: one for plan, _ in wanting if (one := self._watched.get(plan.id))}
        if not wanting:
            return
        halts = await self._store.risk.halt_history(limit=_HALTS_READ)
        for plan, session in wanting:
            try:
                await self._look_at(plan, session, halts, sink)
            except StoreUnavailableError:
                raise
            except Exception as error:  # told later or not at all: nothing that trades depends on it
                log.error("risk events not looked for", plan=plan.id, exc_info=error)

    async def _look_at(
        self, plan: Plan, session: AccountSession, halts: Sequence[HaltRecord], sink: NoticeSink
    ) -> None:
        watched = self._watched.get(plan.id) or await self._begin(plan)
        self._watched[plan.id] = watched
        found = [
            *_halt_events(halts, plan, watched.since),
            *self._protection_events(plan, session),
            *_standing_events(session, watched),
            *await self._storm(plan, watched),
        ]
        await self._keep(plan, watched, found, sink)

    async def _begin(self, plan: Plan) -> _Watched:
        notices = self._store.notices
        since = await notices.watch(plan.id, self._clock.now())
        standing = await notices.latest(plan.id, "standing:")
        storm = await notices.latest(plan.id, "denials:")
        degraded = None
        if standing is not None and standing.facts.get("standing") != Standing.TRADING.value:
            degraded = str(standing.facts.get("since"))
        denials_from = since if storm is None else max(since, _rest_after(storm.key))
        return _Watched(since, degraded, denials_from)

    async def _keep(self, plan: Plan, watched: _Watched, found: Sequence[Found], sink: NoticeSink) -> None:
        for key, facts in found:
            if key in watched.known:
                continue
            told = await keep_once(self._store, plan.id, (key, facts), self._clock.now(), watched.asked)
            watched.known.add(key)
            if key.startswith("standing:"):
                degraded = facts["standing"] != Standing.TRADING.value
                watched.degraded = facts["since"] if degraded else None
            if key.startswith("denials:"):
                watched.denials_from = _rest_after(key)
            if told:
                log.info("risk event", plan=plan.id, key=key)
                sink.on_notices(plan.id, told)

    def _protection_events(self, plan: Plan, session: AccountSession) -> Iterator[Found]:
        ledger = self._ledgers.get(plan.id)
        if ledger is None:
            return
        state = self._pictures.state(session, plan, ledger)
        for code, sentence in protections(plan.limits, state):
            fact = None if state.performance is None else _fact(code, state.performance)
            if fact is not None:
                yield (
                    f"{code.value}:{fact}",
                    {"risk_event": "protection_began", "code": code.value, "reason": sentence},
                )

    async def _storm(self, plan: Plan, watched: _Watched) -> list[Found]:
        denied = await self._store.notices.denials(plan.id, watched.denials_from, limit=_DENIALS_READ)
        at = storm_at(denied)
        if at is None:
            if len(denied) == _DENIALS_READ:
                watched.denials_from = denied[-STORM]
            return []
        facts = {
            "risk_event": "denial_storm",
            "denials": STORM,
            "within_seconds": int(STORM_PERIOD.total_seconds()),
        }
        return [(f"denials:{at.isoformat()}", facts | {"last_at": time_text(at)})]


async def keep_once(store: Store, plan_id: int, found: Found, at: datetime, asked: set[str]) -> list[Notice]:
    """Keep a risk event; what the agent is to be told of it.

    Args:
        asked: keys that were to be kept before. Where the database failed on this one it may have been kept all the same: then all that
            waits is told.

    Raises:
        StoreUnavailableError: it is not known to be kept.
    """
    key, facts = found
    unsure = key in asked
    asked.add(key)
    notice = await store.notices.note(plan_id, key, facts, at)
    if notice is not None:
        return [notice]
    return await store.notices.waiting(plan_id) if unsure else []


def _rest_after(key: str) -> datetime:
    """When the next storm may be told after the one of that key."""
    return datetime.fromisoformat(key.partition(":")[2]) + STORM_REST


def storm_at(denied: Sequence[datetime]) -> datetime | None:
    """When the first storm among these moments, oldest first, was one; None where there is none."""
    for first, last in zip(denied, denied[STORM - 1 :], strict=False):
        if last - first <= STORM_PERIOD:
            return last
    return None


def _halt_events(halts: Sequence[HaltRecord], plan: Plan, since: datetime) -> Iterator[Found]:
    """Oldest first. One that was in force before the plan was watched is told as set, too."""
    for record in reversed(halts):
        halt = record.halt
        if not covers(halt, plan):
            continue
        facts = {"halt": record.id, "where": halt.where, "level": halt.level.value}
        if record.lifted_at is None or halt.since >= since:
            said = {"by": halt.by[:100], "reason": halt.reason[:_LONGEST_REASON]}
            yield f"halt:{record.id}:set", {"risk_event": "halt_set"} | facts | said
        if record.lifted_at is not None and record.lifted_at >= since:
            said = {
                "by": (record.lifted_by or "")[:100],
                "reason": (record.lift_reason or "")[:_LONGEST_REASON],
            }
            yield f"halt:{record.id}:lifted", {"risk_event": "halt_lifted"} | facts | said


def _standing_events(session: AccountSession, watched: _Watched) -> Iterator[Found]:
    trouble, standing = session.trouble, session.standing
    if standing is not Standing.TRADING and trouble is not None:
        since = trouble.since.isoformat()
        facts = {"standing": standing.value, "since": since, "reason": trouble.reason[:_LONGEST_REASON]}
        yield f"standing:{since}:{standing.value}", {"risk_event": "account_degraded"} | facts
    elif standing is Standing.TRADING and session.reconciled and watched.degraded is not None:
        facts = {"standing": standing.value, "since": watched.degraded}
        yield f"standing:{watched.degraded}:{standing.value}", {"risk_event": "account_reconciled"} | facts


def _fact(code: DenialCode, made: Performance) -> str | None:
    """What makes a protection this one and no other; None for what is none."""
    match code:
        case DenialCode.DAILY_LOSS if made.at is not None:
            return f"{made.at:%Y-%m-%d}"
        case DenialCode.DRAWDOWN:
            return f"{made.worth.peak.normalize():f}"
        case DenialCode.LOSING_STREAK if made.last_loss_at is not None:
            return made.last_loss_at.isoformat()
        case DenialCode.STOP_GUARD if made.stops:
            return made.stops[-1].isoformat()
        case _:
            return None

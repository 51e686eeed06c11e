"""Which occasion is struck: decided here alone, from the plan, the seed and the number of the occasion."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from kokex.paper.faults.kinds import KINDS
from kokex.paper.faults.plan import DEFAULT_SEED, Fault, FaultPlan
from kokex.paper.faults.record import FaultRecord, Occasion, Strike

ANYWHERE = Occasion()


@dataclass(slots=True)
class _Armed:
    """A fault that waits, and how far it is."""

    number: int
    fault: Fault
    seed: str
    occasions: int = 0
    strikes: int = 0

    @property
    def spent(self) -> bool:
        return self.strikes >= self.fault.most_strikes

    def meets(self, occasion: Occasion, api_key: str, market_ms: int) -> bool:
        """Count an occasion that it may strike; whether it wants to."""
        if self.spent or not _fits(self.fault, occasion, api_key) or not _in_time(self.fault, market_ms):
            return False
        self.occasions += 1
        if self.occasions < self.fault.nth:
            return False
        return self.fault.probability >= 1 or _draw(f"{self.seed}:{self.occasions}") < self.fault.probability


class Faults:
    """Armed faults, and the record of those that struck.

    Args:
        plan: armed from the start.
        market_ms: tells market time.
        api_key_of: tells an account's API key by its uid, so that faults may name either.
        record: where strikes are kept.
    """

    def __init__(
        self,
        plan: FaultPlan | None = None,
        *,
        market_ms: Callable[[], int] = lambda: 0,
        api_key_of: Callable[[str], str] = str,
        record: FaultRecord | None = None,
    ) -> None:
        self.record = record or FaultRecord()
        self._market_ms = market_ms
        self._api_key_of = api_key_of
        self._seed = DEFAULT_SEED
        self._number = 0
        self._of_kind: Counter[str] = Counter()
        self._armed: dict[str, list[_Armed]] = {}
        if plan is not None:
            self.arm_plan(plan)

    def arm(self, fault: Fault | str, count: int | None = None, **fields: Any) -> int:
        """Arm one more fault: a `Fault`, or the name of a kind with fields of one; returns its number.

        Raises:
            FaultPlanError: there is no such kind, or a field does not fit.
        """
        if isinstance(fault, str):
            fault = Fault(kind=fault, count=count, **fields)
        self._number += 1
        place = self._of_kind[fault.kind]
        self._of_kind[fault.kind] += 1
        armed = _Armed(self._number, fault, f"{self._seed}:{fault.kind}:{place}")
        self._armed.setdefault(fault.kind, []).append(armed)
        self.record.armed(self._number, fault, self._seed, datetime.now(UTC))
        return self._number

    def arm_plan(self, plan: FaultPlan) -> list[int]:
        """Arm a plan with its seed, beside what is armed already; returns the numbers."""
        self._seed = plan.seed
        self._of_kind.clear()
        return [self.arm(fault) for fault in plan.faults]

    def clear(self) -> None:
        """Disarm everything. Strikes that are under way (a stall, a delay) go on."""
        self._armed.clear()
        self._of_kind.clear()
        self.record.cleared(datetime.now(UTC))

    @property
    def idle(self) -> bool:
        """Whether nothing is armed."""
        return not self._armed

    def waits(self, *kinds: str) -> bool:
        """Whether any fault of these kinds is armed."""
        return any(kind in self._armed for kind in kinds)

    def strike(self, kind: str, occasion: Occasion = ANYWHERE) -> Fault | None:
        """The fault that strikes this occasion, None where all goes well. A strike is recorded."""
        waiting = self._armed.get(kind)
        if not waiting:
            return None
        now_ms = self._market_ms()
        key = self._api_key_of(occasion.account) if occasion.account else ""
        wanting = [armed for armed in waiting if armed.meets(occasion, key, now_ms)]
        if not wanting:
            return None
        struck = wanting[0]
        struck.strikes += 1
        self._note(struck, occasion, now_ms)
        if struck.spent:
            waiting.remove(struck)
            if not waiting:
                del self._armed[kind]
        return struck.fault

    def armed(self) -> list[dict[str, Any]]:
        """What still waits to strike."""
        rows = [armed for waiting in self._armed.values() for armed in waiting]
        return [
            {
                "fault": armed.number,
                **armed.fault.to_mapping(),
                "occasions": armed.occasions,
                "strikes": armed.strikes,
            }
            for armed in sorted(rows, key=lambda armed: armed.number)
        ]

    def strikes(self, kind: str | None = None) -> list[Strike]:
        """What struck, oldest first; of one kind, or all."""
        return [strike for strike in self.record.strikes if kind in (None, strike.kind)]

    def _note(self, struck: _Armed, occasion: Occasion, now_ms: int) -> None:
        self.record.add(
            Strike(
                number=self.record.total + 1,
                kind=struck.fault.kind,
                fault=struck.number,
                occasion=struck.occasions,
                market_ms=now_ms,
                at=datetime.now(UTC).isoformat(),
                path=occasion.path,
                channel=occasion.channel,
                inst_id=occasion.inst_id,
                account=occasion.account,
                detail=occasion.detail,
            )
        )


def _fits(fault: Fault, occasion: Occasion, api_key: str) -> bool:
    if fault.inst_id and fault.inst_id != occasion.inst_id:
        return False
    if fault.account and fault.account not in (occasion.account, api_key):
        return False
    if fault.channel and not fnmatchcase(occasion.channel, fault.channel):
        return False
    if not fault.path:
        return True
    bare = occasion.path.partition(" ")[2] or occasion.path
    return fnmatchcase(occasion.path, fault.path) or fnmatchcase(bare, fault.path)


def _in_time(fault: Fault, market_ms: int) -> bool:
    if fault.after is not None and market_ms < fault.after.timestamp() * 1000:
        return False
    return fault.until is None or market_ms < fault.until.timestamp() * 1000


def _draw(words: str) -> float:
    """A number in [0, 1) that belongs to these words for ever, on every machine."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:7]) / (1 << 56)


def describe_kinds() -> dict[str, dict[str, Any]]:
    """Every kind in plain values, for the admin face."""
    return {
        kind.name: {
            "does": kind.does,
            "occasion": kind.site.occasion,
            "where": list(kind.site.where),
            "seconds": kind.seconds
            if kind.seconds is not None
            else ("until closed" if kind.endless else None),
            "codes": list(kind.codes),
        }
        for kind in KINDS.values()
    }

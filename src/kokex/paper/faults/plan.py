"""What shall go wrong in a run: values that compare, shrink, travel as JSON or TOML, and repeat."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from kokex.domain.errors import ConfigurationError
from kokex.paper.faults.kinds import KINDS, Kind

DEFAULT_SEED = 7
_WHERE = ("path", "channel", "inst_id", "account")
_MOST_COUNT = 1_000_000_000


class FaultPlanError(ConfigurationError):
    """A fault, or a plan of faults, that makes no sense.

    Attributes:
        index: which fault of the plan, from 0; None where it is the plan itself, or a fault alone.
        field: the field that is wrong; empty where it is the whole.
        problem: what is wrong and what to write instead.
    """

    def __init__(self, field: str, problem: str, index: int | None = None) -> None:
        self.index = index
        self.field = field
        self.problem = problem
        place = f"fault {index + 1}: " if index is not None else ""
        super().__init__(f"{place}{problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong. Fields left out do not narrow anything down.

    Attributes:
        kind: a name of `KINDS`.
        path: REST path (`trade/order`, `GET trade/order`), WebSocket path (`private`) or order operation (`ws order`).
        channel: WebSocket channel. In `path` and `channel` a `*` stands for any letters.
        inst_id: instrument.
        account: uid or API key.
        probability: how likely each occasion is struck.
        nth: not before the n-th occasion, counted from 1.
        count: most strikes; None is 1, or no end where `probability`, `after` or `until` is given.
        after: not before this market time (aware).
        until: not at or after this market time (aware).
        seconds: how long; None is the kind's default.
        code: which error is told; empty is the kind's default.
    """

    kind: str
    path: str = ""
    channel: str = ""
    inst_id: str = ""
    account: str = ""
    probability: float = 1.0
    nth: int = 1
    count: int | None = None
    after: datetime | None = None
    until: datetime | None = None
    seconds: float | None = None
    code: str = ""

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise FaultPlanError("kind", f"kind {self.kind!r} is unknown; choose among {', '.join(KINDS)}")
        self._check_where(kind)
        self._check_when()
        self._check_how_much(kind)

    @property
    def most_strikes(self) -> float:
        """How often it may strike; infinity where it has no end."""
        if self.count is not None:
            return self.count
        open_ended = self.probability < 1 or self.after is not None or self.until is not None
        return math.inf if open_ended else 1

    @property
    def lasts(self) -> float:
        """Wall-clock seconds: its own, or the kind's default; infinity where it has no end."""
        if self.seconds is not None:
            return self.seconds
        kind = KINDS[self.kind]
        return kind.seconds if kind.seconds is not None else math.inf

    @property
    def tells(self) -> str:
        """The error code that it tells; empty where its kind tells none."""
        return self.code or next(iter(KINDS[self.kind].codes), "")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Fault:
        """A fault from plain values, as JSON and TOML have them.

        Raises:
            FaultPlanError: names the field, its value and what is possible.
        """
        known = [field.name for field in fields(cls)]
        for name in mapping:
            if name not in known:
                raise FaultPlanError(name, f"field {name!r} is unknown; a fault has {', '.join(known)}")
        if "kind" not in mapping:
            raise FaultPlanError("", f"kind is missing; choose among {', '.join(KINDS)}")
        values: dict[str, Any] = {}
        for name, value in mapping.items():
            values[name] = _READERS[name](name, value)
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values; `from_mapping` gives the same fault back."""
        shown: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                shown[field.name] = _utc(value) if isinstance(value, datetime) else value
        return shown

    def _check_where(self, kind: Kind) -> None:
        for name in _WHERE:
            value = getattr(self, name)
            if value and name not in kind.site.where:
                raise FaultPlanError(
                    name,
                    f"{name} {value!r} does not fit {kind.name}, which strikes {kind.site.occasion}; "
                    f"it can be narrowed down by {', '.join(kind.site.where)}",
                )

    def _check_when(self) -> None:
        if not 0 < self.probability <= 1:
            raise FaultPlanError(
                "probability", f"probability {self.probability!r} must be above 0 and at most 1"
            )
        if not 1 <= self.nth <= _MOST_COUNT:
            raise FaultPlanError("nth", f"nth {self.nth!r} must be a whole number, 1 or more")
        if self.count is not None and not 1 <= self.count <= _MOST_COUNT:
            raise FaultPlanError("count", f"count {self.count!r} must be a whole number, 1 or more")
        for name in ("after", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise FaultPlanError(
                    name, f"{name} {moment.isoformat()!r} has no time zone; write 2026-01-01T00:00:00Z"
                )
        if self.after is not None and self.until is not None and self.after >= self.until:
            raise FaultPlanError(
                "until", f"until {_utc(self.until)} must be later than after {_utc(self.after)}"
            )

    def _check_how_much(self, kind: Kind) -> None:
        if self.seconds is not None:
            if not kind.takes_seconds:
                timed = ", ".join(one.name for one in KINDS.values() if one.takes_seconds)
                raise FaultPlanError(
                    "seconds", f"seconds {self.seconds!r} does not fit {kind.name}; it belongs to {timed}"
                )
            fine = math.isfinite(self.seconds) and (kind.name == "clock_skew" or self.seconds > 0)
            if not fine or self.seconds == 0:
                raise FaultPlanError("seconds", f"seconds {self.seconds!r} must be a number above 0")
        if self.code and self.code not in kind.codes:
            choice = f"choose among {', '.join(kind.codes)}" if kind.codes else f"{kind.name} tells none"
            raise FaultPlanError("code", f"code {self.code!r} does not fit {kind.name}; {choice}")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Faults and the seed of their chances. The same plan and the same occasions give the same strikes.

    Each fault draws from a generator of its own (seed, kind, its place among those of its kind, number of the occasion), so
    that one that is left out, or a probability that is lowered, does not shift what the others do.
    """

    faults: tuple[Fault, ...] = ()
    seed: int = DEFAULT_SEED

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> FaultPlan:
        """A plan from plain values: `{"seed": 7, "faults": [{"kind": ...}, ...]}`.

        Raises:
            FaultPlanError: names the fault, the field, its value and what is possible.
        """
        for name in mapping:
            if name not in ("seed", "faults"):
                raise FaultPlanError(name, f"field {name!r} is unknown; a plan of faults has seed and faults")
        seed = _read_whole("seed", mapping.get("seed", DEFAULT_SEED))
        rows = mapping.get("faults", ())
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise FaultPlanError("faults", f"faults {rows!r} must be a list of faults")
        faults = []
        for index, row in enumerate(rows):
            try:
                if not isinstance(row, Mapping):
                    raise FaultPlanError("", f"{row!r} must be a table of fields such as kind")
                faults.append(Fault.from_mapping(row))
            except FaultPlanError as error:
                raise FaultPlanError(error.field, error.problem, index) from None
        return cls(tuple(faults), seed)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values; `from_mapping` gives the same plan back."""
        return {"seed": self.seed, "faults": [fault.to_mapping() for fault in self.faults]}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FaultPlanError(name, f"{name} {value!r} must be text")
    return value


def _read_number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultPlanError(name, f"{name} {value!r} must be a number")
    return float(value)


def _read_whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FaultPlanError(name, f"{name} {value!r} must be a whole number")
    return value


def _read_moment(name: str, value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(_read_text(name, value))
    except ValueError as error:
        raise FaultPlanError(
            name, f"{name} {value!r} is not an ISO 8601 time such as 2026-01-01T00:00:00Z"
        ) from error


_READERS = {
    "kind": _read_text,
    "path": _read_text,
    "channel": _read_text,
    "inst_id": _read_text,
    "account": _read_text,
    "probability": _read_number,
    "nth": _read_whole,
    "count": _read_whole,
    "after": _read_moment,
    "until": _read_moment,
    "seconds": _read_number,
    "code": _read_text,
}

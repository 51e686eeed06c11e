"""What happens in a run: a value that compares, shrinks, and prints itself as code for a regression test."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.paper.faults import Fault, FaultPlan

SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"
NO_FAULTS = FaultPlan()


@dataclass(frozen=True)
class PlanSpec:
    """A plan: on which account (counted from 0), in what, how much it may have open."""

    account: int = 0
    inst_id: str = SPOT
    max_open_orders: int = 4
    max_position: int = 6000


# -- what an agent does in a turn


@dataclass(frozen=True)
class Place:
    """An order: `size` in tenths of an ether, the price in per mille above the last one."""

    side: Side
    order_type: OrderType
    size: int = 1
    above: int = 0


@dataclass(frozen=True)
class CancelOne:
    """The cancellation of a pending order, counted from the oldest, round and round."""

    which: int = 0


Deed = Place | CancelOne

# -- steps


@dataclass(frozen=True)
class Trade:
    """The agent of a plan does this in its next turn."""

    plan: int
    deeds: tuple[Deed, ...]


@dataclass(frozen=True)
class Ticks:
    """The market moves."""

    count: int = 1


@dataclass(frozen=True)
class Candle:
    """The market moves on until the next candle closes."""


@dataclass(frozen=True)
class Wait:
    """Time passes (simulated seconds) in which everybody does what he can."""

    seconds: float = 0.5


@dataclass(frozen=True)
class ByHand:
    """The account's owner places an order on the exchange's website."""

    account: int
    inst_id: str
    place: Place


@dataclass(frozen=True)
class HandCancel:
    """The owner cancels an open order of the account, whoever made it."""

    account: int
    which: int = 0


@dataclass(frozen=True)
class HandAmend:
    """The owner changes the size of an open order of the account, by `grow` tenths of an ether."""

    account: int
    which: int = 0
    grow: int = 1


@dataclass(frozen=True)
class Disconnect:
    """The exchange drops every connection."""


@dataclass(frozen=True)
class Kill:
    """The engine dies; another starts after `seconds`, or with the next `Kill`, or at the end."""

    seconds: float = 0.0


@dataclass(frozen=True)
class CutDatabase:
    """The database ends every session."""


@dataclass(frozen=True)
class StopDatabase:
    """The database stops at once, as in a crash, and starts again."""


@dataclass(frozen=True)
class Strike:
    """Faults are armed, besides those that are armed already."""

    fault: Fault


@dataclass(frozen=True)
class Pause:
    """The user pauses a plan, or resumes it where it is paused."""

    plan: int


Step = (
    Trade
    | Ticks
    | Candle
    | Wait
    | ByHand
    | HandCancel
    | HandAmend
    | Disconnect
    | Kill
    | CutDatabase
    | StopDatabase
    | Strike
    | Pause
)


@dataclass(frozen=True)
class Scenario:
    """A run.

    Attributes:
        seed: of the market.
        plans: at least one.
        steps: one after another.
        faults: armed from the start.
        early: the faults are armed before the engine first starts, otherwise once it is at work.
    """

    seed: int
    plans: tuple[PlanSpec, ...]
    steps: tuple[Step, ...]
    faults: FaultPlan = NO_FAULTS
    early: bool = False

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return 1 + max(plan.account for plan in self.plans)

    def kinds(self) -> set[str]:
        """The kinds of fault that may strike."""
        armed = {fault.kind for fault in self.faults.faults}
        return armed | {step.fault.kind for step in self.steps if isinstance(step, Strike)}


def as_code(value: Any, indent: int = 0) -> str:
    """Python that makes the same value: what a regression test is made of."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, Fault):
        return f"Fault({', '.join(f'{name}={worth!r}' for name, worth in value.to_mapping().items())})"
    if isinstance(value, tuple):
        parts = [as_code(one, indent + 4) for one in value]
        return _joined("(", parts, ")", indent, alone="," if len(parts) == 1 else "")
    if is_dataclass(value):
        given = [field for field in fields(value) if getattr(value, field.name) != field.default]
        parts = [f"{field.name}={as_code(getattr(value, field.name), indent + 4)}" for field in given]
        return _joined(f"{type(value).__name__}(", parts, ")", indent)
    return repr(value)


def _joined(start: str, parts: list[str], end: str, indent: int, alone: str = "") -> str:
    short = f"{start}{', '.join(parts)}{alone}{end}"
    if len(short) + indent <= 95 and "\n" not in short:
        return short
    inner = " " * (indent + 4)
    return f"{start}\n" + "".join(f"{inner}{part},\n" for part in parts) + f"{' ' * indent}{end}"

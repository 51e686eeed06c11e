"""What KOKEX's database says of the demo's plans. Nothing is taken from memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from kokex.domain.account import ExchangeAccount
from kokex.domain.approvals import Approval, ApprovalOutcome
from kokex.domain.errors import StateError
from kokex.domain.events import EventSource, OrderEvent
from kokex.domain.forecast_skill import ForecastSkill
from kokex.domain.instrument import Instrument
from kokex.domain.order import Fill, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.spending import Spending
from kokex.ports.store import Store, TurnTally
from kokex.services.accounts import market_of
from kokex.services.forecast_records import USUAL, ForecastRecords

_EVERYTHING: Final = 1_000_000
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EVENTS: Final = {"events": "order_event"}
"""First words of trigger keys that are called otherwise elsewhere."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Orders that waited for the plans' owner.

    Attributes:
        waited: all that did; those without an answer were withdrawn, or their plan was stopped.
        sent: of those approved, what the gate let through at that moment as well.
    """

    waited: int = 0
    approved: int = 0
    refused: int = 0
    sent: int = 0

    @classmethod
    def of(cls, approvals: Sequence[Approval]) -> Answers:
        """Of a plan's."""
        said = [one.answer.approved for one in approvals if one.answer is not None]
        sent = sum(one.outcome is ApprovalOutcome.SENT for one in approvals)
        return cls(len(approvals), said.count(True), said.count(False), sent)


@dataclass(frozen=True, slots=True)
class Desk:
    """One plan's doings in numbers.

    Attributes:
        denials: orders that the gate did not let through, by code.
        cost_usd: of the requests to a model.
    """

    plan: Plan
    fills: int
    tally: TurnTally
    denials: Mapping[str, int]
    requests: int
    tokens_in: int
    tokens_out: int
    cost_usd: Decimal
    answers: Answers = Answers()

    @property
    def triggers(self) -> dict[str, int]:
        """What its turns were told of, by kind."""
        return {_EVENTS.get(name, name): number for name, number in sorted(self.tally.triggers.items())}

    def document(self) -> dict[str, Any]:
        """For a program: money as text, counts as numbers."""
        return {
            "plan": self.plan.name,
            "fills": self.fills,
            "triggers": self.triggers,
            "acted": self.tally.acted,
            "held": self.tally.held,
            "failed": self.tally.failed,
            "denials": dict(self.denials),
            "approvals": asdict(self.answers),
            "requests": self.requests,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost_usd": f"{self.cost_usd:f}",
        }


@dataclass(frozen=True, slots=True)
class Record:
    """The doings of all plans of the account together, and each plan's in numbers.

    Attributes:
        plan: the first; all trade the same instrument.
        forecaster: of the first plan's newest forecast.
        skill: of that forecaster's, as far as they were measured.
    """

    plan: Plan
    instrument: Instrument
    fills: tuple[Fill, ...]
    events: tuple[OrderEvent, ...]
    events_counted: int
    decisions: int
    denied: int
    forecaster: str
    skill: ForecastSkill
    desks: tuple[Desk, ...] = ()


async def read_record(store: Store, plans: Sequence[Plan], account: ExchangeAccount) -> Record:
    """Read the doings of `plans`, which trade one instrument on one account.

    Raises:
        StateError: they never worked, so there is nothing to compare.
    """
    first = plans[0]
    instrument = await store.instruments.get(market_of(account), first.inst_id)
    if instrument is None:
        raise StateError(f"plan {first.name} never worked: its instrument {first.inst_id} was not read")
    latest = await store.forecasts.latest(first.id)
    desks, fills, events = [], list[Fill](), list[OrderEvent]()
    for plan in plans:
        own = await store.journal.fills(plan.id)
        fills += own
        events += await journalled(store, plan.id)
        desks.append(await _desk(store, plan, len(own)))
    return Record(
        plan=first,
        instrument=instrument,
        fills=tuple(fills),
        events=tuple(events),
        events_counted=sum([await store.journal.count(plan.id) for plan in plans]),
        decisions=sum([await store.turns.count(plan.id) for plan in plans]),
        denied=sum(sum(desk.denials.values()) for desk in desks),
        forecaster=latest[1].forecaster if latest else first.forecast.forecaster,
        skill=await ForecastRecords(store).skill(account, first, USUAL),
        desks=tuple(desks),
    )


async def journalled(store: Store, plan_id: int) -> list[OrderEvent]:
    """Events of the plan that the exchange made, in the journal's order."""
    events: list[OrderEvent] = []
    after = 0
    while page := await store.journal.events_after(plan_id, after):
        after = page[-1].id
        events += [event for event in page if event.source is not EventSource.COMMAND]
    return events


async def _desk(store: Store, plan: Plan, fills: int) -> Desk:
    orders = await store.orders.recent(plan.id, limit=_EVERYTHING)
    denied = (order for order in orders if order.status is OrderStatus.DENIED)
    codes = Counter((order.reason or "unknown").partition(":")[0] for order in denied)
    spent: list[Spending] = await store.spending.by_day(plan_id=plan.id, since=_ALWAYS)
    return Desk(
        plan=plan,
        fills=fills,
        tally=await store.turns.tally(plan.id),
        denials=dict(sorted(codes.items())),
        requests=sum(one.requests for one in spent),
        tokens_in=sum(one.input_tokens for one in spent),
        tokens_out=sum(one.output_tokens for one in spent),
        cost_usd=sum((one.cost_usd for one in spent), Decimal(0)),
        answers=Answers.of(await store.approvals.of_plan(plan.id)),
    )

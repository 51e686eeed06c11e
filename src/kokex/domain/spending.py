"""What language models cost: tokens by request, and their price in US dollars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens read (`input_usd`) and written (`output_usd`). Zero for a model of one's own."""

    input_usd: Decimal
    output_usd: Decimal

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What these tokens cost, in US dollars."""
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / _MILLION


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """One answered request to a language model.

    Attributes:
        provider: where it was asked: an address, or the provider's name.
        estimated: the provider did not tell the tokens; they are counted from the length of the texts, rather too many.
        cost_usd: None where no price is configured for the model.
    """

    plan_id: int
    turn_id: int
    at: datetime
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    estimated: bool
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Spending:
    """Requests added up, over one UTC day or one turn of a plan, by model.

    `cost_usd` is that of the requests with a known price; `unpriced` counts the others, `estimated` those with estimated tokens.
    """

    plan_id: int
    day: date
    turn_id: int | None
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unpriced: int
    estimated: int


@dataclass(frozen=True, slots=True)
class Budget:
    """US dollars that turns with a language model may cost in one UTC day: of all plans together, and of each. None: no limit."""

    platform_usd: Decimal | None = None
    plan_usd: Decimal | None = None

    def spent(self, by_plan: dict[int, Decimal], plan_id: int) -> str | None:
        """Why no further request may be made for the plan, as a sentence; None while there is money left."""
        total, own = sum(by_plan.values(), Decimal(0)), by_plan.get(plan_id, Decimal(0))
        if self.plan_usd is not None and own >= self.plan_usd:
            return (
                f"the plan's model budget of {self.plan_usd:f} USD for this UTC day is spent ({own:.4f} USD)"
            )
        if self.platform_usd is not None and total >= self.platform_usd:
            return f"the platform's model budget of {self.platform_usd:f} USD for this UTC day is spent ({total:.4f} USD)"
        return None

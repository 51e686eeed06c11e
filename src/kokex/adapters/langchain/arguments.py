"""What each tool takes: checked here before anything else sees it, and shown to a model as JSON schema."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from kokex.domain.indicator import Indicator
from kokex.domain.instrument import Side
from kokex.domain.notice import LONGEST_NOTE, AlertDirection
from kokex.domain.order import OrderType
from kokex.domain.parent_order import Style

_PLAIN = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")


def _plain_number(value: Any) -> Any:
    """Digits 0 to 9 and a point: no sign, exponent, separator, unit, or digits of other scripts that people would misread."""
    if isinstance(value, bool) or (isinstance(value, str) and not _PLAIN.fullmatch(value)):
        raise ValueError(
            "write it as plain digits with a point, such as 0.35: no sign, exponent, separator or unit"
        )
    return value


PositiveDecimal = Annotated[
    Decimal,
    BeforeValidator(_plain_number),
    Field(gt=0, lt=Decimal("1e15"), max_digits=30, decimal_places=18),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?$", "examples": ["0.35"]}),
]
"""A decimal number written as text, so that nothing is lost on the way."""

OrderName = Annotated[
    str,
    Field(
        pattern=r"^[0-9A-Za-z]{1,32}$",
        description="client_order_id as place_order or get_pending_orders gave it.",
    ),
]


class Arguments(BaseModel):
    """Arguments of a tool: these names and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoArguments(Arguments):
    """The tool takes none."""


class CandleArguments(Arguments):
    """How many candles."""

    limit: int = Field(
        default=50, ge=1, le=300, description="How many of the latest closed candles, 1 to 300."
    )


class PastDecisionsArguments(Arguments):
    """Which decisions."""

    limit: int = Field(default=5, ge=1, le=20, description="How many of the latest decisions, 1 to 20.")
    only_with_orders: bool = Field(default=False, description="Only decisions that asked for an order.")


class BookArguments(Arguments):
    """How much of the order book."""

    depth: int = Field(default=10, ge=1, le=50, description="Price levels of each side, 1 to 50.")


class IndicatorArguments(Arguments):
    """Which indicators, at how many candles."""

    names: tuple[Indicator, ...] = Field(
        min_length=1,
        max_length=8,
        description="1 to 8 names; the numbers are candles of the plan's interval.",
    )
    limit: int = Field(
        default=5, ge=1, le=50, description="At how many of the latest closed candles, 1 to 50."
    )


class LatestArguments(Arguments):
    """How many of the latest."""

    limit: int = Field(default=20, ge=1, le=100, description="How many of the latest, 1 to 100.")


class PredictionHistoryArguments(Arguments):
    """How many forecasts."""

    limit: int = Field(default=10, ge=1, le=50, description="How many of the latest forecasts, 1 to 50.")


class SkillArguments(Arguments):
    """Over how many forecasts."""

    limit: int = Field(
        default=100,
        ge=1,
        le=500,
        description="Over how many of the latest forecasts whose horizon has passed, 1 to 500; one in each quarter of a horizon counts.",
    )


class OrderNameArguments(Arguments):
    """Which order."""

    client_order_id: OrderName


class AmendOrderArguments(Arguments):
    """Which order, and what is to be different."""

    client_order_id: OrderName
    quantity: PositiveDecimal | None = Field(
        default=None,
        description="The order's new total, what is filled already included; more than is filled. Left out: it stays.",
    )
    price: PositiveDecimal | None = Field(
        default=None, description="The new limit price, a multiple of tick_size. Left out: it stays."
    )
    reason: str | None = Field(
        default=None,
        max_length=1000,
        description="Why, with the numbers that you read in this turn: they are checked before the change goes out.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> AmendOrderArguments:
        if self.quantity is None and self.price is None:
            raise ValueError("name a new quantity, a new price, or both")
        return self


class ClosePositionArguments(Arguments):
    """At what price."""

    price: PositiveDecimal | None = Field(
        default=None, description="A limit price, a multiple of tick_size. Left out: at market."
    )
    reason: str | None = Field(
        default=None,
        max_length=1000,
        description="Why, with the numbers that you read in this turn: they are checked before anything goes out.",
    )


class PlaceOrderArguments(Arguments):
    """What to ask for."""

    side: Side = Field(description="buy or sell.")
    order_type: OrderType = Field(
        description="market takes the other side at once; limit may take or rest; post_only rests or is canceled; "
        "ioc fills what it can at once; fok fills whole at once or not at all."
    )
    quantity: PositiveDecimal = Field(
        description="Base currency for spot, contracts for swaps; a multiple of lot_size, at least min_quantity."
    )
    price: PositiveDecimal | None = Field(
        default=None,
        description="In quote currency, a multiple of tick_size. Required unless order_type is market, which takes none.",
    )
    stop_loss: PositiveDecimal | None = Field(
        default=None,
        description="Trigger price at which the exchange closes at market what this order filled, also while KOKEX is down: below the "
        "order's price for a buy, above for a sell.",
    )
    take_profit: PositiveDecimal | None = Field(
        default=None,
        description="The same on the other side, for a profit. Whichever is reached first ends the other.",
    )
    reason: str | None = Field(
        default=None,
        max_length=1000,
        description="Why, with the numbers that you read in this turn: they are checked before the order goes out.",
    )


class PositionSizeArguments(Arguments):
    """Which holding."""

    side: Side = Field(description="buy: how much to hold; sell: how much to be short.")
    order_type: OrderType = Field(
        default=OrderType.POST_ONLY,
        description="How it would be entered: it sets the price, and whether in a batch.",
    )
    price: PositiveDecimal | None = Field(
        default=None,
        description="In quote currency, a multiple of tick_size; left out: the present touch.",
    )


class WorkOrderArguments(Arguments):
    """What is to be had, and how."""

    side: Side = Field(description="buy or sell.")
    quantity: PositiveDecimal = Field(
        description="All of it: base currency for spot, contracts for swaps; a multiple of lot_size."
    )
    style: Style = Field(
        description="twap: equal slices over the time, each takes what is offered. iceberg: rests at limit_price, `visible` at a time. "
        "post_only: rests at the best price of its own side and follows it, never takes."
    )
    minutes: PositiveDecimal = Field(description="Its time; what is not filled by then is not done.")
    limit_price: PositiveDecimal | None = Field(
        default=None, description="Never worse than this, in quote currency. An iceberg needs it."
    )
    slices: int | None = Field(
        default=None, ge=2, le=500, description="A twap needs it: into how many orders it is cut."
    )
    visible: PositiveDecimal | None = Field(
        default=None, description="An iceberg needs it: how much rests at a time."
    )


class ParentOrderArguments(Arguments):
    """Which parent order."""

    number: int = Field(ge=1, description="Its number as work_order or get_pending_orders gave it.")


class PriceAlertArguments(Arguments):
    """At which price to be woken."""

    price: PositiveDecimal = Field(description="In quote currency.")
    direction: AlertDirection = Field(
        description="above: once the last price is at it or higher; below: at it or lower."
    )
    note: str = Field(
        default="", max_length=LONGEST_NOTE, description="What you want to be reminded of then."
    )


class RememberArguments(Arguments):
    """What to keep."""

    text: str = Field(min_length=1, max_length=LONGEST_NOTE, description="The note, in plain words.")


class RecallArguments(Arguments):
    """Which notes."""

    query: str | None = Field(
        default=None, max_length=100, description="Words that a note must have; none for all."
    )
    limit: int = Field(default=10, ge=1, le=50, description="How many of the newest, 1 to 50.")


def faults(error: ValidationError) -> str:
    """What is wrong with some arguments, as one line that names each of them and what was given."""
    sentences = []
    for fault in error.errors(include_url=False, include_context=False)[:5]:
        name = ".".join(str(part) for part in fault["loc"]) or "arguments"
        given = "" if fault["type"] == "missing" else f" (given: {str(fault['input'])[:80]!r})"
        sentences.append(f"{name}: {fault['msg']}{given}")
    return "; ".join(sentences)

"""What `kokex approve` tells: the orders that wait for a person, and what became of one that was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kokex.bootstrap import Application
from kokex.cli.output import plain, say, say_table, when
from kokex.domain.approvals import Approval
from kokex.domain.errors import NotFoundError
from kokex.domain.order import Order
from kokex.services.accounts import market_of

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Answered:
    """An approval with a person's answer, its order as it is now, and whether an engine works here that hears of it."""

    approval: Approval
    order: Order | None
    heard: bool


async def read_waiting(opened: Application) -> list[dict[str, Any]]:
    """Each order that waits, as JSON-ready values, oldest first."""
    plans = {plan.id: plan for plan in await opened.store.plans.list()}
    rows: list[dict[str, Any]] = []
    for approval in await opened.store.approvals.waiting():
        order = await opened.store.orders.get(approval.account_id, approval.client_order_id)
        if order is None:
            continue
        plan, answer = plans.get(approval.plan_id), approval.answer
        rows.append(
            {
                "client_order_id": approval.client_order_id,
                "plan": plan.name if plan else str(approval.plan_id),
                "inst_id": order.inst_id,
                "side": order.side.value,
                "order_type": order.order_type,
                "quantity": order.quantity,
                "price": order.price,
                "notional": approval.notional,
                "currency": await _quote_currency(opened, order),
                "since": approval.asked_at,
                "until": approval.expires_at,
                "answer": None if answer is None else ("approved" if answer.approved else "refused"),
                "answered_by": None if answer is None else answer.by,
                "reason": await _agents_reason(opened, order),
            }
        )
    return rows


def print_waiting(rows: list[dict[str, Any]]) -> None:
    """For a person."""
    if not rows:
        say("No order waits for approval.")
        return
    columns = ("order", "plan", "instrument", "side", "type", "quantity", "price", "worth", "since", "until", "answer", "agent's reason")  # fmt: skip
    say_table("", columns, [_row(row) for row in rows])
    say("`kokex approve ORDER` sends one, `kokex approve ORDER --refuse` does not.")


def answered_document(result: Answered) -> dict[str, Any]:
    """As JSON-ready values; `outcome` is null as long as nothing became of the order."""
    approval, answer = result.approval, result.approval.answer
    assert answer is not None
    return {
        "client_order_id": approval.client_order_id,
        "answer": "approved" if answer.approved else "refused",
        "answered_by": answer.by,
        "answered_at": answer.at,
        "until": approval.expires_at,
        "outcome": approval.outcome,
        "status": result.order.status if result.order else None,
        "reason": result.order.reason if result.order and approval.outcome else None,
    }


def answered_words(result: Answered) -> str:
    """For a person."""
    approval, order, answer = result.approval, result.order, result.approval.answer
    assert answer is not None
    said = (
        f"Order {approval.client_order_id} is {'approved' if answer.approved else 'refused'} by {answer.by}"
    )
    if approval.outcome is not None and order is not None:
        why = f" ({order.reason})" if order.reason else ""
        return f"{said}: {approval.outcome.value}, the order is {order.status.value}{why}."
    if not answer.approved:
        later = "" if result.heard else " No engine works on this data folder now; the next one ends it."
        return f"{said}; it is not sent.{later}"
    condition = f"before {when(approval.expires_at)}, if the risk gate lets it through then"
    if result.heard:
        return f"{said}; it goes out {condition}. `kokex order list` shows what becomes of it."
    return f"{said}. No engine works on this data folder now; the next one sends it {condition}."


async def _quote_currency(opened: Application, order: Order) -> str | None:
    account = await opened.store.accounts.get(order.account_id)
    instrument = await opened.store.instruments.get(market_of(account), order.inst_id)
    return instrument.quote_currency if instrument else None


async def _agents_reason(opened: Application, order: Order) -> str | None:
    """Why the agent wants the order: what it said with it, else of the whole turn; None while that is not known."""
    if order.decision_id is None:
        return None
    try:
        turn = await opened.store.turns.get(order.decision_id)
    except NotFoundError:
        return None
    for call in turn.tool_calls:
        told = call.arguments.get("reason")
        if call.result.get("client_order_id") == order.client_order_id and isinstance(told, str) and told:
            return _short(told)
    return None if turn.decision is None else _short(turn.decision.reason)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}..."


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    answer = "-" if row["answer"] is None else f"{row['answer']} by {row['answered_by']}"
    return (
        row["client_order_id"],
        row["plan"],
        row["inst_id"],
        row["side"],
        row["order_type"],
        plain(row["quantity"]),
        plain(row["price"]),
        f"{row['notional']:.2f} {row['currency'] or ''}".strip(),
        when(row["since"]),
        when(row["until"]),
        answer,
        row["reason"] or "-",
    )

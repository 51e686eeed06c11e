"""One decision as kept: what `kokex decision show` tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kokex.bootstrap import Application
from kokex.cli.output import plain, say, say_table, utc, when
from kokex.domain.costs import fees_by_currency
from kokex.domain.decision import ToolCall
from kokex.domain.instrument import Instrument
from kokex.domain.order import Fill, Order
from kokex.domain.plan import Plan
from kokex.ports.store import TurnRecord
from kokex.services.accounts import market_of
from kokex.services.past_decisions import PastDecision, read_decision

_MOST_LINES = 24
"""Lines that one tool result takes; the rest is in `--json`."""
_WIDTH = 110
_TRADES = ("place_order", "amend_order", "cancel_order", "close_position", "work_order", "stop_working")


@dataclass(frozen=True, slots=True)
class DecisionReport:
    """What is kept of a decision. `instrument` and `last_close` are None where they are not known here."""

    plan: Plan
    past: PastDecision
    record: Mapping[str, Any]
    instrument: Instrument | None
    last_close: Decimal | None

    @property
    def turn(self) -> TurnRecord:
        """The turn."""
        return self.past.turn

    @property
    def pnl(self) -> Decimal | None:
        """Profit or loss of this decision's fills at the last close, in quote currency, after fees."""
        if self.instrument is None or self.last_close is None:
            return None
        return self.past.pnl(self.instrument, self.last_close)


async def read_report(opened: Application, number: int) -> DecisionReport:
    """Read it all from the database. Raises `NotFoundError`."""
    store = opened.store
    turn = await store.turns.get(number)
    plan = await store.plans.get(turn.plan_id)
    market = market_of(await store.accounts.get(plan.account_id))
    newest = await store.candles.latest(market, plan.inst_id, plan.interval, 1)
    return DecisionReport(
        plan=plan,
        past=await read_decision(store, turn),
        record=await store.turns.notes(number),
        instrument=await store.instruments.get(market, plan.inst_id),
        last_close=Decimal(repr(float(newest.closes[-1]))) if len(newest) else None,
    )


def document(report: DecisionReport) -> dict[str, Any]:
    """As JSON-ready values."""
    turn, decision = report.turn, report.turn.decision
    return {
        "decision": turn.id,
        "plan": report.plan.name,
        "inst_id": report.plan.inst_id,
        "status": turn.status,
        "started_at": turn.started_at,
        "finished_at": turn.finished_at,
        "woken_by": turn.trigger_summary,
        "trigger_keys": turn.trigger_keys,
        "action": decision.action if decision else None,
        "confidence": decision.confidence if decision else None,
        "reason": decision.reason if decision else None,
        "change_of_mind": decision.change_of_mind if decision else None,
        "model": decision.model if decision else report.record.get("model"),
        "error": turn.error,
        "tool_calls": [
            {
                "name": call.name,
                "arguments": call.arguments,
                "result": call.result,
                "asked_at": call.asked_at,
                "seconds": call.seconds,
            }
            for call in turn.tool_calls
        ],
        "orders": [_order(order, report.past.fills_of(order)) for order in report.past.orders],
        "fills": [_fill(fill) for fill in report.past.fills],
        "pnl_at_last_close": report.pnl,
        "last_close": report.last_close,
        "quote_currency": report.instrument.quote_currency if report.instrument else None,
        "record": dict(report.record),
    }


def print_report(report: DecisionReport) -> None:
    """For a person, in the order in which it happened."""
    turn, decision = report.turn, report.turn.decision
    say_table(f"Decision {turn.id} of plan {report.plan.name}", ("", ""), _heading(report))
    say("What woke it")
    for number, trigger in enumerate(report.record.get("triggers", ()), 1):
        _say_facts(f"{number}. ", trigger)
    if not report.record:
        say(f"  {turn.trigger_summary} (this turn was made before records were kept)")
    say("\nWhat it saw and asked, in order (times are UTC)")
    for number, call in enumerate(turn.tool_calls, 1):
        _say_call(number, call)
    if not turn.tool_calls:
        say("  nothing: no tool was used")
    _say_orders(report)
    say("\nWhat it concluded")
    if decision is None:
        say(f"  no decision: {turn.error or 'the turn is still running'}")
        return
    say(f"  {decision.action.value}: {decision.reason}")
    for where, figures in report.record.get("figures_not_read", {}).items():
        say(
            f"  ! the {where} quotes {', '.join(figures)}, which no tool told in this turn: do not rely on it"
        )
    if decision.change_of_mind:
        say(f"  what would change its mind: {decision.change_of_mind}")


def print_messages(record: Mapping[str, Any]) -> None:
    """The prompt, and every message to and from the model."""
    context = record.get("context")
    if not context:
        say("\nNo language model was asked: there are no messages.")
        return
    say(f"\n--- system prompt (version {context.get('prompt_version')})\n{context.get('system_prompt')}")
    for number, call in enumerate(record.get("model_calls", ()), 1):
        for message in call["asked"]:
            say(f"\n--- request {number}: {_who(message)}\n{message['content']}")
        say(f"\n--- answer {number} after {call['seconds']:.2f} s, {_tokens(call)}")
        if call.get("error"):
            say(f"failed: {call['error']}")
        answer = call.get("answer") or {}
        if answer.get("content"):
            say(answer["content"])
        for asked in (*answer.get("tool_calls", ()), *answer.get("invalid_tool_calls", ())):
            say(f"{asked['name']} {json.dumps(asked['arguments'], ensure_ascii=False)}")


def _heading(report: DecisionReport) -> list[tuple[str, str]]:
    turn, decision, record = report.turn, report.turn.decision, report.record
    took = f"{(turn.finished_at - turn.started_at).total_seconds():.2f} s" if turn.finished_at else "-"
    rows = [
        ("trades", f"{report.plan.inst_id}, candles of {report.plan.interval}"),
        ("status", turn.status.value),
        ("began", f"{when(turn.started_at)} ({utc(turn.started_at)}), took {took}"),
        ("woken by", turn.trigger_summary),
        ("decided by", decision.model if decision else str(record.get("model") or "-")),
    ]
    if decision and decision.confidence is not None:
        rows.append(("confidence", f"{decision.confidence:.2f}"))
    calls = record.get("model_calls", ())
    if calls:
        settings = ", ".join(f"{name} {value}" for name, value in record.get("settings", {}).items())
        rows += [("model settings", settings), ("requests", f"{len(calls)}, {_all_tokens(calls)}")]
    if record.get("attempt", 1) > 1 or record.get("resumed"):
        rows.append(("attempts", "the turn was cut short and run again; this is the last run"))
    if record.get("cut"):
        rows.append(("cut", f"{record['cut']} long texts of the record were cut; each says so"))
    return rows


def _say_call(number: int, call: ToolCall) -> None:
    at = f"{utc(call.asked_at)[11:]}  " if call.asked_at else ""
    asked = ", ".join(f"{name}={value}" for name, value in call.arguments.items() if value is not None)
    say(f"  {number}. {at}{call.name}({asked})  {call.seconds * 1000:.1f} ms")
    if call.name in _TRADES:
        say(f"     {_verdict(call.result)}")
        return
    _say_facts("     ", call.result)


def _verdict(result: Mapping[str, Any]) -> str:
    """What the gate, or the exchange, said to a command."""
    status = result.get("status") or result.get("cancel")
    name = result.get("client_order_id")
    named = f" ({name})" if name else ""
    code, error = result.get("code"), result.get("error")
    if status == "denied":
        return f"the risk gate denied it{named}: {code}: {error}"
    if error and not status:
        return f"refused, nothing was sent: {code}: {error}"
    if error:
        return f"let through by the risk gate; {status}{named}: {code}: {error}"
    return f"let through by the risk gate; {status}{named}"


def _say_orders(report: DecisionReport) -> None:
    past = report.past
    if not past.orders:
        return
    quote = report.instrument.quote_currency if report.instrument else "quote currency"
    say("")
    columns = ("order", "side", "type", "quantity", f"price ({quote})", "status", "filled", "average price", "against mid (bps)", "fees", "why")  # fmt: skip
    say_table(
        "What became of its orders",
        columns,
        [_order_row(order, past.fills_of(order)) for order in past.orders],
    )
    if past.fills:
        told = ("trade", "side", "quantity", f"price ({quote})", "fee", "at (UTC, the exchange's clock)")
        say_table("Fills", told, [_fill_row(fill) for fill in past.fills])
    if report.pnl is not None and report.last_close is not None:
        say(
            f"Profit or loss of these fills since: {report.pnl:+.2f} {quote} after fees, "
            f"at the last close of {plain(report.last_close)} {quote}"
        )


def _order_row(order: Order, fills: Sequence[Fill]) -> tuple[str, ...]:
    return (
        order.client_order_id or order.order_id or "-",
        order.side.value,
        order.order_type,
        plain(order.quantity),
        plain(order.price),
        order.status.value,
        plain(order.filled_quantity),
        plain(order.average_price),
        "-" if order.slippage_bps is None else f"{order.slippage_bps:+.2f}",
        ", ".join(f"{plain(fee)} {name}" for name, fee in sorted(fees_by_currency(fills).items())) or "-",
        order.reason or "-",
    )


def _fill_row(fill: Fill) -> tuple[str, ...]:
    fee = "-" if fill.fee is None else f"{plain(fill.fee)} {fill.fee_currency or ''}".strip()
    return (
        fill.trade_id or "-",
        fill.side.value,
        plain(fill.quantity),
        plain(fill.price),
        fee,
        utc(fill.occurred_at),
    )


def _order(order: Order, fills: Sequence[Fill]) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "step": order.step,
        "side": order.side.value,
        "order_type": order.order_type,
        "quantity": order.quantity,
        "price": order.price,
        "status": order.status,
        "filled_quantity": order.filled_quantity,
        "average_price": order.average_price,
        "decision_mid": order.decision_mid,
        "slippage_bps": order.slippage_bps,
        "fees": fees_by_currency(fills),
        "reason": order.reason,
        "created_at": order.created_at,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "client_order_id": fill.client_order_id,
        "trade_id": fill.trade_id,
        "side": fill.side.value,
        "quantity": fill.quantity,
        "price": fill.price,
        "fee": fill.fee,
        "fee_currency": fill.fee_currency,
        "occurred_at": fill.occurred_at,
    }


def _say_facts(lead: str, facts: Mapping[str, Any]) -> None:
    """Names and values, several on a line, as many lines as fit."""
    indent = " " * len(lead)
    lines = list(_filled(facts))
    for number, line in enumerate(lines[:_MOST_LINES]):
        say(f"{lead if number == 0 else indent}{line}")
    if len(lines) > _MOST_LINES:
        say(f"{indent}... {len(lines) - _MOST_LINES} more lines; `--json` has them all")


def _filled(facts: Mapping[str, Any]) -> Iterator[str]:
    line = ""
    for name, value in _flat("", facts):
        word = f"{name} {value}"
        if line and len(line) + len(word) > _WIDTH:
            yield line
            line = ""
        line = f"{line}; {word}" if line else word
    if line:
        yield line


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        for number, inner in enumerate(value):
            yield from _flat(f"{name}[{number}]", inner)
    elif isinstance(value, list):
        yield name, ", ".join(str(one) for one in value) or "none"
    elif value is not None:
        yield name, str(value)


def _who(message: Mapping[str, Any]) -> str:
    return f"{message['role']} {message['name']}" if message.get("name") else str(message["role"])


def _tokens(call: Mapping[str, Any]) -> str:
    if call.get("tokens_in") is None:
        return "tokens unknown"
    return f"{call['tokens_in']} tokens in, {call['tokens_out']} out"


def _all_tokens(calls: list[Mapping[str, Any]]) -> str:
    known = [call for call in calls if call.get("tokens_in") is not None]
    if not known:
        return "tokens unknown"
    into, out = (sum(call[name] or 0 for call in known) for name in ("tokens_in", "tokens_out"))
    return f"{into} tokens in, {out} out"

"""Conversations between a user and a plan's agent, through the database: the command and the engine are separate processes.

A message is durable before the agent hears of it; its trigger key is written with the turn that is told of it, so it is told once.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from kokex.domain.decision import ChatLine
from kokex.domain.errors import ConfigurationError, StateError, StoreUnavailableError
from kokex.domain.plan import Plan, PlanStatus, TriggerKind
from kokex.ports.clock import Clock
from kokex.ports.messages import Answered, MessageStore, UserMessage
from kokex.ports.store import Store

log = structlog.get_logger(__name__)

LONGEST_MESSAGE = 4000
"""Characters of one message."""
_LINES = 10
"""Messages of the conversation so far that the agent is shown, with its answers."""
_LONGEST_LINE = 1000
_POLL_SECONDS = 0.2


class Ears(Protocol):
    """Whoever has plans at work."""

    async def on_user_messages(self, plan_id: int) -> None:
        """Messages may wait for the plan; 0: for any."""
        ...


async def follow_messages(messages: MessageStore, clock: Clock, ears: Ears) -> None:
    """Pass on word of new messages until cancelled."""
    while True:
        try:
            async for plan_id in messages.arrivals():
                await ears.on_user_messages(plan_id)
        except StoreUnavailableError as error:
            log.warning("messages wait for the database", reason=str(error))
            await clock.sleep(1.0)


async def conversation(messages: MessageStore, plan_id: int, turn_id: int) -> tuple[ChatLine, ...]:
    """The conversation before turn `turn_id`, oldest first."""
    lines = []
    for one in await messages.answered(plan_id, limit=_LINES):
        if one.turn_id == turn_id:
            continue
        answer = one.answer or (f"(no answer: {one.error})" if one.error else "(no answer)")
        lines.append(
            ChatLine(
                one.message.sent_at, one.message.text[:_LONGEST_LINE], answer[:_LONGEST_LINE], one.turn_id
            )
        )
    return tuple(lines)


async def send(store: Store, clock: Clock, plan: Plan, text: str) -> UserMessage:
    """Keep a message to the plan's agent.

    Raises:
        ConfigurationError: an empty or too long message, or a plan whose agent is not woken by messages.
        StateError: the plan is not running.
    """
    words = text.strip()
    if not words:
        raise ConfigurationError("the message is empty; nothing was sent")
    if len(words) > LONGEST_MESSAGE:
        raise ConfigurationError(
            f"the message has {len(words)} characters, more than {LONGEST_MESSAGE}; nothing was sent"
        )
    if TriggerKind.USER not in plan.agent.triggers:
        wakes = ", ".join(sorted(plan.agent.triggers))
        raise ConfigurationError(
            f"messages do not wake the agent of plan {plan.name} (only {wakes}); create a plan with `--trigger user`"
        )
    if plan.status is not PlanStatus.RUNNING:
        raise StateError(
            f"plan {plan.name} is {plan.status.value}, its agent reads nothing; `kokex plan start {plan.name}` first"
        )
    return await store.messages.add(plan.id, words, clock.now())


async def answer_to(store: Store, clock: Clock, message: UserMessage, *, seconds: float) -> Answered | None:
    """The turn that read `message`, once it has ended; None where there is none within `seconds`."""
    deadline = clock.monotonic() + seconds
    while True:
        for one in await store.messages.answered(message.plan_id, limit=2 * _LINES):
            if one.message.id == message.id and one.finished:
                return one
        if clock.monotonic() >= deadline:
            return None
        await clock.sleep(_POLL_SECONDS)

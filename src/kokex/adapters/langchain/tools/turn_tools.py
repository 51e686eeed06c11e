"""The tools of one turn: one door for the built-in policy and for a language model alike.

`TurnTools.call` checks arguments, keeps the turn's limits, runs one tool at a time in the order of asking, and records what was asked
and answered. `structured_tools` shows the same door to LangChain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from kokex.adapters.langchain.arguments import faults
from kokex.adapters.langchain.grounding import Grounding
from kokex.adapters.langchain.tools.catalogue import TOOLS
from kokex.adapters.langchain.tools.tool import Tool
from kokex.domain.decision import ToolCall
from kokex.domain.errors import KokexError, StoreError
from kokex.domain.plan import AgentSettings, TradingTool
from kokex.ports.clock import Clock
from kokex.ports.toolbox import Toolbox, ToolResult

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

log = structlog.get_logger(__name__)

_LONGEST_RECORD = 2000
_EXITS = frozenset({TradingTool.PLACE_ORDER, TradingTool.CANCEL_ORDER})
"""What the built-in exits need."""


class TurnTools:
    """A toolbox with the turn's limits around it and a record of its use: `calls`, noted as they happen."""

    def __init__(
        self, toolbox: Toolbox, limits: AgentSettings, clock: Clock, calls: list[ToolCall] | None = None
    ) -> None:
        self._toolbox = toolbox
        self._limits = limits
        self._clock = clock
        self._most = limits.max_tool_calls
        self.deadline = clock.monotonic() + limits.turn_seconds
        self._calls = [] if calls is None else calls
        self._asked = 0
        self.last_call: ToolCall | None = None
        self._exits = False
        self.grounding = Grounding()
        self._one_at_a_time = asyncio.Lock()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """What was asked and answered so far, in order; calls over the limit are kept once."""
        return tuple(self._calls)

    @property
    def acted(self) -> bool:
        """Whether anything may have reached the exchange: an order or a cancellation that was not refused."""
        return any(
            TOOLS[call.name].trades and not refused(call.result) for call in self._calls if call.name in TOOLS
        )

    def may(self, name: str) -> bool:
        """Whether the plan has the tool: all that read, and of those that trade the granted ones."""
        tool = TOOLS[name]
        return not tool.trades or name in self._limits.trading_tools or (self._exits and name in _EXITS)

    def permit_exits(self) -> None:
        """Let what reduces and withdraws through for the rest of the turn, if the plan was granted any tool that trades.

        For the built-in exits, which never ask for more. A plan without any such grant sends nothing, whoever decides.
        """
        self._exits = bool(self._limits.trading_tools)

    def make_room(self, calls: int) -> None:
        """Let `calls` more be made from now on: for the built-in exits, when a model is gone that had used up the turn's."""
        self._most = max(self._most, self._asked + calls)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Use a tool. Never raises for what the caller did: a refusal is a result with `error` and `code`.

        Raises:
            StoreError: nothing can be known or kept now.
            KokexError: a trading tool could not say what became of its command.
        """
        async with self._one_at_a_time:
            self._asked += 1
            asked_at, begun = self._clock.now(), self._clock.monotonic()
            result: dict[str, Any] = _refusal("unknown", "the turn ended during this call")
            try:
                result = await self._answer(name, arguments)
            finally:
                seconds = self._clock.monotonic() - begun
                self.last_call = ToolCall(name[:64], shown(arguments), result, seconds, asked_at)
                if self._asked <= self._most + 1:
                    self._calls.append(self.last_call)
            return result

    async def look(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Read something for the turn's context. It is the program that asks: not counted among the calls of whoever decides.

        Raises:
            StoreError: nothing can be known now.
        """
        tool = TOOLS[name]
        if tool.trades:
            raise ValueError(f"{name} trades: it is no way to look")
        checked = tool.arguments.model_validate(dict(arguments))
        values = {field: getattr(checked, field) for field in type(checked).model_fields}
        method: Callable[..., Awaitable[ToolResult]] = getattr(self._toolbox, name)
        async with self._one_at_a_time:
            return await _read(name, method(**values))

    @property
    def next_step(self) -> int:
        """Number of the turn's next command."""
        return self._toolbox.step

    def go_on_after(self, calls: Sequence[ToolCall], step: int) -> None:
        """Take up a turn that was cut short after `calls`: they count, and the next command is number `step`."""
        self._calls.extend(calls)
        self._asked += len(calls)
        self._toolbox.step = step

    async def settled(self) -> None:
        """Return once no call is running: an order on its way is never left behind."""
        async with self._one_at_a_time:
            return

    async def _answer(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        tool = TOOLS.get(name)
        if tool is None:
            return _refusal(
                "unknown_tool",
                f"there is no tool {name[:64]!r}; use one of {', '.join(filter(self.may, TOOLS))}",
            )
        if not self.may(name):
            return _not_permitted(name, self._limits.trading_tools)
        spent = self._spent()
        if spent is not None:
            return spent
        try:
            checked = tool.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            return _refusal("invalid_arguments", f"{name} did nothing: {faults(error)}")
        values = {field: getattr(checked, field) for field in type(checked).model_fields}
        if tool.trades and "reason" in tool.arguments.model_fields:
            unread = self.grounding.refusal(values, self._calls)
            if unread is not None:
                return unread
            del values["reason"]
        method: Callable[..., Awaitable[ToolResult]] = getattr(self._toolbox, name)
        return await (_to_its_end(method(**values)) if tool.trades else _read(name, method(**values)))

    def _spent(self) -> dict[str, Any] | None:
        """The refusal of a call over the turn's limits; None within them."""
        most, seconds = self._most, self._limits.turn_seconds
        if self._asked > most:
            return _refusal(
                "too_many_calls", f"this turn's {most} tool calls are used up; give your final answer"
            )
        if self._clock.monotonic() >= self.deadline:
            return _refusal("out_of_time", f"this turn's {seconds:g} s are over; nothing was done")
        return None


def refused(result: Mapping[str, Any]) -> bool:
    """Whether a command had no effect for certain. An unknown outcome is not a refusal."""
    return "error" in result and outcome(result) != "unknown"


def outcome(result: Mapping[str, Any]) -> str:
    """What became of a command: accepted, denied, rejected, unknown..., or the code of its refusal."""
    return str(
        result.get("amend")
        or result.get("status")
        or result.get("cancel")
        or result.get("code")
        or "accepted"
    )


def structured_tools(tools: TurnTools) -> list[StructuredTool]:
    """The tools that the plan has, for LangChain. Arguments are checked behind the door, so that a wrong one is recorded and answered."""
    from langchain_core.tools import StructuredTool  # noqa: PLC0415 - 0.7 s and 43 MB that the built-in policy does without

    def bind(tool: Tool) -> StructuredTool:
        async def ask(**arguments: Any) -> dict[str, Any]:
            return await tools.call(tool.name, arguments)

        return StructuredTool(
            name=tool.name,
            description=tool.description,
            args_schema=tool.arguments.model_json_schema(),
            coroutine=ask,
        )

    return [bind(tool) for tool in TOOLS.values() if tools.may(tool.name)]


async def _read(name: str, query: Awaitable[ToolResult]) -> dict[str, Any]:
    """What a tool that only reads tells; where it cannot, or fails by a fault of ours or of a library, that is its answer."""
    try:
        return dict(await query)
    except StoreError:
        raise
    except KokexError as error:
        return _refusal("not_available", f"{name} has no answer now: {error}")
    except Exception as error:
        log.exception("tool failed", tool=name)
        return _refusal(
            "not_available", f"{name} has no answer: it failed by a fault of its own ({type(error).__name__})"
        )


async def _to_its_end(command: Awaitable[ToolResult]) -> dict[str, Any]:
    """Await `command`; if the turn is cancelled meanwhile, see the command through first and then be cancelled."""
    task = asyncio.ensure_future(command)
    try:
        return dict(await asyncio.shield(task))
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        raise


def _not_permitted(name: str, granted: Collection[str]) -> dict[str, Any]:
    has = f"of those that trade it has {', '.join(sorted(granted))}" if granted else "it can only watch"
    return _refusal(
        "tool_not_permitted",
        f"{name} did nothing: this plan was not granted it, {has}; only its owner can change that",
    )


def _refusal(code: str, error: str) -> dict[str, Any]:
    return {"error": error, "code": code}


def shown(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as the record keeps them: whole where they are of a sensible size."""
    plain = {str(name)[:64]: _plain(value) for name, value in list(arguments.items())[:20]}
    return plain if len(str(plain)) <= _LONGEST_RECORD else {"too_long": str(plain)[:_LONGEST_RECORD]}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | list | dict) else str(value)

"""From a command's arguments to a running application: settings, logs, event loop, errors."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from kokex.domain.errors import ConfigurationError, KokexError

if TYPE_CHECKING:
    from kokex.bootstrap import Application
    from kokex.domain.plan import Plan
    from kokex.settings import Settings

_Result = TypeVar("_Result")


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment.

    Raises:
        ConfigurationError: a variable cannot be what it says; the message names it, and its value unless secret.
    """
    from pydantic import ValidationError

    from kokex.settings import Settings

    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = "KOKEX_" + "_".join(str(part) for part in first["loc"]).upper()
        shown = "" if "KEY" in name or "URL" in name else f" {first['input']!r}"
        raise ConfigurationError(f"{name}{shown} is wrong: {first['msg'].lower()}") from error


def quiet_logs(settings: Settings) -> None:
    """Warnings alone, unless debugging: for commands that answer and end."""
    from kokex.adapters.logs import configure_logs

    level = settings.log_level.lower()
    configure_logs("warning" if level == "info" else level, as_json=settings.log_json)


@asynccontextmanager
async def opened_application() -> AsyncIterator[Application]:
    """The application that the environment's settings tell, without its chatter: for commands that answer and end."""
    from kokex.bootstrap import application

    settings = load_settings()
    quiet_logs(settings)
    async with application(settings) as opened:
        yield opened


def with_application(work: Callable[[Application], Awaitable[_Result]]) -> _Result:
    """Open the application, do `work` with it, close it."""

    async def run() -> _Result:
        async with opened_application() as opened:
            return await work(opened)

    return run_async(run())


def with_plan(name: str, work: Callable[[Application, Plan], Awaitable[_Result]]) -> _Result:
    """The same with the plan of that name or number. Raises `NotFoundError`."""
    from kokex.cli.finding import find_plan

    async def run(opened: Application) -> _Result:
        return await work(opened, await find_plan(opened.store, name))

    return with_application(run)


def run_async(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end; the first error of ours that a task group gathered is raised bare."""
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except BaseExceptionGroup as group:
        raise_first(group)


def raise_first(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """Raise the one error that explains `group`: the first of ours, else the first there is."""
    found: BaseException = group.subgroup(KokexError) or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    raise found from group


@contextmanager
def stop_signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop` once; a second SIGINT interrupts as ever."""
    loop = asyncio.get_running_loop()

    def ask_to_stop() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

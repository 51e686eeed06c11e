"""Cancellation of several orders: each is asked for, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog

from kokex.domain.errors import KokexError, StateError
from kokex.ports.exchange import Outcome

log = structlog.get_logger(__name__)


async def cancel_each(
    cancel: Callable[[str], Awaitable[Outcome]], names: Iterable[str]
) -> dict[str, Outcome]:
    """Ask for the cancellation of each order by its name; the outcomes.

    One that fails harms itself alone: all are tried first, then what failed is told together.

    Raises:
        KokexError: of the kind of the first failure, with the name and the reason of each; a `StateError` for a fault of KOKEX.
    """
    outcomes: dict[str, Outcome] = {}
    failures: dict[str, Exception] = {}
    for name in names:
        try:
            outcomes[name] = await cancel(name)
        except KokexError as error:
            failures[name] = error
        except Exception as error:
            log.exception("cancellation broken off", order=name)
            failures[name] = error
    if failures:
        first = next(iter(failures.values()))
        kind = type(first) if isinstance(first, KokexError) else StateError
        said = "; ".join(f"{name}: {_words(error)}" for name, error in failures.items())
        raise kind(
            f"{len(failures)} of {len(failures) + len(outcomes)} orders not cancelled ({said})"
        ) from first
    return outcomes


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, KokexError) else f"{type(error).__name__}: {error}"

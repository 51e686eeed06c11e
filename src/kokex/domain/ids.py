"""Client order ids: the idempotency of an order is its name.

An id is derived from installation, plan, decision and step, so a retry, a resumed turn or an agent that repeats itself
makes the same id again and the exchange refuses the second order. OKX v5 allows 1-32 letters and digits, case-sensitive.

    KX ab3f P 1a D 7c2 S 0
    |  |      |    |     step of the decision, base 36
    |  |      |    decision, base 36
    |  |      plan, base 36
    |  installation, four letters or digits, so that two installations on one account never meet
    mark

Stops that an order brings along are named after it, with a T behind. The order that such a stop becomes has no name of its own at the
exchange; it goes by the stop's.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import lru_cache

_DIGITS = string.digits + string.ascii_lowercase
_PATTERN = re.compile(r"KX([0-9a-z]{4})P([0-9a-z]+)D([0-9a-z]+)S([0-9a-z]+)(T?)")


@dataclass(frozen=True, slots=True)
class OrderOrigin:
    """Who asked for an order: a plan's decision and the step within it; `stop`: what it names came of that order's stops."""

    installation: str
    plan_id: int
    decision_id: int
    step: int
    stop: bool = False


def client_order_id(origin: OrderOrigin) -> str:
    """The one client order id of `origin`: letters and digits, at most 32.

    Raises:
        ValueError: a number is negative, the installation is not four letters or digits, or the id grows past 32.
    """
    if not re.fullmatch(r"[0-9a-z]{4}", origin.installation):
        raise ValueError(f"installation {origin.installation!r} must be four of 0-9 and a-z")
    parts = (_base36(origin.plan_id), _base36(origin.decision_id), _base36(origin.step))
    text = f"KX{origin.installation}P{parts[0]}D{parts[1]}S{parts[2]}{'T' if origin.stop else ''}"
    if len(text) > 32:
        raise ValueError(f"client order id {text} has {len(text)} characters, more than 32")
    return text


@lru_cache(maxsize=4096)
def order_origin(identifier: str | None) -> OrderOrigin | None:
    """Whose order `identifier` names; None for an id that KOKEX did not make."""
    match = _PATTERN.fullmatch(identifier or "")
    if match is None:
        return None
    installation, plan, decision, step, stop = match.groups()
    return OrderOrigin(installation, int(plan, 36), int(decision, 36), int(step, 36), bool(stop))


def stop_name(client_order_id: str) -> str:
    """Name of the stops that the order of that name brings along."""
    return f"{client_order_id}T"


def is_stop_name(identifier: str | None) -> bool:
    """Whether `identifier` names stops of an order of ours, and the order that they became."""
    origin = order_origin(identifier)
    return origin is not None and origin.stop


def _base36(number: int) -> str:
    if number < 0:
        raise ValueError(f"{number} must not be negative")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits

"""What OKX's error codes mean for us: rejected, unknown, retry or stop.

One rule stands above the table: a write without a word on its own item has an unknown outcome, unless the code proves that
nothing was done. Codes that are not in the table are treated by that rule too.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from kokex.domain.errors import (
    ExchangeError,
    ExchangeRejectedError,
    ExchangeStoppedError,
    ExchangeUnavailableError,
    ExchangeUnknownError,
)


class ErrorKind(StrEnum):
    """What a code says about a request."""

    RATE_LIMITED = "rate_limited"
    """Too often: nothing was done; back off and repeat."""
    BUSY = "busy"
    """The exchange stumbled: repeat a read; a write may have been done."""
    UNKNOWN = "unknown"
    """It says itself that the outcome is unknown."""
    REJECTED = "rejected"
    """Refused for good."""
    CONFLICT = "conflict"
    """Refused because the state is another than we thought: reconcile."""
    STOPPED = "stopped"
    """Keys, permissions, settings or the account: a person must act."""
    CLOCK = "clock"
    """Our clock is off: learn the exchange's and repeat once; nothing was done."""
    RECONNECT = "reconnect"
    """This connection is of no more use; a new one is."""


class Verdict(StrEnum):
    """What to do about an error."""

    REJECTED = "rejected"
    UNKNOWN = "unknown"
    RETRY = "retry"
    STOP = "stop"


def _span(first: int, last: int) -> Iterable[str]:
    return (str(code) for code in range(first, last + 1))


_CODES: dict[ErrorKind, tuple[str, ...]] = {
    ErrorKind.RATE_LIMITED: (
        *("50011", "50040", "50061", "51113", "51513"),
        *("60014", "60023"),
    ),
    ErrorKind.BUSY: ("50001", "50013", "50026", "63999", "64007"),
    ErrorKind.UNKNOWN: ("50004", "51054", "51149", "51412"),
    ErrorKind.REJECTED: (
        *("50002", "50006", "50014", "50015", "50016", "50024", "50036", "50037", "50038", "50039", "50053"),
        *("51000", "51001", "51003", "51004", "51006", "51008", "51019", "51020", "51021", "51022", "51025"),
        *_span(51027, 51030),
        *("51071", "51101", "51102", "51103", "51116", "51120", "51121", "51127", "51131", "51137", "51138"),
        *("51150", "51174", "51201", "51202", "51203", "51511", "52000"),
        *("54011", "54012", "54036", "54051", "54084", "54085", "54094", "59000"),
        *_span(59101, 59110),
        *("60012", "60013", "60018", "60019", "60027", "60028", "60029", "60033"),
        *_span(64001, 64004),
    ),
    ErrorKind.CONFLICT: (
        *("50042", "50071", "51011", "51016", "51023", "51063", "51112", "51115", "51169", "51170"),
        *("51400", "51401", "51410", "51503", "51603", "60031"),
    ),
    ErrorKind.STOPPED: (
        *("50005", "50007", "50008", "50009", "50012", "50027", "50028", "50029", "50030", "50033", "50035"),
        *("50100", "50101", "50110", "50119", "50120"),
        *_span(50103, 50107),
        *_span(50111, 50114),
        *("51010", "51024", "51155", "54109", "59113"),
        *("60004", "60005", "60007", "60008", "60009", "60024", "60026", "60032"),
    ),
    ErrorKind.CLOCK: ("50102", "60006"),
    ErrorKind.RECONNECT: ("60011", "64008"),
}

_KINDS: dict[str, ErrorKind] = {code: kind for kind, codes in _CODES.items() for code in codes}

DUPLICATE_ORDER = frozenset({"50042", "50071", "51011", "51016"})
"""An order of this client order id is there already: ask for it instead of sending again."""

NO_MARKET_DATA = "52000"

ORDER_NOT_FOUND = frozenset({"51063", "51603"})
"""The exchange knows no such order. No proof that it never lived: a canceled one is forgotten after two hours."""

EXPIRED_BEFORE_ARRIVAL = "50036"
"""A request's `expTime` was past when it came in: our clock is off, or the way was slow. Nothing was done."""

_KEPT_AS_RETRY = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.CLOCK, ErrorKind.RECONNECT})


def error_kind(code: str) -> ErrorKind | None:
    """What `code` says; None for a code that is not known here."""
    return _KINDS.get(code)


def verdict_for_read(code: str, status: int = 200) -> Verdict:
    """What to do about a query that got `code` with HTTP `status`."""
    kind = _KINDS.get(code)
    if kind is None:
        return Verdict.RETRY if status >= 500 or status == 429 else Verdict.REJECTED
    if kind is ErrorKind.STOPPED:
        return Verdict.STOP
    if kind in (ErrorKind.REJECTED, ErrorKind.CONFLICT):
        return Verdict.REJECTED
    return Verdict.RETRY


def verdict_for_write(code: str, *, of_item: bool) -> Verdict:
    """What to do about a command that got `code`, for its own item (`of_item`) or for the request as a whole."""
    kind = _KINDS.get(code)
    if kind is None:
        return Verdict.REJECTED if of_item else Verdict.UNKNOWN
    if kind in (ErrorKind.BUSY, ErrorKind.UNKNOWN):
        return Verdict.UNKNOWN
    if kind is ErrorKind.STOPPED:
        return Verdict.STOP
    return Verdict.RETRY if kind in _KEPT_AS_RETRY else Verdict.REJECTED


_EXCEPTIONS: dict[Verdict, type[ExchangeError]] = {
    Verdict.REJECTED: ExchangeRejectedError,
    Verdict.UNKNOWN: ExchangeUnknownError,
    Verdict.RETRY: ExchangeUnavailableError,
    Verdict.STOP: ExchangeStoppedError,
}

_ADVICE = {
    "50027": "OKX restricts this account: ask its support",
    "50035": "OKX wants this key bound to an IP address: bind it there",
    "50100": "OKX froze this key: ask its support, or make a new one",
    "50101": "the key belongs to another environment (live, demo): choose the account's own",
    "50102": "this computer's clock is off: set it",
    "50105": "the passphrase is wrong",
    "50110": "this computer's IP address is not on the key's list: add it at OKX",
    "50111": "OKX does not know this key: enter it again",
    "50113": "the secret does not fit the key: enter it again",
    "50120": "the key may not do this: allow it to read and trade, at OKX",
    "50119": "OKX knows no such key here: it may belong to another region or be deleted",
    "60004": "this computer's clock is off: set it",
    "60005": "OKX does not know this key: enter it again",
    "60006": "this computer's clock is off: set it",
    "60007": "the secret does not fit the key: enter it again",
    "60009": "OKX gives no reason: see the key's permissions and IP addresses there, and the account's region here",
    "60024": "the passphrase is wrong",
    "60032": "OKX knows no such key here: it may belong to another region or be deleted",
}


def exchange_error(verdict: Verdict, code: str, message: str, what: str) -> ExchangeError:
    """The error of `verdict` for the request `what`, told in one sentence."""
    said = f"OKX answered {what} with {code}" + (f", {message!r}" if message else "")
    advice = _ADVICE.get(code)
    return _EXCEPTIONS[verdict](f"{said}; {advice}" if advice else said, code=code)

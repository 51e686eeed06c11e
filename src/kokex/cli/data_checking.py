"""Checking and repairing candles, in files and in the database, and telling what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any, Final

from kokex.adapters.candle_files import FileFindings, FlawCount, check_candle_file, write_candle_file
from kokex.cli.data_target import Target, written_file
from kokex.cli.output import note, say, say_json, say_table
from kokex.cli.progress import work
from kokex.cli.running import opened_application
from kokex.domain.candle import Interval
from kokex.domain.candle_flaws import CandleFlaw, FlawKind, FlawState
from kokex.domain.candle_rows import COLUMNS
from kokex.domain.errors import ConfigurationError
from kokex.services.accounts import AccountSessions
from kokex.services.market_data import CandleCheck, CandleRepair, MendedRows, check_of, mend_rows

_SHOWN: Final = 3
"""Findings of a kind and state that are shown without --every."""
_IN_FILE: Final = frozenset(
    {FlawKind.UNREADABLE, FlawKind.DUPLICATE, FlawKind.OFF_GRID, FlawKind.INCONSISTENT}
)
"""Flaws that go when a file is written anew."""


@dataclass(frozen=True, slots=True)
class Report:
    """Findings, and what they are about."""

    subject: str
    interval: Interval
    check: CandleCheck
    output: Path | None = None
    unsorted: FlawCount | None = None


async def check_candles(target: Target, *, every: bool, as_json: bool) -> None:
    """Tell the flaws of a file or of kept candles."""
    if (path := target.path) is not None:
        found = _read(path, target)
        check = check_of(found.rows, found.flaws)
        tell(Report(path.name, found.interval, check, unsorted=found.unsorted), every=every, as_json=as_json)
        return
    async with opened_application() as opened:
        key = await target.key(opened.store)
        check = await CandleRepair(opened.store.candles).check(key, target.window())
    tell(Report(str(key), key.interval, check), every=every, as_json=as_json)


async def repair_candles(target: Target, output: Path | None, *, every: bool, as_json: bool) -> None:
    """Repair a file into another, or kept candles in place, and tell what became of each flaw."""
    if (path := target.path) is not None:
        if output is None:
            raise ConfigurationError(
                f"name where the repaired candles go: --output FILE.csv.gz ({path.name} is left alone)"
            )
        place = written_file(output)
        if place.resolve() == path.resolve():
            raise ConfigurationError(
                f"--output {output} is the file itself, which is left alone; name another"
            )
        report = await _repair_file(path, target, place)
    elif output is not None:
        raise ConfigurationError("--output is for files; kept candles are repaired where they are")
    elif target.account is None:
        raise ConfigurationError("name the account whose exchange is asked: --account NAME")
    else:
        report = await _repair_kept(target)
    tell(report, every=every, as_json=as_json)


async def _repair_kept(target: Target) -> Report:
    async with opened_application() as opened:
        key = await target.key(opened.store)
        account = await opened.store.accounts.by_name(target.account or "")
        sessions = AccountSessions(opened.store, opened.clock, opened.adapter)
        try:
            session = await sessions.open(account.id)
            with work(f"Repairing {key}", None, "requests") as bar:
                check = await CandleRepair(opened.store.candles).repair(
                    session.exchange, key, target.window(), bar
                )
        finally:
            await sessions.close()
    return Report(str(key), key.interval, check)


async def _repair_file(path: Path, target: Target, output: Path) -> Report:
    found = _read(path, target)
    if target.account is None:
        mended = MendedRows(found.clean, found.flaws)
    else:
        mended = await _mend(found, target.account)
    flaws = [
        replace(flaw, state=FlawState.REPAIRED)
        if flaw.kind in _IN_FILE and flaw.state is FlawState.FOUND
        else flaw
        for flaw in mended.flaws
    ]
    write_candle_file(output, mended.rows.open_times, mended.rows.values)
    return Report(path.name, found.interval, check_of(mended.rows, flaws), output)


async def _mend(found: FileFindings, account_name: str) -> MendedRows:
    if found.inst_id is None:
        raise ConfigurationError(f"{found.path} does not tell its instrument; name it: --inst-id ETH-USDT")
    async with opened_application() as opened:
        account = await opened.store.accounts.by_name(account_name)
        sessions = AccountSessions(opened.store, opened.clock, opened.adapter)
        try:
            session = await sessions.open(account.id)
            with work(f"Asking for {found.inst_id} {found.interval}", None, "requests") as bar:
                return await mend_rows(
                    session.exchange, found.inst_id, found.interval, found.clean, found.flaws, bar
                )
        finally:
            await sessions.close()


def _read(path: Path, target: Target) -> FileFindings:
    inst_id = target.inst_id.upper() if target.inst_id else None
    return check_candle_file(path, inst_id=inst_id, interval=target.length)


def tell(report: Report, *, every: bool, as_json: bool) -> None:
    """The findings, as a table by kind and a list, or as JSON."""
    check = report.check
    if as_json:
        say_json(_document(report))
        return
    span = "" if check.first is None else f", {check.first:%Y-%m-%d %H:%M} to {check.last:%Y-%m-%d %H:%M} UTC"
    say(f"{report.subject}: {check.candles} candles of {report.interval}{span}")
    if not check.flaws:
        say("No flaws.")
    else:
        say_table("", ("flaw", "found", "repaired", "confirmed", "candles"), _counts(check))
        shown = check.flaws if every else _first_of_each(check.flaws)
        rows = [_row(flaw) for flaw in shown]
        say_table(
            "", ("flaw", "state", "open time (UTC)", "candles", "what", "open high low close volume"), rows
        )
        if len(shown) < len(check.flaws):
            note(f"{len(check.flaws) - len(shown)} more; --every shows all, --json too.")
    if report.unsorted is not None:
        note(f"{report.unsorted}; an import sorts them.")
    if report.output is not None:
        say(f"{check.candles} candles are in {report.output}.")


def _counts(check: CandleCheck) -> list[tuple[str, ...]]:
    rows = []
    for kind in FlawKind:
        flaws = [flaw for flaw in check.flaws if flaw.kind is kind]
        if flaws:
            states = [str(check.count(kind, state)) for state in FlawState]
            rows.append((_words(kind), *states, str(sum(flaw.count for flaw in flaws))))
    return rows


def _first_of_each(flaws: Sequence[CandleFlaw]) -> list[CandleFlaw]:
    seen: dict[tuple[FlawKind, FlawState], int] = {}
    chosen = []
    for flaw in flaws:
        place = (flaw.kind, flaw.state)
        seen[place] = seen.get(place, 0) + 1
        if seen[place] <= _SHOWN:
            chosen.append(flaw)
    return chosen


def _row(flaw: CandleFlaw) -> tuple[str, ...]:
    when = "-" if flaw.open_time is None else f"{flaw.open_time:%Y-%m-%d %H:%M:%S}"
    numbers = "" if flaw.values is None else " ".join(f"{number:.10g}" for number in flaw.values[:5])
    return (_words(flaw.kind), flaw.state.value, when, str(flaw.count), flaw.detail, numbers)


def _words(kind: FlawKind) -> str:
    return kind.value.replace("_", " ")


def _document(report: Report) -> dict[str, Any]:
    check = report.check
    return {
        "subject": report.subject,
        "interval": str(report.interval),
        "candles": check.candles,
        "first": check.first,
        "last": check.last,
        "open": check.open,
        "out_of_order": 0 if report.unsorted is None else report.unsorted.count,
        "counts": {
            kind.value: {state.value: check.count(kind, state) for state in FlawState} for kind in FlawKind
        },
        "flaws": [_flaw_document(flaw) for flaw in check.flaws],
        "output": report.output,
    }


def _flaw_document(flaw: CandleFlaw) -> dict[str, Any]:
    values = flaw.values and {
        name: None if isnan(number) or number in (float("inf"), float("-inf")) else number
        for name, number in zip(COLUMNS, flaw.values, strict=True)
    }
    return {
        "kind": flaw.kind.value,
        "state": flaw.state.value,
        "open_time": flaw.open_time,
        "count": flaw.count,
        "detail": flaw.detail,
        "values": values,
    }

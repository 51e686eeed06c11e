"""The event path's runs as lines of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.event_path import (
    BLAST,
    BRISK,
    BRISK_RATE,
    CALM,
    CCXT,
    COMMITTING,
    FLOOR,
    KOKEX,
    RATE,
    SDK,
    THINKING_SECONDS,
    Run,
)
from benchmarks.figures import Figure, middle

TURN_TARGET_MS = 10.0
COMMIT_TARGET_MS = 3.0
DURABLE_TARGET = 10_000
SUSTAINED_TARGET = 25_000
_CALM = f"calm, {RATE:g} events/s, each wakes a turn (p50 / p99 / max)"
_BRISK = f"calm, {BRISK_RATE:,.0f} events/s, turns of {THINKING_SECONDS:g} s (p50 / p99 / max)"
_BLAST = f"full blast, turns of {THINKING_SECONDS:g} s"


def event_figures(runs: Sequence[Run]) -> list[Figure]:
    """Everything that the rounds showed."""
    return [*_calm(runs), *_brisk(runs), *_blast(runs), *_against(runs)]


def _calm(runs: Sequence[Run]) -> list[Figure]:
    mine = _of(runs, KOKEX, CALM)
    turn = middle([run.latency["received to turn"] for run in mine])
    figures = [
        _latency(KOKEX, "received to committed", mine),
        Figure(
            _CALM,
            f"{KOKEX}: received to turn started",
            str(turn),
            f"p99 < {TURN_TARGET_MS:g} ms",
            turn.p99 < TURN_TARGET_MS,
            f"{_mid(mine, lambda run: run.detail['turns']):.0f} turns for {mine[0].frames} events",
        ),
        _latency(KOKEX, "sent to committed", mine, "sent to handled"),
        _latency(KOKEX, "sent to turn started", mine, "sent to turn"),
        _latency(COMMITTING, "received to called back", _of(runs, COMMITTING, CALM), "received to committed"),
        _latency(COMMITTING, "sent to called back", _of(runs, COMMITTING, CALM), "sent to handled"),
        _latency(FLOOR, "sent to decoded", _of(runs, FLOOR, CALM), "sent to handled"),
        _latency(SDK, "sent to called back", _of(runs, SDK, CALM), "sent to handled"),
        _latency(CCXT, "sent to caller woken", _of(runs, CCXT, CALM), "sent to handled"),
    ]
    cpu = _mid(mine, lambda run: run.cpu["candidate"] / run.seconds)
    return [*figures, Figure(_CALM, f"{KOKEX}: processor use of the engine", f"{cpu:.0%} of a core")]


def _brisk(runs: Sequence[Run]) -> list[Figure]:
    mine = _of(runs, KOKEX, BRISK)
    commit = middle([run.latency["received to committed"] for run in mine])
    lines = (
        (COMMITTING, "received to called back", "received to committed"),
        (FLOOR, "sent to decoded", "sent to handled"),
        (SDK, "sent to called back", "sent to handled"),
        (CCXT, "sent to caller woken", "sent to handled"),
    )
    return [
        Figure(
            _BRISK,
            f"{KOKEX}: received to committed",
            str(commit),
            f"p99 < {COMMIT_TARGET_MS:g} ms",
            commit.p99 < COMMIT_TARGET_MS,
            f"{_mid(mine, lambda run: run.detail['mean_batch']):.1f} events in a commit",
        ),
        *(
            Figure(
                _BRISK, f"{name}: {what}", str(middle([run.latency[key] for run in _of(runs, name, BRISK)]))
            )
            for name, what, key in lines
        ),
    ]


def _blast(runs: Sequence[Run]) -> list[Figure]:
    mine = _of(runs, KOKEX, BLAST)
    rate = _mid(mine, lambda run: run.rate)
    sustained = _mid(mine, lambda run: run.detail["sustained"])
    batch = f"batches of {_mid(mine, lambda run: run.detail['mean_batch']):.0f} on average, 2000 at most"
    return [
        Figure(
            _BLAST,
            f"{KOKEX}: durable events, sent to committed",
            f"{rate:,.0f}/s",
            f"{DURABLE_TARGET:,}/s",
            rate >= DURABLE_TARGET,
            f"{mine[0].frames} frames in {_mid(mine, lambda run: run.seconds):.1f} s; {batch}",
        ),
        Figure(
            _BLAST,
            f"{KOKEX}: sustained: the slowest fifth of the run",
            f"{sustained:,.0f}/s",
            f"{SUSTAINED_TARGET:,}/s",
            sustained >= SUSTAINED_TARGET,
        ),
        Figure(
            _BLAST,
            f"{KOKEX}: lost, doubled or out of order",
            "0",
            "0",
            True,
            "journal compared with the frames",
        ),
        Figure(
            _BLAST,
            f"{KOKEX}: all turns started",
            f"{_mid(mine, lambda run: run.detail['seconds_to_last_turn']):.1f} s",
            note=f"{_mid(mine, lambda run: run.detail['turns']):.0f} turns, every event told once",
        ),
        _rate(COMMITTING, runs),
        _rate(FLOOR, runs),
        _rate(SDK, runs, "JSON decoded, nothing kept"),
        _rate(
            CCXT,
            runs,
            f"its caller saw {_mid(_of(runs, CCXT, BLAST), lambda run: run.seen):.0%} of the updates",
        ),
        Figure(_BLAST, "processor time a frame: engine, database, exchange", _shares(mine)),
        Figure(_BLAST, f"processor time a frame: {COMMITTING}", _shares(_of(runs, COMMITTING, BLAST))),
        Figure(_BLAST, f"processor time a frame: {SDK}", _shares(_of(runs, SDK, BLAST))),
        Figure(_BLAST, f"processor time a frame: {CCXT}", _shares(_of(runs, CCXT, BLAST))),
        Figure(
            _BLAST,
            f"{KOKEX}: resident memory after it",
            f"{_mid(mine, lambda run: run.detail['rss_mib']):.0f} MiB",
        ),
    ]


def _against(runs: Sequence[Run]) -> list[Figure]:
    part = "ratios within a round"

    def line(name: str, push: str, other: str, of: Callable[[Run], float], note: str) -> Figure:
        pairs = zip(_of(runs, KOKEX, push), _of(runs, other, push), strict=True)
        return Figure(part, name, f"{median(of(mine) / of(its) for mine, its in pairs):.2f}", note=note)

    def frame_cpu(run: Run) -> float:
        return run.cpu["candidate"] / run.frames

    def p50(run: Run) -> float:
        return run.latency["sent to handled"].p50

    return [
        line(f"events/s, {KOKEX} / {CCXT}", BLAST, CCXT, lambda run: run.rate, "ccxt commits nothing"),
        line(
            f"events/s, {KOKEX} / {COMMITTING}", BLAST, COMMITTING, lambda run: run.rate, "above 1 is faster"
        ),
        line(f"events/s, {KOKEX} / {FLOOR}", BLAST, FLOOR, lambda run: run.rate, ""),
        line(f"events/s, {KOKEX} / {SDK}", BLAST, SDK, lambda run: run.rate, "python-okx keeps nothing"),
        line(f"processor time a frame, {KOKEX} / {CCXT}", BLAST, CCXT, frame_cpu, "below 1 is cheaper"),
        line(f"p50 sent to handled, {KOKEX} / {COMMITTING}", CALM, COMMITTING, p50, "handled: committed"),
        line(f"p50 sent to handled, {KOKEX} / {CCXT}", CALM, CCXT, p50, "ccxt: caller woken, nothing kept"),
    ]


def _of(runs: Sequence[Run], candidate: str, push: str) -> list[Run]:
    return [run for run in runs if run.candidate == candidate and run.push == push]


def _mid(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    return median(of(run) for run in runs)


def _latency(candidate: str, name: str, runs: Sequence[Run], key: str = "") -> Figure:
    return Figure(_CALM, f"{candidate}: {name}", str(middle([run.latency[key or name] for run in runs])))


def _rate(candidate: str, runs: Sequence[Run], note: str = "") -> Figure:
    mine = _of(runs, candidate, BLAST)
    return Figure(_BLAST, f"{candidate}: frames", f"{_mid(mine, lambda run: run.rate):,.0f}/s", note=note)


def _shares(runs: Sequence[Run]) -> str:
    parts = [
        _mid(runs, lambda run, name=name: run.cpu[name] / run.frames * 1e6)  # type: ignore[misc]
        for name in ("candidate", "database", "exchange")
    ]
    return " + ".join(f"{part:.0f}" for part in parts) + " µs"

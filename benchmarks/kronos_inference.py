"""Forecasting with the published `small` size against the plain decoder, as ratios within one run.

    python benchmarks/kronos_inference.py [--threads 2] [--cpu-time] [--json FILE]

Weights are random, which changes no timing. The plain decoder (`kokex.kronos.inference.reference`) recomputes the whole
window for every step and path; both draw under the same random numbers, and their tokens are compared. For many paths
the plain decoder runs its first steps only; the rest is extrapolated from them, and the table says so. The first windows
are the shortest, so that errs in its favour. Times are the best of several rounds. On a machine that others keep busy, wall
time says more about them: `--threads 1 --cpu-time` counts processor seconds instead.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch

from kokex.kronos import (
    PUBLISHED_MODELS,
    PUBLISHED_TOKENIZERS,
    Candles,
    Kronos,
    KronosForecaster,
    KronosTokenizer,
    Sampling,
    Tokens,
)
from kokex.kronos.inference.reference import decode_plainly, sample_plainly
from kokex.kronos.normalisation import Normalisation, time_features
from kokex.kronos.sampling import CounterDraws

CONTEXT, HORIZON, MAX_CONTEXT = 400, 48, 512
SAMPLING = Sampling(temperature=1.0, top_p=0.9)
SEED = 7
TARGETS = {1: 12.0, 10: 60.0, 30: 100.0}
EXTRAPOLATED_STEPS = 4
BATCH, BATCH_PATHS, BATCH_TARGET = 64, 2, 0.8
MEMORY_TARGET_MIB, STARTUP_TARGET_S = 1024.0, 3.0


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    fast: str
    plain: str
    ratio: float
    target: str
    reached: bool
    note: str = ""


def make_candles(count: int, seed: int) -> Candles:
    """A random walk of hourly candles."""
    rng = np.random.default_rng(seed)
    close = 1000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opened = np.concatenate((close[:1], close[:-1]))
    values = np.column_stack(
        (
            opened,
            np.maximum(opened, close) * 1.002,
            np.minimum(opened, close) * 0.998,
            close,
            rng.gamma(2.0, 50.0, count),
        )
    )
    times = np.datetime64("2024-01-01", "ns") + np.arange(count) * np.timedelta64(1, "h")
    return Candles.from_arrays(times, values)


clock: Callable[[], float] = time.perf_counter


def seconds(work: Callable[[], object]) -> float:
    """Time of one call."""
    started = clock()
    work()
    return clock() - started


class Plain:
    """The plain decoder on one series."""

    def __init__(self, model: Kronos, tokenizer: KronosTokenizer, candles: Candles) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.normalisation = Normalisation.of(candles.values)
        self.normalised = torch.from_numpy(self.normalisation.apply(candles.values))[None]
        times = np.concatenate((candles.times, candles.times_ahead(HORIZON)))
        self.stamps = torch.from_numpy(time_features(times))

    def tokens(self, paths: int, steps: int) -> tuple[Tokens, Tokens]:
        """Context and generated tokens."""
        encoded = self.tokenizer.encode(self.normalised)
        context = Tokens(encoded.s1[0], encoded.s2[0])
        draws = CounterDraws([SEED], range(paths), HORIZON, torch.device("cpu"))
        stamps = self.stamps[: CONTEXT + steps]
        return context, sample_plainly(self.model, context, stamps, paths, MAX_CONTEXT, SAMPLING, draws)

    def paths(self, paths: int) -> np.ndarray:
        """A whole forecast in price units."""
        context, future = self.tokens(paths, HORIZON)
        return self.normalisation.invert(decode_plainly(self.tokenizer, context, future, MAX_CONTEXT).numpy())

    def first_candles(self, paths: int, steps: int) -> np.ndarray:
        """The first candles of a forecast in price units (the decoder is causal)."""
        context, future = self.tokens(paths, steps)
        return self.normalisation.invert(decode_plainly(self.tokenizer, context, future, MAX_CONTEXT).numpy())


def same_tokens(fast: np.ndarray, plain: np.ndarray, scale: np.ndarray) -> bool:
    """Another token moves a candle by far more than rounding does."""
    return bool(np.abs((fast - plain) / scale).max() < 1e-3)


def path_rows(forecaster: KronosForecaster, plain: Plain, candles: Candles, rounds: int) -> list[Row]:
    """Speed with 1, 10 and 30 paths."""
    rows = []
    for paths, target in TARGETS.items():
        steps = HORIZON if paths == 1 else EXTRAPOLATED_STEPS
        results: dict[str, np.ndarray] = {}

        def fast(paths: int = paths, results: dict[str, np.ndarray] = results) -> None:
            results["fast"] = forecaster.forecast_many(
                [candles], HORIZON, paths=paths, sampling=SAMPLING, seeds=SEED
            )[0].paths

        def slow(paths: int = paths, steps: int = steps, results: dict[str, np.ndarray] = results) -> None:
            results["plain"] = plain.paths(paths) if steps == HORIZON else plain.first_candles(paths, steps)

        fast_s, slow_s = float("inf"), float("inf")
        for turn in range(rounds):
            fast_s = min(fast_s, *(seconds(fast) for _ in range(3)))
            if turn < 2:
                slow_s = min(slow_s, seconds(slow) * HORIZON / steps)
        same = same_tokens(results["fast"][:, :steps], results["plain"], plain.normalisation.scale)
        whole = f"tokens {'equal' if same else 'DIFFER'} over {steps} steps"
        note = (
            whole
            if steps == HORIZON
            else f"plain extrapolated from its first {steps} of {HORIZON} steps; {whole}"
        )
        ratio = slow_s / fast_s
        rows.append(
            Row(
                f"{paths} path{'s' * (paths > 1)}",
                f"{fast_s:.2f} s",
                f"{slow_s:.1f} s",
                ratio,
                f">= {target:g}x",
                same and ratio >= target,
                note,
            )
        )
    return rows


def batch_row(forecaster: KronosForecaster, rounds: int) -> Row:
    """64 series of different lengths against 64 of their mean length: the same number of candles in all."""
    lengths = np.linspace(100, CONTEXT, BATCH).astype(int)
    mixed = [
        make_candles(int(length), seed)
        for seed, length in enumerate(np.random.default_rng(0).permutation(lengths))
    ]
    equal = [make_candles(int(lengths.mean()), seed) for seed in range(BATCH)]
    mixed_s, equal_s = float("inf"), float("inf")
    for _ in range(rounds):
        equal_s = min(
            equal_s, seconds(lambda: forecaster.forecast_many(equal, HORIZON, paths=BATCH_PATHS, seeds=1))
        )
        mixed_s = min(
            mixed_s, seconds(lambda: forecaster.forecast_many(mixed, HORIZON, paths=BATCH_PATHS, seeds=1))
        )
    total = BATCH * BATCH_PATHS
    ratio = equal_s / mixed_s
    return Row(
        f"{BATCH} series of 100-{CONTEXT}",
        f"{total / mixed_s:.1f} paths/s",
        f"{total / equal_s:.1f} paths/s",
        ratio,
        f">= {BATCH_TARGET}x",
        ratio >= BATCH_TARGET,
        f"plain: {BATCH} series of {int(lengths.mean())}",
    )


def startup_rows(folder: Path, threads: int, cpu_time: bool) -> list[Row]:
    """Load and first forecast in a process of its own, which then says how much memory it took."""
    command = [sys.executable, __file__, "--threads", str(threads), "--startup", str(folder)]
    command += ["--cpu-time"] * cpu_time
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    said = json.loads(output)
    return [
        Row(
            "load + first forecast",
            f"{said['seconds']:.2f} s",
            "",
            said["seconds"],
            f"< {STARTUP_TARGET_S:g} s",
            said["seconds"] < STARTUP_TARGET_S,
            "1 path; without import torch",
        ),
        Row(
            "peak memory, 30 paths",
            f"{said['peak_mib']:.0f} MiB",
            "",
            said["peak_mib"],
            f"< {MEMORY_TARGET_MIB:g} MiB",
            said["peak_mib"] < MEMORY_TARGET_MIB,
            f"{said['import_mib']:.0f} MiB of it after the imports",
        ),
    ]


def report_startup(folder: Path) -> None:
    """What the process of ``startup_rows`` does."""
    import_mib = peak_mib()
    candles = make_candles(CONTEXT, 0)
    started = clock()
    forecaster = KronosForecaster(
        Kronos.from_pretrained(folder / "model"),
        KronosTokenizer.from_pretrained(folder / "tokenizer"),
        MAX_CONTEXT,
    )
    forecaster.forecast(candles, HORIZON, paths=1, seed=SEED)
    elapsed = clock() - started
    forecaster.forecast(candles, HORIZON, paths=30, seed=SEED)
    print(json.dumps({"seconds": elapsed, "import_mib": import_mib, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # getrusage would count the parent's size, which the process had until it became this program
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def print_table(rows: list[Row]) -> None:
    """The rows, aligned."""
    cells = [("what", "fast", "plain", "ratio", "target", "reached", "note")]
    for row in rows:
        ratio = f"{row.ratio:.1f}" if row.plain else ""
        cells.append(
            (row.name, row.fast, row.plain, ratio, row.target, "yes" if row.reached else "NO", row.note)
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of torch")
    parser.add_argument("--cpu-time", action="store_true", help="processor seconds instead of wall time")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the best counts")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--startup", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.cpu_time:
        global clock  # noqa: PLW0603
        clock = time.process_time
    if options.startup:
        report_startup(options.startup)
        return
    torch.manual_seed(0)
    model = Kronos(PUBLISHED_MODELS["small"]).eval()
    tokenizer = KronosTokenizer(PUBLISHED_TOKENIZERS["base"]).eval()
    candles = make_candles(CONTEXT, 0)
    forecaster = KronosForecaster(model, tokenizer, MAX_CONTEXT)
    rows = path_rows(forecaster, Plain(model, tokenizer, candles), candles, options.rounds)
    rows.append(batch_row(forecaster, options.rounds))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder, "model"))
        tokenizer.save_pretrained(Path(folder, "tokenizer"))
        rows += startup_rows(Path(folder), options.threads, options.cpu_time)
    print(
        f"Kronos small, context {CONTEXT}, horizon {HORIZON}, {options.threads} threads, torch {torch.__version__}"
    )
    print_table(rows)
    if options.json:
        figures = {
            "threads": options.threads,
            "torch": str(torch.__version__),
            "rows": [asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

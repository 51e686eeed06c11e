"""Training throughput of the published `small` size at batch 16 x 448, against a plain fp32 loop done the published way.

    python benchmarks/kronos_training.py [--steps 3] [--rounds 1] [--threads 2] [--cpu-time] [--json FILE]

The plain loop keeps every published dropout (attention's too) and tokenises inside the step. Ours is the library's own
`StageLoop`: tokens made before the first step, no attention dropout, so that the fused attention kernel runs, the batch
computed in pieces, bf16 products where the processor has them (weights, sums and the optimiser stay fp32). Both take the same windows in the same order from the same first weights, sample the second token's
query, and use the published dependency form, so that their loss curves can be laid over each other.

Each side is a process of its own (its peak memory is its own), and the sides take turns in every round, so that a
busy machine slows both; `--threads 1 --cpu-time` judges by processor seconds, which others disturb less. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric

from kokex.kronos import PUBLISHED_MODELS, PUBLISHED_TOKENIZERS, Kronos, KronosTokenizer
from kokex.kronos.training.events import StepDone, TrainingEvent
from kokex.kronos.training.loop import StageLoop
from kokex.kronos.training.objective import PredictorLossModule, PredictorObjective
from kokex.kronos.training.run import drop_attention_dropout
from kokex.kronos.training.series import CandleSeries
from kokex.kronos.training.settings import StageSettings
from kokex.kronos.training.splits import Part
from kokex.kronos.training.stage import Surroundings
from kokex.kronos.training.tokens import tokenise
from kokex.kronos.training.windows import WindowSet, cut_windows

BATCH, LENGTH = 16, 448
CONTEXT = 400
LEARNING_RATE, CLIP = 4e-4, 3.0
WARM_UP_STEPS = 1
SPEED_TARGET, MEMORY_TARGET, CURVE_TOLERANCE = 2.0, 0.5, 0.03


def main() -> int:
    """Run both sides in turns and print the ratios."""
    given = _arguments()
    if given.side:
        sys.stdout.write(json.dumps(_side(given.side, given.steps, given.pieces, given.precision)) + "\n")
        return 0
    results: dict[str, list[dict[str, Any]]] = {"plain": [], "ours": []}
    for _ in range(given.rounds):
        for side, found in results.items():
            found.append(_in_own_process(side, given))
            sys.stderr.write(f"{side}: {found[-1]['samples_per_second']:.2f} samples/s\n")
    summary = _summary(results, given.precision, given.cpu_time)
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    if given.json:
        Path(given.json).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return 0 if summary["passed"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3, help="timed optimiser steps of each side")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pieces", type=int, default=2, help="pieces that ours computes a batch in")
    parser.add_argument(
        "--precision", default=_fast_precision(), help="of ours: bf16-mixed where the processor has it"
    )
    parser.add_argument(
        "--cpu-time", action="store_true", help="judge by processor time: the machine is shared"
    )
    parser.add_argument("--json", help="write the figures here, too")
    parser.add_argument("--side", choices=("plain", "ours"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _fast_precision() -> str:
    flags = Path("/proc/cpuinfo")
    known = flags.read_text(encoding="utf-8") if flags.exists() else ""
    return "bf16-mixed" if "avx512_bf16" in known or "amx_bf16" in known else "32-true"


def _in_own_process(side: str, given: argparse.Namespace) -> dict[str, Any]:
    command = [
        sys.executable,
        __file__,
        "--side",
        side,
        "--steps",
        str(given.steps),
        "--pieces",
        str(given.pieces),
    ]
    command += ["--threads", str(given.threads), "--precision", given.precision]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _side(side: str, steps: int, pieces: int, precision: str) -> dict[str, Any]:
    torch.set_num_threads(_arguments().threads)
    torch.manual_seed(0)
    tokenizer = KronosTokenizer(PUBLISHED_TOKENIZERS["base"]).eval()
    model = Kronos(PUBLISHED_MODELS["small"])
    windows = _windows((WARM_UP_STEPS + steps + 1) * BATCH)
    before = _peak_megabytes()
    run = _plain if side == "plain" else _ours
    clock = StepClock()
    losses = run(model, tokenizer, windows, clock, pieces, precision)
    wall, processor = clock.steps(WARM_UP_STEPS)
    return {
        "samples_per_second": BATCH / statistics.median(wall),
        "processor_seconds_per_step": statistics.median(processor),
        "losses": losses,
        "peak_megabytes": _peak_megabytes(),
        "megabytes_before": before,
    }


class StepClock:
    """Wall time, and the processor time of all threads, which other programs on the machine hardly change."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = []

    def mark(self) -> None:
        """A step begins or ends."""
        self._marks.append((time.perf_counter(), time.process_time()))

    def steps(self, skip: int) -> tuple[list[float], list[float]]:
        """Seconds of each step after the first `skip`: wall, processor."""
        differences = np.diff(np.array(self._marks), axis=0)[skip:]
        return list(differences[:, 0]), list(differences[:, 1])


def _windows(count: int) -> WindowSet:
    """Made-up hourly candles, cut into exactly `count` windows."""
    rng = np.random.default_rng(0)
    candles = count + LENGTH - 1
    close = 1000 * np.exp(np.cumsum(rng.normal(0, 0.006, candles)))
    opens = np.concatenate([[1000.0], close[:-1]])
    high, low = np.maximum(opens, close) * 1.002, np.minimum(opens, close) * 0.998
    values = np.column_stack([opens, high, low, close, rng.lognormal(3, 1, candles)])
    series = CandleSeries.from_arrays(values, np.arange(candles) * 3600)
    return cut_windows(series, Part(0, candles), context=CONTEXT, horizon=LENGTH - CONTEXT)


def _order(windows: WindowSet) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The order in which `StageLoop` takes its first epoch."""
    return np.random.default_rng((0, 0)).permutation(len(windows))


def _plain(
    model: Kronos,
    tokenizer: KronosTokenizer,
    windows: WindowSet,
    clock: StepClock,
    pieces: int,
    precision: str,
) -> list[float]:
    stamps = torch.from_numpy(windows.stamps())
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    losses = []
    model.train()
    order = _order(windows)
    clock.mark()
    for first in range(
        0, len(order) - BATCH, BATCH
    ):  # the last batch is nobody's: `StageLoop` stops before it
        rows = np.sort(order[first : first + BATCH])
        tokens = tokenizer.encode(torch.from_numpy(windows.normalised(rows)))
        loss = model.loss(tokens, stamps[rows]).total
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        losses.append(float(loss.detach()))
        clock.mark()
    return losses


def _ours(
    model: Kronos,
    tokenizer: KronosTokenizer,
    windows: WindowSet,
    clock: StepClock,
    pieces: int,
    precision: str,
) -> list[float]:
    drop_attention_dropout(model)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    tokens = tokenise(tokenizer, windows, fabric.device, batch_size=BATCH)
    module = PredictorLossModule(model, "published", sample_s1=True)
    objective = PredictorObjective(module, tokens, tokens, context_loss_weight=1.0)
    settings = StageSettings(
        1, BATCH, LEARNING_RATE, CLIP, schedule="constant", start_divisor=1.0, warm_up=0.0, accumulate=pieces
    )
    losses: list[float] = []
    steps = -(-len(windows) // BATCH)

    def hear(event: TrainingEvent) -> None:
        if isinstance(event, StepDone):
            losses.append(event.loss)
            clock.mark()

    with tempfile.TemporaryDirectory() as folder:
        around = Surroundings(
            fabric=fabric,
            folder=Path(folder),
            seed=0,
            emit=hear,
            should_stop=lambda: len(losses) >= steps - 1,
            keep=lambda folder: None,
            checkpoint_every=10**9,
            validation_batch=BATCH,
        )
        loop = StageLoop("predictor", objective, settings, around)
        clock.mark()
        loop.run()
    return losses


def _summary(results: dict[str, list[dict[str, Any]]], precision: str, cpu_time: bool) -> dict[str, Any]:
    def typical(side: str, key: str) -> float:
        values: list[float] = [found[key] for found in results[side]]
        return statistics.median(values)

    speed = typical("ours", "samples_per_second") / typical("plain", "samples_per_second")
    processor = typical("plain", "processor_seconds_per_step") / typical("ours", "processor_seconds_per_step")
    reached = processor if cpu_time else speed
    memory = typical("ours", "peak_megabytes") / typical("plain", "peak_megabytes")
    plain, ours = (
        np.array([found["losses"] for found in results[side]]).mean(axis=0) for side in ("plain", "ours")
    )
    curve = float(np.max(np.abs(ours - plain) / plain))
    return {
        "batch": [BATCH, LENGTH],
        "precision_of_ours": precision,
        "samples_per_second": {side: round(typical(side, "samples_per_second"), 3) for side in results},
        "speedup": round(speed, 2),
        "processor_seconds_per_step": {
            side: round(typical(side, "processor_seconds_per_step"), 2) for side in results
        },
        "speedup_in_processor_time": round(processor, 2),
        "peak_megabytes": {side: round(typical(side, "peak_megabytes")) for side in results},
        "memory_ratio": round(memory, 3),
        "losses": {"plain": plain.round(4).tolist(), "ours": ours.round(4).tolist()},
        "largest_loss_difference": round(curve, 4),
        "targets": {
            "speedup": SPEED_TARGET,
            "memory_ratio": MEMORY_TARGET,
            "loss_difference": CURVE_TOLERANCE,
        },
        "passed": bool(reached >= SPEED_TARGET and memory < MEMORY_TARGET and curve < CURVE_TOLERANCE),
    }


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())

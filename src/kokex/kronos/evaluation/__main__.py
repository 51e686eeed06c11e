"""``python -m kokex.kronos.evaluation candles.csv.gz --run runs/tiny --out report``: walk forward, score, compare."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kokex.kronos.errors import KronosError
from kokex.kronos.evaluation.baselines import standard_baselines
from kokex.kronos.evaluation.evaluate import Protocol, evaluate
from kokex.kronos.evaluation.model_sampler import ModelSampler
from kokex.kronos.evaluation.report import write_report
from kokex.kronos.forecaster import KronosForecaster
from kokex.kronos.model import Kronos
from kokex.kronos.sampling import Sampling
from kokex.kronos.tokenizer import KronosTokenizer
from kokex.kronos.training.errors import RunMismatchError
from kokex.kronos.training.series import CandleSeries, readable_time
from kokex.kronos.training.splits import Part, Split

TEST, VALIDATION = "test", "validation"


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate as the arguments say. 0: done; 1: an error, told in a sentence."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        _evaluate(given)
    except (KronosError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _evaluate(given: argparse.Namespace) -> None:
    run = json.loads((Path(given.run) / "run.json").read_text(encoding="utf-8"))
    series = CandleSeries.from_csv(given.candles)
    if series.fingerprint() != run["candles"]["fingerprint"]:
        raise RunMismatchError(f"{given.run} was trained on other candles than {given.candles}")
    context = int(run["settings"]["context"])
    horizon = given.horizon or min(24, int(run["settings"]["horizon"]))
    protocol = Protocol(context, horizon, given.stride or horizon // 2, given.paths)
    sampler = _sampler(given, context, horizon)
    models = [sampler, replace(sampler, anchored=True, name=f"{sampler.name} anchored")]
    split = _split(run) if given.part == TEST else _split(run).of_validation()
    evaluation = evaluate(series, split, protocol, models, standard_baselines(), _tell)
    write_report(evaluation, Path(given.out), given.title, _facts(given, series, split, protocol))
    for scores in evaluation.scores:
        held = scores.band(0.9).coverage.mean()
        _tell(f"{scores.name:40} CRPS {scores.crps.mean():.4f}  90 % band holds {held:.1%}")


def _sampler(given: argparse.Namespace, context: int, horizon: int) -> ModelSampler:
    model = Kronos.from_pretrained(Path(given.run) / "predictor" / "best")
    tokenizer = KronosTokenizer.from_pretrained(Path(given.run) / "tokenizer" / "best")
    forecaster = KronosForecaster(
        model, tokenizer, max_context=max(context + horizon, 512), device=given.device
    )
    sampling = Sampling(given.temperature, given.top_k, given.top_p)
    return ModelSampler(
        forecaster, context, sampling=sampling, name=given.name, seed=given.seed, batch=given.batch
    )


def _facts(
    given: argparse.Namespace, series: CandleSeries, split: Split, protocol: Protocol
) -> dict[str, str]:
    def span(part: Part) -> str:
        first, last = series.open_times[part.start], series.open_times[part.stop - 1]
        return f"{readable_time(int(first))} to {readable_time(int(last))} ({len(part)} candles)"

    return {
        "candles": Path(given.candles).name,
        "trained on": span(split.train),
        **_judged(given.part, span(split.validation), span(split.test)),
        "between the parts": f"{split.gap} candles that belong to none",
        "protocol": f"context {protocol.context}, horizon {protocol.horizon}, an origin every {protocol.stride} candles, "
        f"{protocol.paths} paths, temperature {given.temperature}, top_p {given.top_p}, seed {given.seed}",
        "anchored": "paths scaled so that their first open is the last known close",
    }


def _judged(part: str, earlier: str, later: str) -> dict[str, str]:
    if part == TEST:
        return {"best weights and recalibration chosen on": earlier, "tested on": later}
    return {
        "recalibration fitted on": f"{earlier}, the earlier half of the validation part",
        "judged on": f"{later}, the later half; the best weights were chosen on both, the test part was not touched",
    }


def _split(run: dict[str, Any]) -> Split:
    candles = run["candles"]
    if "test" not in candles["parts"]:
        raise RunMismatchError(
            "this run kept no test part (test_share 0): there is nothing honest to evaluate on"
        )
    parts = {name: Part(part["start"], part["stop"]) for name, part in candles["parts"].items()}
    return Split(parts["train"], parts["validation"], parts["test"], candles["gap"])


def _tell(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kokex.kronos.evaluation", description=__doc__)
    add = parser.add_argument
    add("candles", help="the CSV file that the run was trained on")
    add("--run", required=True, help="folder of a finished training run")
    add("--out", required=True, help="folder of the report")
    add("--title", default="Walk-forward evaluation")
    add(
        "--part",
        choices=(TEST, VALIDATION),
        default=TEST,
        help="what to judge on: test, once at the end; validation, as often as there are choices to compare",
    )
    add("--name", default="Kronos", help="what the report calls the model")
    add("--horizon", type=int, help="candles to forecast; 24, or the run's own if that is less")
    add("--stride", type=int, help="candles between origins; half the horizon when left out")
    add("--paths", type=int, default=100)
    add("--temperature", type=float, default=1.0)
    add("--top-k", type=int, default=0)
    add("--top-p", type=float, default=1.0)
    add("--seed", type=int, default=0)
    add("--batch", type=int, default=16, help="origins computed together")
    add("--device", default="cpu")
    add("--threads", type=int, help="CPU threads")
    return parser


if __name__ == "__main__":
    sys.exit(main())

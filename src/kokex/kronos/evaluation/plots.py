"""Plots of an evaluation, small PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kokex.kronos.evaluation.evaluate import Evaluation, Scores
from kokex.kronos.evaluation.metrics import BANDS, sample_quantiles

DPI = 80


def draw_plots(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draw crps.png, coverage.png, pit.png and fan.png; the paths, in that order."""
    jobs = (
        ("crps", (8, 4.5), _draw_crps),
        ("coverage", (8, 4.5), _draw_coverage),
        ("pit", (9, 4.5), _draw_pit),
        ("fan", (9, 4.5), _draw_fan),
    )
    paths = []
    for name, size, draw in jobs:
        figure = Figure(figsize=size, layout="constrained")
        draw(evaluation, figure)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=DPI)
        paths.append(path)
    return paths


def _draw_crps(evaluation: Evaluation, figure: Figure) -> None:
    axes = figure.subplots()
    models = set(evaluation.recalibrators) | {name.split(", ")[0] for name in evaluation.recalibrators}
    for scores in evaluation.scores:
        steps = np.arange(1, len(scores.crps) + 1)
        ours = scores.name in models or scores.name.split(", ")[0] in models
        axes.plot(steps, scores.crps, label=scores.name, linestyle="-" if ours else "--", linewidth=1.4)
    axes.set(xlabel="step", ylabel="CRPS, % of last close", title="CRPS by horizon step (models solid)")
    axes.legend(fontsize=7)


def _draw_coverage(evaluation: Evaluation, figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0.4, 1], [0.4, 1], color="grey", linewidth=0.8)
    for scores in evaluation.scores:
        shares = [scores.band(share).coverage.mean() for share in BANDS]
        axes.plot(BANDS, shares, marker="o", markersize=3, linewidth=1, label=scores.name)
    axes.set(xlabel="promised share", ylabel="share held", title="Coverage of central bands, test part")
    axes.legend(fontsize=7)


def _draw_pit(evaluation: Evaluation, figure: Figure) -> None:
    raw = next(iter(evaluation.walks))
    shown = [raw, *(name for name in evaluation.recalibrators if name.startswith(raw + ","))][:3]
    for axes, name in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        _pit_bars(axes, evaluation.scores_of(name))


def _pit_bars(axes: Axes, scores: Scores) -> None:
    bins = len(scores.pit_histogram)
    axes.bar((np.arange(bins) + 0.5) / bins, scores.pit_histogram, width=0.9 / bins)
    axes.axhline(1 / bins, color="grey", linewidth=0.8)
    axes.set(title=f"PIT: {scores.name}", xlabel="level of the outcome")
    axes.title.set_fontsize(8)


def _draw_fan(evaluation: Evaluation, figure: Figure) -> None:
    first = next(iter(evaluation.walks))
    corrected = next((name for name in evaluation.recalibrators if name.startswith(first + ",")), first)
    for axes, name in zip(figure.subplots(1, 2, sharey=True), (first, corrected), strict=True):
        walk = evaluation.walks[name]
        window = len(walk.origins) // 2
        steps = np.arange(1, walk.actual.shape[1] + 1)
        one = walk.samples[window : window + 1]
        for share, shade in ((0.9, 0.2), (0.5, 0.35)):
            low, high = sample_quantiles(one, ((1 - share) / 2, (1 + share) / 2))
            axes.fill_between(steps, low[0], high[0], color="tab:blue", alpha=shade, linewidth=0)
        axes.plot(
            steps, np.median(one[0], axis=0), color="tab:blue", linewidth=1.2, label="median, 50 and 90 %"
        )
        axes.plot(steps, walk.actual[window], color="black", linewidth=1.2, label="what happened")
        axes.set_title(f"{name}, the middle window", fontsize=8)
        axes.set(xlabel="step", ylabel="change since the origin, %")
        axes.legend(fontsize=7)

"""An evaluation as figures (JSON), as a page to read (Markdown), and as one self-contained HTML file."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.evaluation.evaluate import Comparison, Evaluation, Scores, shown_steps
from kokex.kronos.evaluation.metrics import BANDS, PINBALL_LEVELS
from kokex.kronos.evaluation.plots import draw_plots

Row = list[str]


def write_report(evaluation: Evaluation, folder: Path, title: str, facts: Mapping[str, str]) -> None:
    """Write report.md, report.json, report.html, recalibration.json and the plots into a folder.

    Args:
        evaluation: what to report.
        folder: made if absent.
        title: heading.
        facts: what a reader must know first, such as data, dates, model; name to sentence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = draw_plots(evaluation, folder)
    _write(folder / "report.json", json.dumps(as_json(evaluation, facts), indent=1) + "\n")
    corrections = {name: _rounded(r.as_json()) for name, r in evaluation.recalibrators.items()}
    _write(folder / "recalibration.json", json.dumps(corrections) + "\n")
    tables = _tables(evaluation)
    _write(folder / "report.md", _markdown(title, facts, tables, [path.name for path in plots]))
    _write(folder / "report.html", _page(title, facts, tables, plots))


def as_json(evaluation: Evaluation, facts: Mapping[str, str]) -> dict[str, Any]:
    """Every score at every step; NaN becomes null."""
    record = {
        "facts": dict(facts),
        "protocol": asdict(evaluation.protocol),
        "unit": "percent of the last close, 100 x log",
        "scores": {scores.name: _scores_record(scores) for scores in evaluation.scores},
        "diebold_mariano": [
            {
                "first": pair.first,
                "second": pair.second,
                "overall": asdict(pair.overall) | {"verdict": pair.overall.verdict},
                "steps": {str(step): asdict(result) for step, result in pair.steps.items()},
            }
            for pair in evaluation.comparisons
        ],
    }
    rounded: dict[str, Any] = _rounded(record)
    return rounded


def _scores_record(scores: Scores) -> dict[str, Any]:
    return {
        "windows": scores.windows,
        "crps": scores.crps,
        "crps_mean": scores.crps.mean(),
        "pinball": {str(level): values for level, values in zip(PINBALL_LEVELS, scores.pinball, strict=True)},
        "bands": {
            str(band.nominal): {
                "coverage": band.coverage,
                "width": band.width,
                "coverage_mean": band.coverage.mean(),
            }
            for band in scores.bands
        },
        "pit_histogram": scores.pit_histogram,
        "mae_median": scores.points.mae,
        "rmse_median": scores.points.rmse,
        "direction": asdict(scores.direction),
        "rank_ic": scores.rank_ic,
    }


def _rounded(value: Any) -> Any:
    """Arrays to lists, figures to six digits, NaN to None: JSON that every reader takes."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return _rounded(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_rounded(inner) for inner in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _tables(evaluation: Evaluation) -> dict[str, tuple[Row, list[Row]]]:
    steps = shown_steps(evaluation.protocol.horizon)
    return {
        "CRPS, lower is better": _by_step(evaluation, steps, lambda scores: scores.crps),
        "Coverage (and mean width) of the central bands": _band_table(evaluation),
        "Median and direction, means over the horizon": _point_table(evaluation),
        "Directional accuracy at single steps, with its 95 % interval": _direction_table(evaluation, steps),
        "Diebold-Mariano on CRPS: negative t means the first is better": _comparison_table(evaluation, steps),
    }


def _by_step(evaluation: Evaluation, steps: tuple[int, ...], pick: Any) -> tuple[Row, list[Row]]:
    head = ["forecaster", "mean", *(f"step {step}" for step in steps)]
    rows = []
    for scores in evaluation.scores:
        values: NDArray[np.float64] = pick(scores)
        rows.append([scores.name, f"{values.mean():.4f}", *(f"{values[step - 1]:.4f}" for step in steps)])
    return head, rows


def _band_table(evaluation: Evaluation) -> tuple[Row, list[Row]]:
    head = ["forecaster", *(f"{share:.0%}" for share in BANDS)]
    rows = [
        [scores.name, *(f"{band.coverage.mean():.1%} ({band.width.mean():.2f})" for band in scores.bands)]
        for scores in evaluation.scores
    ]
    return head, rows


def _point_table(evaluation: Evaluation) -> tuple[Row, list[Row]]:
    head = ["forecaster", "MAE", "RMSE", "direction", "rank IC", "pinball 5 %", "pinball 95 %"]
    rows = []
    for scores in evaluation.scores:
        figures = (
            scores.points.mae.mean(),
            scores.points.rmse.mean(),
            _mean(scores.direction.accuracy),
            _mean(scores.rank_ic),
            scores.pinball[PINBALL_LEVELS.index(0.05)].mean(),
            scores.pinball[PINBALL_LEVELS.index(0.95)].mean(),
        )
        rows.append([scores.name, *(f"{figure:.3f}" if np.isfinite(figure) else "-" for figure in figures)])
    return head, rows


def _direction_table(evaluation: Evaluation, steps: tuple[int, ...]) -> tuple[Row, list[Row]]:
    head = ["forecaster", *(f"step {step}" for step in steps)]
    rows = []
    for scores in evaluation.scores:
        found = scores.direction
        cells = [
            f"{found.accuracy[s - 1]:.1%} ({found.low[s - 1]:.1%} to {found.high[s - 1]:.1%})" if found.called[s - 1] else "-"
            for s in steps
        ]  # fmt: skip
        rows.append([scores.name, *cells])
    return head, rows


def _comparison_table(evaluation: Evaluation, steps: tuple[int, ...]) -> tuple[Row, list[Row]]:
    head = ["first", "second", "horizon mean", *(f"step {step}" for step in steps)]

    def row(pair: Comparison) -> Row:
        results = (pair.overall, *(pair.steps[step] for step in steps))
        cells = [f"{r.verdict} (t {r.statistic:.1f}, p {r.p_value:.3f})" for r in results]
        return [pair.first, pair.second, *cells]

    return head, [row(pair) for pair in evaluation.comparisons]


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _markdown(
    title: str, facts: Mapping[str, str], tables: Mapping[str, tuple[Row, list[Row]]], plots: list[str]
) -> str:
    lines = [f"# {title}", ""]
    lines += [f"- {name}: {text}" for name, text in facts.items()]
    lines += ["- unit of every score: percent of the last close (100 x log)"]
    for heading, (head, rows) in tables.items():
        lines += ["", f"## {heading}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "## Plots", ""]
    lines += [f"![{name.removesuffix('.png')}]({name})\n" for name in plots]
    return "\n".join(lines)


def _page(
    title: str, facts: Mapping[str, str], tables: Mapping[str, tuple[Row, list[Row]]], plots: list[Path]
) -> str:
    parts = [f"<h1>{html.escape(title)}</h1><ul>"]
    parts += [f"<li>{html.escape(name)}: {html.escape(text)}</li>" for name, text in facts.items()]
    parts += ["<li>unit of every score: percent of the last close (100 x log)</li></ul>"]
    for plot in plots:
        data = base64.b64encode(plot.read_bytes()).decode()
        parts.append(f'<img alt="{plot.stem}" src="data:image/png;base64,{data}">')
    for heading, (head, rows) in tables.items():
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
        parts.append(f"<h2>{html.escape(heading)}</h2><table><tr>{cells}</tr>{body}</table>")
    style = "body{font:15px system-ui;margin:2em auto;max-width:70em}td,th{padding:.2em .7em;text-align:left}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}img{{max-width:100%}}</style>{''.join(parts)}</html>\n"
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

"""What is known about the demo's own model: how far its training is, and how good it is beside the baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from kokex.domain.model import (
    ForecasterScore,
    ModelVersion,
    VersionStatus,
    evaluation_scores,
    evaluation_verdicts,
)

BASELINE: Final = "block_bootstrap"
BAND: Final = "0.9"


class ModelState(StrEnum):
    """How far the demo's model is."""

    LEFT_OUT = "left out"
    """Nobody wants one."""
    NOT_INSTALLED = "not installed"
    """The libraries that models need are missing."""
    WAITING = "waiting"
    """Not asked for yet."""
    TRAINING = "training"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DemoModel:
    """One look at it.

    Attributes:
        version: None before there is one.
        line: the newest word of its training; where there is no model, why.
        share: of the training's steps that are done, 0 to 1; None: not known.
    """

    state: ModelState
    version: ModelVersion | None = None
    line: str = ""
    share: float | None = None

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        """As the registry has it."""
        states = {VersionStatus.TRAINING: ModelState.TRAINING, VersionStatus.FAILED: ModelState.FAILED}
        return cls(states.get(version.status, ModelState.READY), version)

    def at(self, line: str, share: float | None) -> Self:
        """Further; a word without a share leaves the share."""
        return replace(self, line=line, share=self.share if share is None else share)

    @property
    def ended(self) -> bool:
        """Nothing more is to be expected."""
        return self.state in (ModelState.READY, ModelState.FAILED)

    @property
    def scores(self) -> tuple[ForecasterScore, ...]:
        """Of what the plan forecasts with, bands corrected, then of the baseline; empty where either was not judged."""
        if self.version is None:
            return ()
        known = {score.name: score for score in evaluation_scores(self.version.evaluation or {})}
        used = known.get(f"{self.version.forecaster}, conformal") or known.get(self.version.forecaster)
        found = (used, known.get(BASELINE))
        judged = tuple(score for score in found if score is not None and score.crps is not None)
        return judged if len(judged) == len(found) else ()

    @property
    def better(self) -> str | None:
        """Name of whichever has the lower CRPS; None where they were not judged."""
        return min(self.scores, key=lambda score: score.crps or 0.0).name if self.scores else None

    @property
    def verdict(self) -> str | None:
        """What the test of the difference says."""
        if not self.scores:
            return None
        head = f"{self.scores[0].name}: "
        sentences = evaluation_verdicts((self.version.evaluation if self.version else None) or {})
        found = (words for words in sentences if words.startswith(head) and BASELINE in words)
        return next(found, None)

    @property
    def sentence(self) -> str:
        """Where it stands, in one sentence; whichever is better is called so."""
        if self.version is None:
            return self.line
        name = self.version.name
        if self.state is ModelState.FAILED:
            return f"{name} failed: {self.version.error}; the baseline goes on"
        if self.state is not ModelState.READY:
            return f"{name} is still being trained: {self.line or 'it waits for the worker'}"
        if not self.scores:
            return f"{name} is ready and was not judged; the plan forecasts with it"
        used, baseline = self.scores
        words = "better than" if self.better == used.name else "worse than"
        return (
            f"{name} is ready, and the plan forecasts with it: CRPS {used.crps:.3f} %, {words} the baseline's "
            f"{baseline.crps:.3f} % on {used.windows} windows that it never saw"
        )

    def closing_lines(self) -> list[str]:
        """For the demo's end."""
        if self.state is ModelState.LEFT_OUT:
            return []
        tail = "; `kokex demo --resume` goes on with it" if self.state is ModelState.TRAINING else ""
        lines = [f"The model: {self.sentence}{tail}."]
        lines += [f"  {score_words(score)}" for score in self.scores]
        if self.verdict is not None:
            lines.append(f"  {self.verdict}")
        return lines

    def document(self) -> dict[str, Any]:
        """For a program. Scores in percent of the price; `better` is the name of the one with the lower CRPS."""
        version = self.version
        whole: dict[str, Any] = {
            "state": self.state.value,
            "version": None if version is None else version.name,
            "active": version is not None and version.active,
            "words": self.sentence,
        }
        if self.state is ModelState.TRAINING:
            whole["share_done"] = None if self.share is None else round(self.share, 3)
        if self.scores:
            whole["scores"] = {
                score.name: {
                    "windows": score.windows,
                    "crps": score.crps,
                    "coverage_90": score.coverage.get(BAND),
                }
                for score in self.scores
            }
            whole |= {"better": self.better, "verdict": self.verdict}
        return whole


def score_words(score: ForecasterScore) -> str:
    """One forecaster's score on a line."""
    held = score.coverage.get(BAND)
    band = "" if held is None else f", its 90 % band held {held:.0%}"
    return f"{score.name}: CRPS {score.crps:.3f} %{band}"

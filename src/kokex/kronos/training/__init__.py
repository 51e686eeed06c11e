"""Training of a tokenizer and a predictor on candles: `train`, its settings, and what it tells meanwhile."""

from __future__ import annotations

from kokex.kronos.training.errors import (
    BadSettingsError,
    RunMismatchError,
    TrainingDivergedError,
    TrainingError,
)
from kokex.kronos.training.events import (
    EpochDone,
    EventSink,
    JsonLinesSink,
    Notice,
    QueueSink,
    StageDone,
    StepDone,
    TensorBoardSink,
    TerminalSink,
    TrainingEvent,
    follow_events,
)
from kokex.kronos.training.options import RunOptions
from kokex.kronos.training.run import RunResult, train
from kokex.kronos.training.series import CandleSeries
from kokex.kronos.training.settings import PRESETS, LoraSettings, StageSettings, TrainingSettings, preset
from kokex.kronos.training.splits import Part, Split, split_by_time
from kokex.kronos.training.windows import WindowSet, cut_windows

__all__ = [
    "PRESETS",
    "BadSettingsError",
    "CandleSeries",
    "EpochDone",
    "EventSink",
    "JsonLinesSink",
    "LoraSettings",
    "Notice",
    "Part",
    "QueueSink",
    "RunMismatchError",
    "RunOptions",
    "RunResult",
    "Split",
    "StageDone",
    "StageSettings",
    "StepDone",
    "TensorBoardSink",
    "TerminalSink",
    "TrainingDivergedError",
    "TrainingError",
    "TrainingEvent",
    "TrainingSettings",
    "WindowSet",
    "cut_windows",
    "follow_events",
    "preset",
    "split_by_time",
    "train",
]

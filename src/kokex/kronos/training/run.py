"""A whole training run: checks, tokenizer, tokens, predictor; in a folder that a killed run is resumed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from kokex.kronos.config import KronosConfig, TokenizerConfig
from kokex.kronos.layers import Attention
from kokex.kronos.model import Kronos
from kokex.kronos.tokenizer import KronosTokenizer
from kokex.kronos.training.adapters import add_adapters, merged, save_adapters
from kokex.kronos.training.errors import BadSettingsError
from kokex.kronos.training.events import (
    JsonLinesSink,
    Notice,
    StageName,
    TensorBoardSink,
    TrainingEvent,
    trim_events,
)
from kokex.kronos.training.loop import StageLoop
from kokex.kronos.training.objective import (
    Objective,
    PredictorLossModule,
    PredictorObjective,
    TokenizerObjective,
)
from kokex.kronos.training.options import RunOptions
from kokex.kronos.training.precision import with_precision
from kokex.kronos.training.record import RESULT_FILE, claim_folder, result_record, run_record, write_json
from kokex.kronos.training.series import CandleSeries
from kokex.kronos.training.settings import StageSettings, TrainingSettings
from kokex.kronos.training.splits import Split, split_by_time
from kokex.kronos.training.stage import StageResult, Surroundings
from kokex.kronos.training.state import StageState
from kokex.kronos.training.tokens import tokenise
from kokex.kronos.training.windows import WindowSet, cut_windows

EVENTS_FILE = "events.jsonl"
STAGES: tuple[StageName, StageName] = ("tokenizer", "predictor")


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; `finished` is False when it was asked to stop."""

    folder: Path
    finished: bool
    tokenizer: StageResult | None
    predictor: StageResult | None


def train(
    series: CandleSeries, settings: TrainingSettings, folder: Path, options: RunOptions | None = None
) -> RunResult:
    """Train a tokenizer, then a predictor, or resume where the folder's run stands.

    The weights that validated best end in `folder/tokenizer/best` and `folder/predictor/best`.

    Raises:
        CandlesError, BadSettingsError: before any long work.
        TrainingDivergedError: the loss was NaN or exploded; the last good weights are kept.
    """
    return _Run(series, settings, folder, options or RunOptions()).run()


class _StoppedError(Exception):
    """A run was asked to stop between its stages."""


class _Run:
    def __init__(
        self, series: CandleSeries, settings: TrainingSettings, folder: Path, options: RunOptions
    ) -> None:
        options.check(settings)
        _check_sources(settings, options)
        settings = with_precision(settings, options.accelerator)
        self.series, self.settings, self.folder, self.options = series, settings, folder, options
        self.split = split_by_time(
            len(series),
            settings.window,
            validation_share=settings.validation_share,
            test_share=settings.test_share,
        )
        self.train_windows = cut_windows(
            series,
            self.split.train,
            context=settings.context,
            horizon=settings.horizon,
            stride=settings.stride,
            shortest_context=settings.shortest_context,
            seed=settings.seed,
        )
        self.validation_windows = _validation_windows(series, self.split, settings)
        several = options.devices not in (1, "1")
        self.fabric = Fabric(
            accelerator=options.accelerator,
            devices=options.devices,
            strategy="ddp" if several else "auto",
            precision=settings.precision,
        )
        self._sinks: list[Any] = []

    def run(self) -> RunResult:
        self.fabric.launch()
        record = run_record(self.series, self.split, self.settings, self.options)
        if self.fabric.is_global_zero:
            claim_folder(self.folder, record)
        self.fabric.barrier()
        self._open_sinks()
        try:
            return self._stages()
        finally:
            for sink in self._sinks:
                sink.close()

    def _stages(self) -> RunResult:
        tokenizer_result: StageResult | None = None
        tokenizer = self._tokenizer()
        if not self.options.freeze_tokenizer:
            objective = TokenizerObjective(tokenizer, self.train_windows, self.validation_windows)
            tokenizer_result = self._stage(
                "tokenizer", objective, self.settings.tokenizer, tokenizer.save_pretrained
            )
            if not tokenizer_result.finished:
                return RunResult(self.folder, False, tokenizer_result, None)
        elif self.fabric.is_global_zero:
            tokenizer.save_pretrained(self.folder / "tokenizer" / "best")
        self.fabric.barrier()
        try:
            predictor_result = self._predictor_stage()
        except _StoppedError:
            return RunResult(self.folder, False, tokenizer_result, None)
        if predictor_result.finished and self.fabric.is_global_zero:
            write_json(self.folder / RESULT_FILE, result_record(tokenizer_result, predictor_result))
        return RunResult(self.folder, predictor_result.finished, tokenizer_result, predictor_result)

    def _tokenizer(self) -> KronosTokenizer:
        if self.options.tokenizer_from is not None:
            return KronosTokenizer.from_pretrained(self.options.tokenizer_from)
        torch.manual_seed(self.settings.seed)
        return KronosTokenizer(TokenizerConfig.from_dict(self.settings.tokenizer_shape))

    def _predictor(self) -> Kronos:
        torch.manual_seed(self.settings.seed + 1)
        if self.options.predictor_from is not None:
            model = Kronos.from_pretrained(self.options.predictor_from)
        else:
            model = Kronos(KronosConfig.from_dict(self.settings.predictor_shape))
        if not self.settings.attention_dropout:
            drop_attention_dropout(model)
        if self.settings.lora is not None:
            add_adapters(model, self.settings.lora)
        return model

    def _predictor_stage(self) -> StageResult:
        settings = self.settings
        tokenizer = KronosTokenizer.from_pretrained(self.folder / "tokenizer" / "best")
        model = self._predictor()
        _check_vocabularies(tokenizer.config, model.config)
        device = self.fabric.device
        train_tokens = tokenise(tokenizer, self.train_windows, device, progress=self._between_batches)
        validation_tokens = tokenise(tokenizer, self.validation_windows, device)
        module = PredictorLossModule(model, settings.dependency, settings.second_token_query == "sampled")  # noqa: S105
        objective = PredictorObjective(module, train_tokens, validation_tokens, settings.context_loss_weight)

        def keep(folder: Path) -> None:
            if settings.lora is not None:
                merged(model).save_pretrained(folder)
                save_adapters(model, folder)
            else:
                model.save_pretrained(folder)

        return self._stage("predictor", objective, settings.predictor, keep)

    def _stage(
        self, name: StageName, objective: Objective, settings: StageSettings, keep: Callable[[Path], None]
    ) -> StageResult:
        around = Surroundings(
            fabric=self.fabric,
            folder=self.folder / name,
            seed=self.settings.seed + STAGES.index(name),
            emit=self._emit,
            should_stop=self.options.should_stop,
            keep=keep,
            checkpoint_every=self.settings.checkpoint_every,
            validation_batch=settings.batch_size,
        )
        return StageLoop(name, objective, settings, around).run()

    def _open_sinks(self) -> None:
        if not self.fabric.is_global_zero:
            return
        for name in STAGES:
            state = self.folder / name / "state.pt"
            trim_events(self.folder / EVENTS_FILE, name, StageState.load(state).step if state.exists() else 0)
        self._sinks.append(JsonLinesSink(self.folder / EVENTS_FILE))
        if self.options.tensorboard:
            self._sinks.append(TensorBoardSink(self.folder / "tensorboard"))
        if self.train_windows.skipped:
            message = f"{self.train_windows.skipped} windows left out: one price in their whole context"
            self._emit(Notice("tokenizer", 0, message))

    def _between_batches(self, done: int, whole: int) -> None:
        """Tokens of many windows take minutes. Several processes stop together, at the first step."""
        if self.fabric.world_size == 1 and self.options.should_stop():
            raise _StoppedError

    def _emit(self, event: TrainingEvent) -> None:
        for sink in (*self._sinks, *self.options.sinks):
            sink(event)


def drop_attention_dropout(model: torch.nn.Module) -> None:
    """Turn attention dropout off; the configuration keeps its figure. It forbids the fused kernels (1.5-1.7x)."""
    for module in model.modules():
        if isinstance(module, Attention):
            module.attn_dropout_p = 0.0


def _check_sources(settings: TrainingSettings, options: RunOptions) -> None:
    """Load what the run starts from, so that hours of the first stage do not end in a fault of the second's weights."""
    tokenizer, model = (
        TokenizerConfig.from_dict(settings.tokenizer_shape),
        KronosConfig.from_dict(settings.predictor_shape),
    )
    if options.tokenizer_from is not None:
        tokenizer = KronosTokenizer.from_pretrained(options.tokenizer_from).config
    if options.predictor_from is not None:
        model = Kronos.from_pretrained(options.predictor_from).config
    _check_vocabularies(tokenizer, model)


def _check_vocabularies(tokenizer: TokenizerConfig, model: KronosConfig) -> None:
    made = (tokenizer.s1_bits, tokenizer.s2_bits)
    read = (model.s1_bits, model.s2_bits)
    if made != read:
        raise BadSettingsError(
            f"the tokenizer makes {made} bits, the predictor reads {read}; give weights that belong together"
        )


def _validation_windows(series: CandleSeries, split: Split, settings: TrainingSettings) -> WindowSet:
    """Evenly spread windows, each normalised by its whole context."""
    possible = len(split.validation) - settings.window + 1
    stride = max(possible // settings.validation_windows, 1)
    return cut_windows(
        series, split.validation, context=settings.context, horizon=settings.horizon, stride=stride
    )

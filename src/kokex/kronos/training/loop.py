"""The optimiser loop of one stage: steps, validation, best and last weights, and what happens when things go wrong.

Everything random is drawn from (seed, epoch) or (seed, step), so that a run resumed at a step does what an unbroken one
would have done: on the CPU, to the last bit.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch

from kokex.kronos.training.averaging import AveragedWeights
from kokex.kronos.training.errors import TrainingDivergedError
from kokex.kronos.training.events import EpochDone, Notice, StageDone, StageName, StepDone
from kokex.kronos.training.objective import Objective, Rows
from kokex.kronos.training.processes import Processes
from kokex.kronos.training.schedule import learning_rate
from kokex.kronos.training.settings import StageSettings
from kokex.kronos.training.stage import StageResult, Surroundings
from kokex.kronos.training.state import StageState

EXPLOSION_FACTOR = 4.0
"""A loss this many times its running mean (and at least this much above it) ends the stage."""
TYPICAL_DECAY = 0.95
SPEED_DECAY = 0.9


class StageLoop:
    """Train one stage to its end, from wherever its folder says it stands."""

    def __init__(
        self, name: StageName, objective: Objective, settings: StageSettings, around: Surroundings
    ) -> None:
        self.name, self.objective, self.settings, self.around = name, objective, settings, around
        self.fabric, self.processes = around.fabric, Processes(around.fabric)
        trainable = [p for p in objective.module.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(
            trainable,
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.module, self.optimiser = self.fabric.setup(objective.module, optimiser)
        self.trainable = [p for p in self.module.parameters() if p.requires_grad]
        self.averages = AveragedWeights(objective.module, settings.ema) if settings.ema else None
        self.windows = min(settings.windows_per_epoch or len(objective), len(objective))
        self.steps_per_epoch = -(-self.windows // settings.batch_size)
        self.steps = self.steps_per_epoch * settings.epochs
        self.state = StageState(pieces=settings.accumulate)
        self._seconds_per_step: float | None = None
        self._resume()

    @property
    def state_path(self) -> Path:
        """Where the state to resume from lies."""
        return self.around.folder / "state.pt"

    def run(self) -> StageResult:
        """Train until the end, an early stop, or `should_stop`. Raises TrainingDivergedError."""
        state, started, before = self.state, time.monotonic(), self.state.seconds
        finished_before = state.finished
        while not state.finished:
            epoch = state.step // self.steps_per_epoch
            if state.validated < epoch:
                self._end_epoch(epoch - 1)
                state.seconds = before + time.monotonic() - started
                self._save()
                continue
            if self.processes.anywhere(self.around.should_stop()):
                self._save()
                break
            self._step(epoch)
            state.seconds = before + time.monotonic() - started
            if state.step % self.around.checkpoint_every == 0 and state.step % self.steps_per_epoch:
                self._save()
        if state.finished and not finished_before:
            self._emit(StageDone(self.name, state.step, state.best_loss, state.best_epoch, state.seconds))
        return StageResult(state.finished, state.step, state.best_loss, state.best_epoch, state.seconds)

    # -- a step ------------------------------------------------------------------------------------------------

    def _step(self, epoch: int) -> None:
        began, state = time.perf_counter(), self.state
        rows = self._rows(epoch, state.step % self.steps_per_epoch)
        rate = learning_rate(self.settings, state.step, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss, parts = self._gradients(rows)
        norm = float(torch.nn.utils.clip_grad_norm_(self.trainable, self.settings.clip, foreach=True))
        self._refuse_nonsense(epoch, loss, norm)
        self.optimiser.step()
        state.step += 1
        if self.averages is not None:
            self.averages.update(state.step)
        share = TYPICAL_DECAY if state.typical_loss is not None else 0.0
        state.typical_loss = share * (state.typical_loss or 0.0) + (1 - share) * loss
        self._report(epoch, loss, parts, norm, len(rows), time.perf_counter() - began)

    def _rows(self, epoch: int, place: int) -> Rows:
        """Windows of a step, over all processes: the epoch's own shuffle, cut into batches."""
        order = np.random.default_rng((self.around.seed, epoch)).permutation(len(self.objective))[
            : self.windows
        ]
        size = self.settings.batch_size
        return np.sort(order[place * size : (place + 1) * size])

    def _gradients(self, rows: Rows) -> tuple[float, dict[str, float]]:
        """Fill the gradients of a step; when memory runs out, halve the pieces and begin the step again."""
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            torch.manual_seed(_step_seed(self.around.seed, self.state.step, self.fabric.global_rank))
            outcome: tuple[float, dict[str, float]] | None = None
            try:
                outcome = self._pieces(rows)
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
            if not self.processes.anywhere(outcome is None):
                assert outcome is not None
                return self._shared(*outcome)
            self._halve(len(rows))

    def _pieces(self, rows: Rows) -> tuple[float, dict[str, float]]:
        own = self.processes.own(rows)
        pieces = [piece for piece in np.array_split(own, self.state.pieces) if len(piece)]
        batches = [self.objective.batch(piece, self.fabric.device) for piece in pieces]
        whole = self.processes.sum(sum(batch.weight for batch in batches))
        total = 0.0
        parts: dict[str, float] = {}
        self.module.train()
        for batch in batches:
            with self.processes.alone(self.module):
                losses = self.module(*batch.tensors)
                share = batch.weight / whole
                self.fabric.backward(losses.total * (share * self.fabric.world_size))
            total += share * float(losses.total.detach())
            for name, value in losses.parts.items():
                parts[name] = parts.get(name, 0.0) + share * float(value.detach())
        return total, parts

    def _shared(self, loss: float, parts: dict[str, float]) -> tuple[float, dict[str, float]]:
        self.processes.average_gradients(self.trainable)
        return self.processes.sum(loss), {name: self.processes.sum(value) for name, value in parts.items()}

    def _halve(self, windows: int) -> None:
        pieces = self.state.pieces * 2
        if pieces > windows:
            raise MemoryError(
                f"{self.name}: not even one window at a time fits into memory; choose a smaller model"
            )
        self.state.pieces = pieces
        self.optimiser.zero_grad(set_to_none=True)
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        size = -(-windows // pieces)
        message = f"out of memory: computing each batch of {windows} in {pieces} pieces of {size} from now on"
        self._emit(Notice(self.name, self.state.step, message))

    def _refuse_nonsense(self, epoch: int, loss: float, norm: float) -> None:
        typical, reason = self.state.typical_loss, None
        if not math.isfinite(loss):
            reason = f"the loss is {loss}"
        elif not math.isfinite(norm):
            reason = f"the gradient's norm is {norm}"
        elif typical is not None and loss - typical > EXPLOSION_FACTOR * max(abs(typical), 0.25):
            reason = f"the loss rose to {loss:.4g} from about {typical:.4g}"
        if reason is not None:
            kept = StageState.load(self.state_path).step if self.state_path.exists() else 0
            raise TrainingDivergedError(self.name, epoch, self.state.step + 1, reason, kept)

    # -- validation and keeping --------------------------------------------------------------------------------

    def _end_epoch(self, epoch: int) -> None:
        state = self.state
        averaged: AbstractContextManager[None] = self.averages.in_place() if self.averages else nullcontext()
        with averaged:
            loss, parts = self.validate()
            if not math.isfinite(loss):
                reason = f"the validation loss is {loss}"
                raise TrainingDivergedError(self.name, epoch, state.step, reason, state.best_step)
            better = loss < state.best_loss
            if better:
                state.best_loss, state.best_epoch, state.best_step = loss, epoch, state.step
                self._keep("best")
            self._keep("last")
        state.validated = epoch + 1
        best = (better, state.best_loss, state.best_epoch)
        self._emit(EpochDone(self.name, epoch, self.settings.epochs, state.step, loss, parts, *best))
        patience = self.settings.patience
        if patience is not None and epoch - state.best_epoch >= patience:
            state.finished = state.stopped_early = True
            message = f"stopped early: no better validation loss in {patience} epochs"
            self._emit(Notice(self.name, state.step, message))
        if state.step >= self.steps:
            state.finished = True

    @torch.no_grad()
    def validate(self) -> tuple[float, dict[str, float]]:
        """Mean loss and parts over the validation windows, with the weights that the module now holds."""
        self.module.eval()
        rows = np.arange(self.objective.validation_rows())
        own = self.processes.own(rows)
        weight, sums = 0.0, {"": 0.0}
        for first in range(0, len(own), self.around.validation_batch):
            batch = self.objective.validation_batch(
                own[first : first + self.around.validation_batch], self.fabric.device
            )
            losses = self.module(*batch.tensors)
            weight += batch.weight
            for name, value in {"": losses.total, **losses.parts}.items():
                sums[name] = sums.get(name, 0.0) + batch.weight * float(value)
        whole = self.processes.sum(weight)
        means = {name: self.processes.sum(value) / whole for name, value in sums.items()}
        return means.pop(""), means

    def _keep(self, which: str) -> None:
        if self.fabric.is_global_zero:
            self.around.keep(self.around.folder / which)

    def _save(self) -> None:
        if not self.fabric.is_global_zero:
            return
        state = self.state
        state.weights = {
            name: p.detach() for name, p in self.objective.module.named_parameters() if p.requires_grad
        }
        state.optimiser = self.optimiser.state_dict()
        state.averages = self.averages.averages if self.averages else None
        state.save(self.state_path)

    def _resume(self) -> None:
        if not self.state_path.exists():
            return
        self.state = state = StageState.load(self.state_path)
        own = dict(self.objective.module.named_parameters())
        with torch.no_grad():
            for name, value in state.weights.items():
                own[name].copy_(value)
        self.optimiser.load_state_dict(state.optimiser)
        if self.averages is not None and state.averages is not None:
            self.averages.load(state.averages)
        if not state.finished:
            self._emit(Notice(self.name, state.step, f"resumed at step {state.step} of {self.steps}"))

    # -- telling -----------------------------------------------------------------------

    def _report(
        self, epoch: int, loss: float, parts: dict[str, float], norm: float, rows: int, seconds: float
    ) -> None:
        known = self._seconds_per_step
        self._seconds_per_step = (
            seconds if known is None else SPEED_DECAY * known + (1 - SPEED_DECAY) * seconds
        )
        self._emit(
            StepDone(
                stage=self.name,
                epoch=epoch,
                epochs=self.settings.epochs,
                step=self.state.step,
                steps=self.steps,
                loss=loss,
                parts=parts,
                learning_rate=self.optimiser.param_groups[0]["lr"],
                gradient_norm=norm,
                samples_per_second=rows / self._seconds_per_step,
                eta_seconds=(self.steps - self.state.step) * self._seconds_per_step,
            )
        )

    def _emit(self, event: StepDone | EpochDone | Notice | StageDone) -> None:
        if self.fabric.is_global_zero:
            self.around.emit(event)


def _step_seed(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)

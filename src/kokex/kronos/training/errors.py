"""What can go wrong in training, besides unusable candles (`kokex.kronos.errors.CandlesError`).

TrainingError
|-- BadSettingsError         settings that contradict each other or the candles
|-- RunMismatchError         a folder holds a run of other settings or candles
`-- TrainingDivergedError    the loss became NaN or exploded; the last good weights are kept
"""

from __future__ import annotations

from kokex.kronos.errors import KronosError


class TrainingError(KronosError):
    """Root of what training raises on purpose."""


class BadSettingsError(TrainingError):
    """Settings contradict each other or the candles."""


class RunMismatchError(TrainingError):
    """The folder holds a run that was started with other settings or other candles."""


class TrainingDivergedError(TrainingError):
    """The loss stopped being a number or exploded.

    Args:
        stage: ``tokenizer`` or ``predictor``.
        epoch: epoch (from 0) of the bad step.
        step: optimiser step (from 1) that was being computed.
        reason: what was seen, with its figures.
        kept: the last step whose weights are kept on disk.
    """

    def __init__(self, stage: str, epoch: int, step: int, reason: str, kept: int) -> None:
        self.stage, self.epoch, self.step, self.reason, self.kept = stage, epoch, step, reason, kept
        super().__init__(
            f"{stage} training stopped in epoch {epoch + 1} at step {step}: {reason}; "
            f"the weights of step {kept} are kept. Lower the learning rate or the gradient clip and start again"
        )

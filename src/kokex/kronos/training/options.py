"""Where a run starts from and what it runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kokex.kronos.training.errors import BadSettingsError
from kokex.kronos.training.events import EventSink
from kokex.kronos.training.settings import TrainingSettings


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where a run starts from and what it runs on; none of it changes what is learnt but the sources."""

    tokenizer_from: str | None = None
    """Folder or hub id of tokenizer weights to start from; None starts from scratch."""
    predictor_from: str | None = None
    """Folder or hub id of predictor weights to start from."""
    freeze_tokenizer: bool = False
    """Use the tokenizer as it is; needs `tokenizer_from`."""
    accelerator: str = "auto"
    """Lightning's word: auto, cpu, cuda, mps."""
    devices: int | str = 1
    """How many; several are used with DDP."""
    sinks: Sequence[EventSink] = field(default=())
    """Hear every event, besides `events.jsonl`."""
    tensorboard: bool = True
    should_stop: Callable[[], bool] = _never
    """Asked after every step; True saves the state and ends the run, to be resumed."""

    def check(self, settings: TrainingSettings) -> None:
        """Refuse contradictions. Raises BadSettingsError."""
        if self.freeze_tokenizer and self.tokenizer_from is None:
            raise BadSettingsError("a frozen tokenizer needs weights to start from (tokenizer_from)")
        if settings.lora is not None and self.predictor_from is None:
            raise BadSettingsError("adapters need a trained predictor to sit on (predictor_from)")

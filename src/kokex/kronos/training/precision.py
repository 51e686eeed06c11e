"""Which precision a run's matrix products are computed in. Weights, sums and the optimiser are float32 either way."""

from __future__ import annotations

from typing import Literal

import torch

from kokex.kronos.training.settings import TrainingSettings

Chosen = Literal["32-true", "bf16-mixed"]
_PROCESSOR_HAS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
"""Questions that torch answers about the processor; private ones, hence asked only where they exist."""


def with_precision(settings: TrainingSettings, accelerator: str) -> TrainingSettings:
    """The settings with `auto` replaced by what suits the device: bf16 products where it has instructions for them."""
    if settings.precision != "auto":
        return settings
    chosen: Chosen = "bf16-mixed" if has_bf16(accelerator) else "32-true"
    return settings.changed(precision=chosen)


def has_bf16(accelerator: str) -> bool:
    """Whether the device that Lightning's word comes to multiplies bf16 faster than float32."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return False
    return any(getattr(torch.cpu, name)() for name in _PROCESSOR_HAS if hasattr(torch.cpu, name))

"""Low-rank adapters on a trained predictor: the cheap retrain."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn

from kokex.kronos.model import Kronos
from kokex.kronos.training.errors import BadSettingsError
from kokex.kronos.training.settings import LoraSettings

ADAPTER_FILE = "adapter.safetensors"


def add_adapters(model: Kronos, settings: LoraSettings) -> None:
    """Put adapters on the model's linear layers, in place; only they are trained from now on.

    Raises:
        BadSettingsError: no layer of that name exists.
    """
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.layers),
        bias="none",
    )
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise BadSettingsError(f"no adapter can be put on {', '.join(settings.layers)}: {error}") from error


@torch.no_grad()
def merged(model: Kronos) -> Kronos:
    """A plain model whose weights hold base and adapters together; the model given is left as it is."""
    plain = copy.deepcopy(model)
    adapted = [(name, module) for name, module in plain.named_modules() if isinstance(module, LoraLayer)]
    for name, module in adapted:
        module.merge()
        parent, _, leaf = name.rpartition(".")
        base = module.get_base_layer()
        assert isinstance(base, nn.Module)
        setattr(plain.get_submodule(parent), leaf, base)
    return plain


def save_adapters(model: Kronos, folder: Path) -> None:
    """Write the adapters alone; a few percent of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = get_peft_model_state_dict(model, adapter_name="default")
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / ADAPTER_FILE
    )

"""What a training run is told, and the presets."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from kokex.kronos.training.errors import BadSettingsError

Schedule = Literal["one_cycle", "cosine", "constant"]
DependencyForm = Literal["inference", "published"]
SecondTokenQuery = Literal["target", "sampled"]


@dataclass(frozen=True, slots=True)
class StageSettings:
    """How one of the two stages is trained."""

    epochs: int
    """Passes over the training windows (or over `windows_per_epoch` of them)."""
    batch_size: int
    """Windows in an optimiser step, over all devices together."""
    learning_rate: float
    """Peak of the schedule."""
    clip: float
    """Largest norm of the gradient."""
    windows_per_epoch: int | None = None
    """Windows drawn afresh for each epoch; None takes all."""
    schedule: Schedule = "one_cycle"
    warm_up: float = 0.03
    """Share of all steps until the peak."""
    start_divisor: float = 10.0
    """The first step's learning rate is the peak divided by this."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    accumulate: int = 1
    """Pieces that a step's windows are computed in, one after the other; more pieces need less memory."""
    patience: int | None = None
    """Epochs without a better validation loss until the stage stops early; None never stops."""
    ema: float | None = None
    """Decay per step of the averaged weights that are then validated and kept; None keeps the weights themselves."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "clip", "start_divisor"):
            if getattr(self, name) <= 0:
                raise BadSettingsError(f"{name} is {getattr(self, name)}; it must be above zero")
        if not 0 <= self.warm_up < 1:
            raise BadSettingsError(f"warm_up is {self.warm_up}; it is a share of the steps, 0 to below 1")
        if self.accumulate > self.batch_size:
            raise BadSettingsError(
                f"a batch of {self.batch_size} cannot be computed in {self.accumulate} pieces"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise BadSettingsError(f"ema is {self.ema}; it is a decay between 0 and 1")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adapters on the linear layers of an already trained predictor: the cheap retrain."""

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    layers: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj", "w1", "w2", "w3")
    """Names of the linear layers that are adapted."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """A whole run: windows, model sizes, the two stages."""

    preset: str
    context: int
    """Candles that a forecast is given."""
    horizon: int
    """Candles after them in each window."""
    tokenizer_shape: dict[str, Any]
    """Arguments of `KronosTokenizerConfig`."""
    predictor_shape: dict[str, Any]
    """Arguments of `KronosConfig`."""
    tokenizer: StageSettings
    predictor: StageSettings
    stride: int = 1
    """Candles between the starts of two training windows."""
    shortest_context: int | None = None
    """A training window is normalised by its first c candles, c drawn from here to `context`; None: always `context`."""
    context_loss_weight: float = 0.0
    """Weight of the predictor's loss on candles inside the context. Those are normalised with figures that know them
    (the sum of the context is zero), so 0 learns from honest futures only; 1 is the published way."""
    dependency: DependencyForm = "inference"
    """Form of the dependency layer in training: as at inference (no rotation), or as published (rotated)."""
    second_token_query: SecondTokenQuery = "target"  # noqa: S105
    """What the second token is conditioned on in training: the true first token, or one sampled by the model."""
    attention_dropout: bool = False
    """Keep the configuration's attention dropout; off is 1.5 to 1.7 times faster (it forbids the fused kernels)."""
    validation_share: float = 0.15
    test_share: float = 0.15
    validation_windows: int = 256
    """Windows, evenly spread over the validation part, that decide which weights are best."""
    checkpoint_every: int = 200
    """Steps between two saves of the state to resume from, besides the end of each epoch."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    """Of the matrix products. `auto`: bf16 where the device has instructions for it; `run.json` tells what it came to."""
    seed: int = 100
    lora: LoraSettings | None = None

    def __post_init__(self) -> None:
        if self.context < 2 or self.horizon < 1:
            raise BadSettingsError(
                f"context {self.context} and horizon {self.horizon}; give at least 2 and 1"
            )
        if not 0 <= self.context_loss_weight <= 1:
            raise BadSettingsError(f"context_loss_weight is {self.context_loss_weight}; give 0 to 1")
        bits = [
            (shape["s1_bits"], shape["s2_bits"]) for shape in (self.tokenizer_shape, self.predictor_shape)
        ]
        if bits[0] != bits[1]:
            raise BadSettingsError(f"the tokenizer makes {bits[0]} bits, the predictor reads {bits[1]}")

    @property
    def window(self) -> int:
        """Candles in a training window, which is also the purge gap."""
        return self.context + self.horizon

    def as_json(self) -> dict[str, Any]:
        """Plain figures for `run.json`."""
        return dataclasses.asdict(self)

    def fingerprint(self) -> str:
        """Changes with every setting but those that only say how often to save."""
        record = self.as_json()
        del record["checkpoint_every"]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def changed(self, **changes: Any) -> TrainingSettings:
        """A copy with other values; `tokenizer.epochs=3` is written `tokenizer__epochs=3`."""
        whole: dict[str, Any] = {}
        stages: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            stage, _, key = name.partition("__")
            if key:
                stages.setdefault(stage, {})[key] = value
            else:
                whole[name] = value
        for stage, values in stages.items():
            whole[stage] = dataclasses.replace(getattr(self, stage), **values)
        return dataclasses.replace(self, **whole)


def _tokenizer_shape(d_model: int, n_heads: int, ff_dim: int, layers: int, bits: int) -> dict[str, Any]:
    """Arguments of a tokenizer with `bits` bits for each of the two tokens; losses as published."""
    return {
        "d_in": 6, "d_model": d_model, "n_heads": n_heads, "ff_dim": ff_dim, "n_enc_layers": layers,
        "n_dec_layers": layers, "ffn_dropout_p": 0.0, "attn_dropout_p": 0.0, "resid_dropout_p": 0.0,
        "s1_bits": bits, "s2_bits": bits, "beta": 0.05, "gamma0": 1.0, "gamma": 1.1, "zeta": 0.05, "group_size": 4,
    }  # fmt: skip


def _predictor_shape(
    layers: int,
    d_model: int,
    n_heads: int,
    ff_dim: int,
    bits: int,
    dropouts: tuple[float, float, float, float],
) -> dict[str, Any]:
    """Arguments of a predictor; dropouts are those of ffn, attention, residual, token."""
    ffn, attention, residual, token = dropouts
    return {
        "s1_bits": bits, "s2_bits": bits, "n_layers": layers, "d_model": d_model, "n_heads": n_heads,
        "ff_dim": ff_dim, "ffn_dropout_p": ffn, "attn_dropout_p": attention, "resid_dropout_p": residual,
        "token_dropout_p": token, "learn_te": True,
    }  # fmt: skip


def _tiny() -> TrainingSettings:
    return TrainingSettings(
        preset="tiny",
        context=96,
        horizon=32,
        tokenizer_shape=_tokenizer_shape(64, 4, 128, 2, 8),
        predictor_shape=_predictor_shape(2, 64, 4, 128, 8, (0.1, 0.0, 0.1, 0.0)),
        tokenizer=StageSettings(8, 8, 2e-3, 2.0, windows_per_epoch=1536, ema=0.98),
        predictor=StageSettings(12, 16, 2e-3, 3.0, windows_per_epoch=1024, patience=4, ema=0.98),
        stride=2,
        shortest_context=32,
        validation_windows=128,
    )


def _mini() -> TrainingSettings:
    return TrainingSettings(
        preset="mini",
        context=256,
        horizon=48,
        tokenizer_shape=_tokenizer_shape(256, 4, 512, 4, 10),
        predictor_shape=_predictor_shape(4, 256, 4, 512, 10, (0.2, 0.0, 0.2, 0.0)),
        tokenizer=StageSettings(20, 32, 5e-4, 2.0, patience=5),
        predictor=StageSettings(30, 32, 3e-4, 3.0, patience=5),
        shortest_context=96,
        precision="auto",
    )


def _small() -> TrainingSettings:
    return TrainingSettings(
        preset="small",
        context=400,
        horizon=48,
        tokenizer_shape=_tokenizer_shape(256, 4, 512, 4, 10),
        predictor_shape=_predictor_shape(8, 512, 8, 1024, 10, (0.25, 0.1, 0.25, 0.1)),
        tokenizer=StageSettings(30, 50, 2e-4, 2.0, patience=6),
        predictor=StageSettings(30, 50, 4e-5, 3.0, patience=6),
        shortest_context=128,
        precision="auto",
    )


def _base() -> TrainingSettings:
    return TrainingSettings(
        preset="base",
        context=464,
        horizon=48,
        tokenizer_shape=_tokenizer_shape(256, 4, 512, 4, 10),
        predictor_shape=_predictor_shape(12, 832, 16, 2048, 10, (0.2, 0.0, 0.2, 0.0)),
        tokenizer=StageSettings(30, 50, 2e-4, 2.0, patience=6),
        predictor=StageSettings(30, 50, 4e-5, 3.0, patience=6),
        shortest_context=128,
        precision="auto",
    )


PRESETS = {"tiny": _tiny, "mini": _mini, "small": _small, "base": _base}


def preset(name: str) -> TrainingSettings:
    """The settings of `tiny`, `mini`, `small` or `base`. Raises BadSettingsError for another name."""
    if name not in PRESETS:
        raise BadSettingsError(f"preset {name!r}; known are {', '.join(PRESETS)}")
    return PRESETS[name]()

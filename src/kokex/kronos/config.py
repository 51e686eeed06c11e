"""What a checkpoint's ``config.json`` says, checked before any weight is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from kokex.kronos.errors import ConfigError

DEPENDENCY_HEADS = 4
"""Heads of the dependency layer, the same in every published size."""

LARGEST_VOCABULARY_BITS = 16
"""A head of 2^16 tokens is already larger than every published model."""


class _JsonConfig:
    """Reading and writing, shared by both configurations."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from the content of a ``config.json``. Keys of other programs are ignored.

        Raises:
            ConfigError: a key is missing or its value is impossible.
        """
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        missing = [name for name in known if name not in values]
        if missing:
            raise ConfigError(f"{cls.__name__}: config.json lacks {', '.join(missing)}")
        return cls(**{name: values[name] for name in known})

    def to_dict(self) -> dict[str, Any]:
        """The keys and values of ``config.json``."""
        return asdict(self)  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class TokenizerConfig(_JsonConfig):
    """Shape of a ``KronosTokenizer``; the field names are those of the published files."""

    d_in: int = 6
    """Columns of a candle."""
    d_model: int = 256
    n_heads: int = 4
    ff_dim: int = 512
    n_enc_layers: int = 4
    """One more than the blocks that are built: the published files count so."""
    n_dec_layers: int = 4
    """One more than the blocks that are built."""
    ffn_dropout_p: float = 0.0
    attn_dropout_p: float = 0.0
    resid_dropout_p: float = 0.0
    s1_bits: int = 10
    """Bits of the coarse token."""
    s2_bits: int = 10
    """Bits of the fine token."""
    beta: float = 0.05
    """Weight of the commitment loss."""
    gamma0: float = 1.0
    """Weight of the per-sample entropy, which is pushed down."""
    gamma: float = 1.1
    """Weight of the codebook entropy, which is pushed up."""
    zeta: float = 0.05
    """Weight of both entropies together."""
    group_size: int = 4
    """Changes nothing but a stored buffer; kept because checkpoints carry it."""

    def __post_init__(self) -> None:
        _require_positive(self, "d_in", "d_model", "n_heads", "ff_dim")
        for name in ("n_enc_layers", "n_dec_layers"):
            if getattr(self, name) < 2:
                raise ConfigError(f"{name} must be 2 or more (it counts one block that is never built)")
        _require_bits(self.s1_bits, self.s2_bits)
        _require_head_dim(self.d_model, self.n_heads)
        _require_probabilities(self, "ffn_dropout_p", "attn_dropout_p", "resid_dropout_p")
        if self.group_size < 1 or self.bits % self.group_size:
            raise ConfigError(f"group_size {self.group_size} does not divide s1_bits + s2_bits = {self.bits}")

    @property
    def bits(self) -> int:
        """Bits of a whole token."""
        return self.s1_bits + self.s2_bits


@dataclass(frozen=True, slots=True)
class KronosConfig(_JsonConfig):
    """Shape of a ``Kronos`` predictor; the field names are those of the published files."""

    s1_bits: int = 10
    s2_bits: int = 10
    n_layers: int = 8
    d_model: int = 512
    n_heads: int = 8
    ff_dim: int = 1024
    ffn_dropout_p: float = 0.0
    attn_dropout_p: float = 0.0
    resid_dropout_p: float = 0.0
    token_dropout_p: float = 0.0
    learn_te: bool = True
    """Learned time embeddings; fixed sinusoids when false."""

    def __post_init__(self) -> None:
        _require_positive(self, "n_layers", "d_model", "n_heads", "ff_dim")
        _require_bits(self.s1_bits, self.s2_bits)
        _require_head_dim(self.d_model, self.n_heads)
        _require_head_dim(self.d_model, DEPENDENCY_HEADS)
        _require_probabilities(self, "ffn_dropout_p", "attn_dropout_p", "resid_dropout_p", "token_dropout_p")


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} must be a whole number from 1 up, not {value!r}")


def _require_probabilities(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise ConfigError(f"{name} must be at least 0 and below 1, not {value!r}")


def _require_bits(s1_bits: int, s2_bits: int) -> None:
    for name, bits in (("s1_bits", s1_bits), ("s2_bits", s2_bits)):
        if not isinstance(bits, int) or not 1 <= bits <= LARGEST_VOCABULARY_BITS:
            raise ConfigError(f"{name} must be from 1 to {LARGEST_VOCABULARY_BITS}, not {bits!r}")


def _require_head_dim(d_model: int, heads: int) -> None:
    if d_model % heads or (d_model // heads) % 2:
        raise ConfigError(f"d_model {d_model} does not split into {heads} heads of an even width")


PUBLISHED_MODELS: dict[str, KronosConfig] = {
    "mini": KronosConfig(
        n_layers=4, d_model=256, n_heads=4, ff_dim=512, ffn_dropout_p=0.2, resid_dropout_p=0.2
    ),
    "small": KronosConfig(ffn_dropout_p=0.25, attn_dropout_p=0.1, resid_dropout_p=0.25, token_dropout_p=0.1),
    "base": KronosConfig(
        n_layers=12, d_model=832, n_heads=16, ff_dim=2048, ffn_dropout_p=0.2, resid_dropout_p=0.2
    ),
}
"""The published predictors by size."""

PUBLISHED_CONTEXT: dict[str, int] = {"mini": 2048, "small": 512, "base": 512}
"""Candles that the published predictors were trained to look back on."""

PUBLISHED_TOKENIZERS: dict[str, TokenizerConfig] = {
    "base": TokenizerConfig(group_size=4),
    "2k": TokenizerConfig(group_size=5),
}
"""The published tokenizers: ``2k`` belongs to ``mini``, ``base`` to the other two."""

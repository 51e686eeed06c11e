"""Candles to tokens and back: an autoencoder whose middle is a string of bits. Reads top to bottom."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from kokex.kronos.config import TokenizerConfig
from kokex.kronos.layers import initialise, transformer_blocks
from kokex.kronos.quantizer import (
    BinarySphericalQuantizer,
    QuantizerLoss,
    bits_to_ids,
    ids_to_signs,
    unit,
)
from kokex.kronos.weights import Checkpoint


class Tokens(NamedTuple):
    """A candle's two token ids, int64 tensors of one shape."""

    s1: Tensor
    """Coarse, 0 to 2^s1_bits - 1."""
    s2: Tensor
    """Fine, 0 to 2^s2_bits - 1."""


class Reconstruction(NamedTuple):
    """What the tokenizer makes of a window x (B, T, d_in)."""

    coarse: Tensor
    """Rebuilt from the s1 bits alone, (B, T, d_in)."""
    full: Tensor
    """Rebuilt from all bits, (B, T, d_in)."""
    codes: Tensor
    """(B, T, bits), each -1/sqrt(bits) or +1/sqrt(bits)."""
    quantizer: QuantizerLoss


class TokenizerLoss(NamedTuple):
    """The training loss and its parts, scalars. The total can be negative: the codebook's entropy counts down."""

    total: Tensor
    coarse_mse: Tensor
    full_mse: Tensor
    quantizer: QuantizerLoss


class KronosTokenizer(nn.Module, Checkpoint[TokenizerConfig]):
    """Causal encoder, sign quantiser, causal decoder. Parameter names are those of the published files."""

    config_class: ClassVar[type[TokenizerConfig]] = TokenizerConfig

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.d_in, config.d_model)
        self.encoder = transformer_blocks(config, config.n_enc_layers - 1)
        self.quant_embed = nn.Linear(config.d_model, config.bits)
        self.tokenizer = nn.ModuleDict({"bsq": BinarySphericalQuantizer(config)})
        self.post_quant_embed_pre = nn.Linear(config.s1_bits, config.d_model)
        self.post_quant_embed = nn.Linear(config.bits, config.d_model)
        self.decoder = transformer_blocks(config, config.n_dec_layers - 1)
        self.head = nn.Linear(config.d_model, config.d_in)
        self.apply(initialise)

    @property
    def quantizer(self) -> BinarySphericalQuantizer:
        """The sign quantiser, stored as ``tokenizer.bsq`` in checkpoints."""
        bsq = self.tokenizer["bsq"]
        assert isinstance(bsq, BinarySphericalQuantizer)
        return bsq

    def direction(self, x: Tensor) -> Tensor:
        """Normalised candles x (B, T, d_in) -> unit vectors (B, T, bits) before the sign."""
        hidden = self.embed(x)  # (B, T, C)
        for block in self.encoder:
            hidden = block(hidden)  # (B, T, C)
        return unit(self.quant_embed(hidden))  # (B, T, bits)

    def forward(self, x: Tensor) -> Reconstruction:
        """Normalised candles x (B, T, d_in) -> both reconstructions and the quantiser's loss."""
        z = self.direction(x)  # (B, T, bits)
        codes = self.quantizer(z)  # (B, T, bits)
        coarse = self._rebuild(self.post_quant_embed_pre(codes[..., : self.config.s1_bits]))  # (B, T, d_in)
        full = self._rebuild(self.post_quant_embed(codes))  # (B, T, d_in)
        return Reconstruction(coarse, full, codes, self.quantizer.loss(z, codes))

    def loss(self, x: Tensor) -> TokenizerLoss:
        """The training loss of a batch x (B, T, d_in)."""
        rebuilt = self(x)
        coarse_mse = mse_loss(rebuilt.coarse, x)  # ()
        full_mse = mse_loss(rebuilt.full, x)  # ()
        total = (coarse_mse + full_mse + rebuilt.quantizer.total) / 2  # ()
        return TokenizerLoss(total, coarse_mse, full_mse, rebuilt.quantizer)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tokens:
        """Normalised candles x (B, T, d_in) -> their tokens, each (B, T)."""
        z = self.direction(x)  # (B, T, bits)
        return Tokens(
            bits_to_ids(z[..., : self.config.s1_bits]),  # (B, T)
            bits_to_ids(z[..., self.config.s1_bits :]),  # (B, T)
        )

    @torch.no_grad()
    def decode(self, tokens: Tokens) -> Tensor:
        """Tokens, each (B, T) -> normalised candles (B, T, d_in)."""
        return self._rebuild(self.post_quant_embed(self.codes_of(tokens)))  # (B, T, d_in)

    def codes_of(self, tokens: Tokens) -> Tensor:
        """Tokens, each (...,) -> codes (..., bits)."""
        config = self.config
        s1_signs = ids_to_signs(tokens.s1, config.s1_bits)  # (..., s1_bits)
        s2_signs = ids_to_signs(tokens.s2, config.s2_bits)  # (..., s2_bits)
        codes: Tensor = torch.cat((s1_signs, s2_signs), dim=-1) * config.bits**-0.5  # (..., bits)
        return codes.to(self.head.weight.dtype)  # (..., bits)

    def joint_ids(self, tokens: Tokens) -> Tensor:
        """Tokens -> one id of all bits, int64 of the same shape."""
        return tokens.s1 + (tokens.s2 << self.config.s1_bits)

    def split_ids(self, ids: Tensor) -> Tokens:
        """The inverse of ``joint_ids``."""
        return Tokens(ids & (2**self.config.s1_bits - 1), ids >> self.config.s1_bits)

    def _rebuild(self, hidden: Tensor) -> Tensor:
        """hidden (B, T, C) -> normalised candles (B, T, d_in)."""
        for block in self.decoder:
            hidden = block(hidden)  # (B, T, C)
        out: Tensor = self.head(hidden)  # (B, T, d_in)
        return out

"""The predictor: a decoder-only transformer over pairs of tokens. Reads top to bottom.

A candle is a coarse token s1 and a fine token s2. The transformer turns the past into a context; s1 of the next candle
comes from the context, s2 from the context and the s1 just chosen.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from kokex.kronos.config import DEPENDENCY_HEADS, KronosConfig
from kokex.kronos.layers import ROTARY_BASE, Attention, RMSNorm, initialise, transformer_blocks
from kokex.kronos.tokenizer import Tokens
from kokex.kronos.weights import Checkpoint

DependencyForm = Literal["published", "inference"]
"""How the dependency layer attends in training.

``published`` is what the published weights were trained with: causal, with rotary positions over the sequence.
``inference`` is what forecasting computes for a position, no rotary, so training and forecasting agree.
"""

TIME_FIELDS = {"minute": 60, "hour": 24, "weekday": 7, "day": 32, "month": 13}
"""Columns of the time features in order, with the size of each table."""


class Logits(NamedTuple):
    """Unnormalised log-probabilities of the next candle's tokens at every position."""

    s1: Tensor
    """(B, T, 2^s1_bits)"""
    s2: Tensor
    """(B, T, 2^s2_bits)"""


class PredictorLoss(NamedTuple):
    """The training loss and its parts, scalars in nats."""

    total: Tensor
    s1: Tensor
    s2: Tensor


class HierarchicalEmbedding(nn.Module):
    """One vector for a pair of tokens."""

    def __init__(self, config: KronosConfig) -> None:
        super().__init__()
        self.emb_s1 = nn.Embedding(2**config.s1_bits, config.d_model)
        self.emb_s2 = nn.Embedding(2**config.s2_bits, config.d_model)
        self.fusion_proj = nn.Linear(2 * config.d_model, config.d_model)

    def forward(self, tokens: Tokens) -> Tensor:
        """tokens, each (B, T) -> (B, T, C)."""
        scale = math.sqrt(self.emb_s1.embedding_dim)
        pair = torch.cat((self.emb_s1(tokens.s1), self.emb_s2(tokens.s2)), dim=-1) * scale  # (B, T, 2C)
        out: Tensor = self.fusion_proj(pair)  # (B, T, C)
        return out


class FixedEmbedding(nn.Module):
    """Sinusoids in the place of a learned table."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(size, channels)
        self.emb.weight.requires_grad_(False)
        self.reset()

    def reset(self) -> None:
        """Write the sinusoids: sine on even channels, cosine on odd ones."""
        size, channels = self.emb.weight.shape
        positions = torch.arange(size).float()[:, None]  # (size, 1)
        rates = torch.exp(
            torch.arange(0, channels, 2).float() * -(math.log(ROTARY_BASE) / channels)
        )  # (C/2,)
        with torch.no_grad():
            self.emb.weight[:, 0::2] = torch.sin(positions * rates)  # (size, C/2)
            self.emb.weight[:, 1::2] = torch.cos(positions * rates)  # (size, C/2)

    def forward(self, index: Tensor) -> Tensor:
        """index (B, T) -> (B, T, C)."""
        out: Tensor = self.emb(index)
        return out


class TemporalEmbedding(nn.Module):
    """The sum of one vector per time feature."""

    def __init__(self, config: KronosConfig) -> None:
        super().__init__()
        table = nn.Embedding if config.learn_te else FixedEmbedding
        for name, size in TIME_FIELDS.items():
            self.add_module(f"{name}_embed", table(size, config.d_model))

    def forward(self, stamps: Tensor) -> Tensor:
        """stamps (B, T, 5): minute, hour, weekday, day, month -> (B, T, C)."""
        columns = stamps.long().unbind(-1)  # 5 of (B, T)
        parts = [
            self.get_submodule(f"{name}_embed")(column)
            for name, column in zip(TIME_FIELDS, columns, strict=True)
        ]  # 5 of (B, T, C)
        return torch.stack(parts).sum(0)  # (B, T, C)


class DependencyLayer(nn.Module):
    """Let the chosen s1 look at the context before s2 is drawn."""

    def __init__(self, config: KronosConfig) -> None:
        super().__init__()
        self.cross_attn = Attention(config.d_model, DEPENDENCY_HEADS)
        self.norm = RMSNorm(config.d_model)

    def forward(self, context: Tensor, query: Tensor, form: DependencyForm) -> Tensor:
        """Training: context (B, T, C), query (B, T, C) -> (B, T, C). No position sees a later one."""
        attended = self.cross_attn(query, context, causal=True, rotary=form == "published")  # (B, T, C)
        out: Tensor = self.norm(context + attended)  # (B, T, C)
        return out

    def last(self, context: Tensor, query: Tensor) -> Tensor:
        """Inference: context (B, T, C), query (B, 1, C) -> (B, C), for the last position alone.

        The published weights expect a query of length one here, whose position 0 turns nothing.
        """
        attended = self.cross_attn(query, context, causal=False, rotary=False)  # (B, 1, C)
        out: Tensor = self.norm(context[:, -1] + attended[:, 0])  # (B, C)
        return out


class DualHead(nn.Module):
    """One projection to each vocabulary."""

    def __init__(self, config: KronosConfig) -> None:
        super().__init__()
        self.proj_s1 = nn.Linear(config.d_model, 2**config.s1_bits)
        self.proj_s2 = nn.Linear(config.d_model, 2**config.s2_bits)


class Kronos(nn.Module, Checkpoint[KronosConfig]):
    """The predictor. Parameter names are those of the published files."""

    config_class: ClassVar[type[KronosConfig]] = KronosConfig

    def __init__(self, config: KronosConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = HierarchicalEmbedding(config)
        self.time_emb = TemporalEmbedding(config)
        self.token_drop = nn.Dropout(config.token_dropout_p)
        self.transformer = transformer_blocks(config, config.n_layers)
        self.norm = RMSNorm(config.d_model)
        self.dep_layer = DependencyLayer(config)
        self.head = DualHead(config)
        self.apply(initialise)
        for module in self.modules():
            if isinstance(module, FixedEmbedding):
                module.reset()

    def context(self, tokens: Tokens, stamps: Tensor) -> Tensor:
        """tokens, each (B, T), stamps (B, T, 5) of the same candles -> context (B, T, C)."""
        hidden = self.token_drop(self.embedding(tokens) + self.time_emb(stamps))  # (B, T, C)
        for block in self.transformer:
            hidden = block(hidden)  # (B, T, C)
        out: Tensor = self.norm(hidden)  # (B, T, C)
        return out

    def s1_logits(self, context: Tensor) -> Tensor:
        """context (..., C) -> logits of the next s1 (..., 2^s1_bits)."""
        out: Tensor = self.head.proj_s1(context)
        return out

    def next_s2_logits(self, context: Tensor, next_s1: Tensor) -> Tensor:
        """context (B, T, C) and the chosen s1 (B, 1) -> logits of the s2 that goes with it (B, 2^s2_bits)."""
        query = self.embedding.emb_s1(next_s1)  # (B, 1, C)
        out: Tensor = self.head.proj_s2(self.dep_layer.last(context, query))  # (B, 2^s2_bits)
        return out

    def forward(
        self,
        tokens: Tokens,
        stamps: Tensor,
        next_s1: Tensor | None = None,
        dependency: DependencyForm = "published",
    ) -> Logits:
        """Logits of the next candle at every position, for training.

        Args:
            tokens: each (B, T).
            stamps: (B, T, 5), time features of the same candles.
            next_s1: (B, T), the true next s1 (teacher forcing); None draws it from the s1 logits, as the published
                fine-tuning does.
            dependency: form of the dependency layer; see ``DependencyForm``.
        """
        context = self.context(tokens, stamps)  # (B, T, C)
        s1_logits = self.s1_logits(context)  # (B, T, V1)
        if next_s1 is None:
            next_s1 = _draw(s1_logits.detach())  # (B, T)
        query = self.embedding.emb_s1(next_s1)  # (B, T, C)
        s2_logits = self.head.proj_s2(self.dep_layer(context, query, dependency))  # (B, T, V2)
        return Logits(s1_logits, s2_logits)

    def loss(
        self,
        tokens: Tokens,
        stamps: Tensor,
        *,
        teacher_forcing: bool = False,
        dependency: DependencyForm = "published",
    ) -> PredictorLoss:
        """Loss of predicting each candle from those before it: tokens each (B, T), stamps (B, T, 5), T at least 2."""
        inputs = Tokens(tokens.s1[:, :-1], tokens.s2[:, :-1])  # (B, T-1) each
        targets = Tokens(tokens.s1[:, 1:], tokens.s2[:, 1:])  # (B, T-1) each
        logits = self(inputs, stamps[:, :-1], targets.s1 if teacher_forcing else None, dependency)
        return predictor_loss(logits, targets)


def predictor_loss(logits: Logits, targets: Tokens) -> PredictorLoss:
    """logits (B, T, V), targets (B, T) -> the mean of both cross-entropies."""
    s1 = cross_entropy(logits.s1.flatten(0, 1), targets.s1.flatten())  # ()
    s2 = cross_entropy(logits.s2.flatten(0, 1), targets.s2.flatten())  # ()
    return PredictorLoss((s1 + s2) / 2, s1, s2)


def _draw(logits: Tensor) -> Tensor:
    """logits (B, T, V) -> one id drawn at each position (B, T)."""
    probabilities = logits.float().softmax(-1).flatten(0, 1)  # (B*T, V)
    return torch.multinomial(probabilities, 1).view(logits.shape[:2])  # (B, T)

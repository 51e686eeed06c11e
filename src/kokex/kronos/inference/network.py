"""Tokenizer and predictor in the form that forecasting uses: packed towers, folded tables, no dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding

from kokex.kronos.inference.attention import Own, Shared, attend
from kokex.kronos.inference.packing import PackedLinear, PackedNorm
from kokex.kronos.inference.stack import Past, Stack, by_series, padding_mask
from kokex.kronos.model import TIME_FIELDS, Kronos
from kokex.kronos.quantizer import bits_to_ids, unit
from kokex.kronos.tokenizer import KronosTokenizer, Tokens


@dataclass(slots=True)
class PredictorPast:
    """What the predictor keeps of a batch's shared past."""

    tower: Past
    dependency: Shared
    last: Tensor
    """Context of each series' last token, (S, 1, C)."""

    def first(self, series: int) -> PredictorPast:
        """The same for the first so many series, without a copy."""
        return PredictorPast(self.tower.first(series), self.dependency.first(series), self.last[:series])


@dataclass(slots=True)
class PredictorOwn:
    """What the predictor keeps of the tokens that the paths have generated."""

    tower: list[Own]
    dependency: Own


class PackedPredictor:
    """``Kronos`` for forecasting. The weights are read once, when it is made."""

    def __init__(self, model: Kronos, dtype: torch.dtype, device: torch.device) -> None:
        config = model.config
        self.dtype, self.device = dtype, device
        self.stack = Stack(model.transformer, config.d_model // config.n_heads, dtype, device)
        self.norm = PackedNorm(model.norm, dtype, device)
        self._token_tables = tuple(t.to(device, dtype) for t in _fused_token_tables(model))
        self._time_tables = [
            next(model.time_emb.get_submodule(f"{name}_embed").parameters()).detach().to(device, dtype)
            for name in TIME_FIELDS
        ]
        attention = model.dep_layer.cross_attn
        self._dependency_heads = attention.n_heads
        head_dim = attention.q_proj.out_features // attention.n_heads
        queries = attention.q_proj(model.embedding.emb_s1.weight) * head_dim**-0.5  # (V1, C)
        self._dependency_queries = queries.to(device, dtype)
        self._dependency_keys_values = PackedLinear.of([attention.k_proj, attention.v_proj], dtype, device)
        self._dependency_out = PackedLinear.of([attention.out_proj], dtype, device)
        self._dependency_norm = PackedNorm(model.dep_layer.norm, dtype, device)
        self._head_s1 = PackedLinear.of([model.head.proj_s1], dtype, device)
        self._head_s2 = PackedLinear.of([model.head.proj_s2], dtype, device)

    def embed(self, tokens: Tokens, times: Tensor) -> Tensor:
        """tokens, each (...,), and their time vectors, which broadcast to (..., C) -> (..., C)."""
        s1_table, s2_table = self._token_tables
        return embedding(tokens.s1, s1_table) + embedding(tokens.s2, s2_table) + times

    def time_vectors(self, stamps: Tensor) -> Tensor:
        """stamps (..., 5) -> (..., C)."""
        parts = [
            embedding(column, table)
            for column, table in zip(stamps.unbind(-1), self._time_tables, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def read(self, hidden: Tensor, lengths: Sequence[int]) -> PredictorPast:
        """Embedded pasts (N, C), one series after the other -> what the paths need of them."""
        hidden, tower = self.stack.read(hidden, lengths)  # (N, C)
        context = self.norm(hidden)  # (N, C)
        keys, values = (
            by_series(heads, lengths) for heads in self._dependency_heads_of(context)
        )  # (S, H, T, D)
        shared = Shared(keys, values, padding_mask(lengths, self.device))
        ends = tower.lengths.cumsum(0) - 1  # (S,)
        return PredictorPast(tower, shared, context[ends][:, None])

    def room(self, series: int, paths: int, horizon: int) -> PredictorOwn:
        """Empty stores for generated tokens."""
        heads = self._dependency_heads
        shape = (2, series, heads, paths, horizon, self._dependency_queries.shape[1] // heads)
        keys, values = torch.empty(shape, dtype=self.dtype, device=self.device)
        return PredictorOwn(self.stack.room(series, paths, horizon), Own(keys, values))

    def follow(self, hidden: Tensor, past: PredictorPast, own: PredictorOwn) -> Tensor:
        """Embedded new tokens (S, P, n, C) -> context of the last one (S, P, C)."""
        context = self.norm(self.stack.follow(hidden, past.tower, own.tower))  # (S, P, n, C)
        keys, values = self._dependency_heads_of(context)  # (S, P, n, H, D) each
        own.dependency.append(keys.permute(0, 3, 1, 2, 4), values.permute(0, 3, 1, 2, 4))
        return context[:, :, -1]  # (S, P, C)

    def s1_logits(self, context: Tensor) -> Tensor:
        """context (S, P, C) -> (S, P, V1)."""
        return self._head_s1(context)

    def s2_logits(self, context: Tensor, s1: Tensor, past: PredictorPast, own: PredictorOwn) -> Tensor:
        """context (S, P, C) and the chosen s1 (S, P) -> (S, P, V2)."""
        S, P = s1.shape
        query = embedding(s1, self._dependency_queries)  # (S, P, C)
        query = query.view(S, P, self._dependency_heads, -1).transpose(1, 2)  # (S, H, P, D)
        mixed = attend(query[:, :, :, None], past.dependency, own.dependency)  # (S, H, P, 1, D)
        attended = self._dependency_out(mixed[:, :, :, 0].transpose(1, 2).reshape(S, P, -1))  # (S, P, C)
        return self._head_s2(self._dependency_norm(context + attended))  # (S, P, V2)

    def _dependency_heads_of(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """context (..., C) -> keys and values (..., H, D) each."""
        both = self._dependency_keys_values(context)  # (..., 2C)
        both = both.view(*context.shape[:-1], 2, self._dependency_heads, -1)  # (..., 2, H, D)
        return both[..., 0, :, :], both[..., 1, :, :]


class PackedTokenizer:
    """``KronosTokenizer`` for forecasting, always float32: a flipped bit in the context would change what is asked."""

    def __init__(self, tokenizer: KronosTokenizer, device: torch.device) -> None:
        dtype = torch.float32
        self.config = tokenizer.config
        self.device = device
        head_dim = self.config.d_model // self.config.n_heads
        self._encoder = Stack(tokenizer.encoder, head_dim, dtype, device)
        self._decoder = Stack(tokenizer.decoder, head_dim, dtype, device)
        self._embed = PackedLinear.of([tokenizer.embed], dtype, device)
        self._quant_embed = PackedLinear.of([tokenizer.quant_embed], dtype, device)
        self._post_quant_embed = PackedLinear.of([tokenizer.post_quant_embed], dtype, device)
        self._head = PackedLinear.of([tokenizer.head], dtype, device)
        self._codes_of = tokenizer.codes_of

    def encode(self, x: Tensor, lengths: Sequence[int]) -> Tokens:
        """Normalised contexts (N, d_in), one series after the other -> tokens, each (N,)."""
        hidden, _ = self._encoder.read(self._embed(x), lengths, keep=False)  # (N, C)
        z = unit(self._quant_embed(hidden))  # (N, bits)
        bits = self.config.s1_bits
        return Tokens(bits_to_ids(z[:, :bits]), bits_to_ids(z[:, bits:]))  # (N,) each

    def read(self, context: Tokens, lengths: Sequence[int]) -> Past:
        """Tokens of the pasts, each (N,), one series after the other -> what decoding the paths needs of them."""
        return self._decoder.read(self._post_quant_embed(self._codes_of(context)), lengths)[1]

    def decode(self, future: Tokens, past: Past) -> Tensor:
        """Generated tokens, each (S, P, horizon) -> normalised candles (S, P, horizon, d_in)."""
        own = self._decoder.room(*future.s1.shape)
        hidden = self._post_quant_embed(self._codes_of(future))  # (S, P, horizon, C)
        return self._head(self._decoder.follow(hidden, past, own))  # (S, P, horizon, d_in)


def _fused_token_tables(model: Kronos) -> tuple[Tensor, Tensor]:
    """Each token's share of the fused embedding, (V1, C) and (V2, C): the projection of a pair is a sum of two rows."""
    parts = model.embedding
    channels = parts.emb_s1.embedding_dim
    scale = channels**0.5
    s1_weight, s2_weight = parts.fusion_proj.weight.chunk(2, dim=1)  # (C, C) each
    s1_table = parts.emb_s1.weight @ s1_weight.T * scale + parts.fusion_proj.bias  # (V1, C)
    s2_table = parts.emb_s2.weight @ s2_weight.T * scale  # (V2, C)
    return s1_table, s2_table

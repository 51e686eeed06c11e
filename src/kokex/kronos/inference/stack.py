"""A tower of transformer blocks that reads a past once and then follows many paths from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from kokex.kronos.inference.attention import Own, Shared, attend
from kokex.kronos.inference.packing import PackedLinear, PackedNorm
from kokex.kronos.layers import Rotary, TransformerBlock


@dataclass(slots=True)
class Past:
    """What a tower keeps of a batch's shared past."""

    layers: list[Shared]
    lengths: Tensor
    """(S,) tokens of each series."""

    def first(self, series: int) -> Past:
        """The same for the first so many series, without a copy."""
        return Past([layer.first(series) for layer in self.layers], self.lengths[:series])


class PackedBlock:
    """One transformer block with its projections stacked; the attention scale is folded into the query's weights."""

    def __init__(self, block: TransformerBlock, dtype: torch.dtype, device: torch.device) -> None:
        attention = block.self_attn
        self.n_heads = attention.n_heads
        self.norm1 = PackedNorm(block.norm1, dtype, device)
        weight = torch.cat([p.weight for p in (attention.q_proj, attention.k_proj, attention.v_proj)])
        bias = torch.cat([p.bias for p in (attention.q_proj, attention.k_proj, attention.v_proj)])
        scale = torch.ones_like(bias)  # (3C,)
        scale[: attention.q_proj.out_features] = (attention.q_proj.out_features // self.n_heads) ** -0.5
        self.qkv = PackedLinear((weight * scale[:, None]).to(device, dtype), (bias * scale).to(device, dtype))
        self.out = PackedLinear.of([attention.out_proj], dtype, device)
        self.norm2 = PackedNorm(block.norm2, dtype, device)
        self.gate_and_value = PackedLinear.of([block.ffn.w1, block.ffn.w3], dtype, device)
        self.down = PackedLinear.of([block.ffn.w2], dtype, device)

    def feed_forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> x plus SwiGLU (..., C)."""
        gate, value = self.gate_and_value(self.norm2(x)).chunk(2, dim=-1)  # (..., F) each
        return x + self.down(silu(gate) * value)  # (..., C)


class Stack:
    """Blocks of one width, packed for inference. Dropout has no part here, whatever mode the modules are in."""

    def __init__(
        self, blocks: Iterable[nn.Module], head_dim: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.blocks = [
            PackedBlock(block, dtype, device) for block in blocks if isinstance(block, TransformerBlock)
        ]
        self.dtype, self.device = dtype, device
        self._rotary = Rotary(head_dim).to(device)
        self._cos = self._sin = torch.empty(0, device=device)

    def read(self, hidden: Tensor, lengths: Sequence[int], *, keep: bool = True) -> tuple[Tensor, Past]:
        """Run the tokens of all series, hidden (N, C), one series after the other -> (N, C) and what paths need of it.

        Only attention looks at one series at a time; all else has N rows, so different lengths cost nothing.
        ``keep=False`` drops the keys and values.
        """
        N = len(hidden)
        cos, sin = self._tables(max(lengths))  # (longest or more, D) each
        cos, sin = (torch.cat([table[:length] for length in lengths])[:, None, None] for table in (cos, sin))
        mask = padding_mask(lengths, self.device)  # (S, 1, 1, T) or None
        layers = []
        for block in self.blocks:
            qkv = block.qkv(block.norm1(hidden)).view(N, 3, block.n_heads, -1)  # (N, 3, H, D)
            q, k = _turn(qkv[:, :2], cos, sin).unbind(1)  # (N, H, D) each
            v = qkv[:, 2]  # (N, H, D)
            mixed = _each_alone(q, k, v, lengths)  # (N, C)
            hidden = block.feed_forward(hidden + block.out(mixed))  # (N, C)
            if keep:
                layers.append(Shared(by_series(k, lengths), by_series(v, lengths), mask))
        return hidden, Past(layers, torch.tensor(lengths, device=self.device))

    def room(self, series: int, paths: int, horizon: int) -> list[Own]:
        """Empty stores for the tokens of the paths, one per block."""
        rooms = []
        for block in self.blocks:
            shape = (2, series, block.n_heads, paths, horizon, 2 * len(self._rotary.inv_freq))
            keys, values = torch.empty(shape, dtype=self.dtype, device=self.device)
            rooms.append(Own(keys, values))
        return rooms

    def follow(self, hidden: Tensor, past: Past, own: list[Own]) -> Tensor:
        """Run n new tokens of every path, hidden (S, P, n, C), and remember them in ``own`` -> (S, P, n, C)."""
        S, P, n, _ = hidden.shape
        before = own[0].length
        cos, sin = self._tables_at(past, before, n)  # (S, 1, n, 1, 1, D) each
        for block, shared, mine in zip(self.blocks, past.layers, own, strict=True):
            qkv = block.qkv(block.norm1(hidden)).view(S, P, n, 3, block.n_heads, -1)  # (S, P, n, 3, H, D)
            q, k = _turn(qkv[..., :2, :, :], cos, sin).unbind(3)  # (S, P, n, H, D) each
            mine.append(k.permute(0, 3, 1, 2, 4), qkv[..., 2, :, :].permute(0, 3, 1, 2, 4))
            mixed = attend(q.permute(0, 3, 1, 2, 4), shared, mine, before)  # (S, H, P, n, D)
            hidden = hidden + block.out(mixed.permute(0, 2, 3, 1, 4).reshape(S, P, n, -1))  # (S, P, n, C)
            hidden = block.feed_forward(hidden)  # (S, P, n, C)
        return hidden

    def _tables(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine for positions 0 up, at least (length, D); grown when a longer past comes."""
        if len(self._cos) < length:
            cos, sin = self._rotary.tables(torch.arange(length, device=self.device))  # (length, D) each
            sin[:, : sin.shape[1] // 2] *= -1
            self._cos, self._sin = cos.to(self.dtype), sin.to(self.dtype)
        return self._cos, self._sin

    def _tables_at(self, past: Past, before: int, n: int) -> tuple[Tensor, Tensor]:
        """Tables for n tokens that follow each series' past and ``before`` own tokens, (S, 1, n, 1, 1, D) each."""
        positions = past.lengths[:, None] + torch.arange(before, before + n, device=self.device)  # (S, n)
        longest = past.layers[0].keys.shape[2] + before + n
        return tuple(table[positions][:, None, :, None, None] for table in self._tables(longest))


def _turn(heads: Tensor, cos: Tensor, signed_sin: Tensor) -> Tensor:
    """Rotate heads (..., D); the sign of the swapped first half is already in the sine."""
    swapped = heads.roll(heads.shape[-1] // 2, dims=-1)  # (..., D)
    return torch.addcmul(heads * cos, swapped, signed_sin)  # (..., D)


def _each_alone(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int]) -> Tensor:
    """Causal attention inside each series; q, k, v (N, H, D) -> (N, C)."""
    parts = []
    for one in zip(*(torch.split(heads, list(lengths)) for heads in (q, k, v)), strict=True):
        query, key, value = (part.transpose(0, 1)[None] for part in one)  # (1, H, T, D) each
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)  # (1, H, T, D)
        parts.append(mixed[0].transpose(0, 1).flatten(1))  # (T, C)
    return torch.cat(parts)


def by_series(heads: Tensor, lengths: Sequence[int]) -> Tensor:
    """(N, H, D) -> (S, H, T, D), zeros after the end of shorter series."""
    _, H, D = heads.shape
    padded = heads.new_zeros(len(lengths), H, max(lengths), D)  # (S, H, T, D)
    for row, part in zip(padded, torch.split(heads, list(lengths)), strict=True):
        row[:, : len(part)] = part.transpose(0, 1)
    return padded


def padding_mask(lengths: Sequence[int], device: torch.device) -> Tensor | None:
    """(S, 1, 1, T): 0 for tokens, -inf for padding; None where all series are equally long."""
    longest = max(lengths)
    if min(lengths) == longest:
        return None
    padding = torch.arange(longest) >= torch.tensor(lengths)[:, None]  # (S, T)
    mask = torch.zeros(padding.shape).masked_fill(padding, float("-inf"))  # (S, T)
    return mask[:, None, None].to(device)

"""The parts that tokenizer and predictor share. Shapes: B windows, T candles, C channels, H heads, D = C / H."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

ROTARY_BASE = 10000.0
NORM_EPS = 1e-5


class RMSNorm(nn.Module):
    """Divide by the root mean square, computed in float32 whatever the weights are in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> (..., C)."""
        wide = x.float()  # (..., C)
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + NORM_EPS)  # (..., 1)
        return (wide * scale).type_as(x) * self.weight  # (..., C)


class Rotary(nn.Module):
    """Rotary positions on the whole head, first half against second half."""

    inv_freq: Tensor

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        exponents = torch.arange(0, head_dim, 2).float() / head_dim  # (D/2,)
        self.register_buffer("inv_freq", 1.0 / ROTARY_BASE**exponents)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # bfloat16 cannot tell position 257 from 258, so a cast of the module moves these but keeps them float32.
        exact = self.inv_freq
        super()._apply(fn, recurse)
        if self.inv_freq.dtype != exact.dtype:
            self.inv_freq = exact.to(self.inv_freq.device)
        return self

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """positions (..., T) -> cosine and sine, each (..., T, D), float32."""
        angles = positions[..., None].float() * self.inv_freq  # (..., T, D/2)
        angles = torch.cat((angles, angles), dim=-1)  # (..., T, D)
        return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn heads x (..., T, D) by tables that broadcast to them."""
    first, second = x.chunk(2, dim=-1)  # (..., T, D/2) each
    turned = torch.cat((-second, first), dim=-1)  # (..., T, D)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)  # (..., T, D)


class Attention(nn.Module):
    """Multi-head attention of a query over a source; self-attention when both are the same."""

    def __init__(
        self, d_model: int, n_heads: int, attn_dropout_p: float = 0.0, resid_dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.rotary = Rotary(d_model // n_heads)
        self.attn_dropout_p = attn_dropout_p
        self.resid_dropout = nn.Dropout(resid_dropout_p)

    def forward(self, query: Tensor, source: Tensor, *, causal: bool, rotary: bool = True) -> Tensor:
        """query (B, Tq, C), source (B, Tk, C) -> (B, Tq, C). Causal attention needs Tq = Tk."""
        q = self._heads(self.q_proj(query))  # (B, H, Tq, D)
        k = self._heads(self.k_proj(source))  # (B, H, Tk, D)
        v = self._heads(self.v_proj(source))  # (B, H, Tk, D)
        if rotary:
            cos, sin = self.rotary.tables(torch.arange(k.shape[2], device=k.device))  # (Tk, D)
            q = rotate(q, cos[: q.shape[2]], sin[: q.shape[2]])  # (B, H, Tq, D)
            k = rotate(k, cos, sin)  # (B, H, Tk, D)
        dropout_p = self.attn_dropout_p if self.training else 0.0
        mixed = scaled_dot_product_attention(q, k, v, dropout_p=dropout_p, is_causal=causal)  # (B, H, Tq, D)
        merged = mixed.transpose(1, 2).flatten(2)  # (B, Tq, C)
        out: Tensor = self.resid_dropout(self.out_proj(merged))  # (B, Tq, C)
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, H, T, D)."""
        return x.view(*x.shape[:2], self.n_heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, d_model: int, ff_dim: int, ffn_dropout_p: float = 0.0) -> None:
        super().__init__()
        self.w1 = nn.Linear(d_model, ff_dim, bias=False)
        self.w3 = nn.Linear(d_model, ff_dim, bias=False)
        self.w2 = nn.Linear(ff_dim, d_model, bias=False)
        self.ffn_dropout = nn.Dropout(ffn_dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        gated = silu(self.w1(x)) * self.w3(x)  # (B, T, F)
        out: Tensor = self.ffn_dropout(self.w2(gated))  # (B, T, C)
        return out


class TransformerBlock(nn.Module):
    """Causal self-attention and SwiGLU, each normalised first and added back."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        ff_dim: int,
        *,
        ffn_dropout_p: float = 0.0,
        attn_dropout_p: float = 0.0,
        resid_dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = RMSNorm(d_model)
        self.self_attn = Attention(d_model, n_heads, attn_dropout_p, resid_dropout_p)
        self.norm2 = RMSNorm(d_model)
        self.ffn = FeedForward(d_model, ff_dim, ffn_dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        normed = self.norm1(x)  # (B, T, C)
        x = x + self.self_attn(normed, normed, causal=True)  # (B, T, C)
        return x + self.ffn(self.norm2(x))  # (B, T, C)


class BlockShape(Protocol):
    """What the blocks of a model look like: tokenizer and predictor both tell it."""

    @property
    def d_model(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def ff_dim(self) -> int: ...
    @property
    def ffn_dropout_p(self) -> float: ...
    @property
    def attn_dropout_p(self) -> float: ...
    @property
    def resid_dropout_p(self) -> float: ...


def transformer_blocks(shape: BlockShape, count: int) -> nn.ModuleList:
    """`count` blocks, one after the other."""
    return nn.ModuleList(
        TransformerBlock(
            shape.d_model,
            shape.n_heads,
            shape.ff_dim,
            ffn_dropout_p=shape.ffn_dropout_p,
            attn_dropout_p=shape.attn_dropout_p,
            resid_dropout_p=shape.resid_dropout_p,
        )
        for _ in range(count)
    )


def initialise(module: nn.Module) -> None:
    """Set starting weights: Xavier normal and zero biases, embeddings normal, norms one."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, mean=0.0, std=module.embedding_dim**-0.5)
    elif isinstance(module, RMSNorm):
        nn.init.ones_(module.weight)

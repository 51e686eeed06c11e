"""Weights in the order that the processor reads them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kokex.kronos.layers import NORM_EPS, RMSNorm


class PackedLinear:
    """One or more linear maps of the same input as a single product.

    On a CPU with oneDNN the weight is reordered once, which halves the time of a step: with few rows the product is
    bound by reading the weight. Elsewhere it is an ordinary product. The arithmetic is float32 either way.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight.detach().contiguous()
        self._bias = None if bias is None else bias.detach().contiguous()
        self._width = weight.shape[0]
        self._reordered = can_reorder(weight)
        if self._reordered:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, None)

    @classmethod
    def of(cls, linears: Sequence[nn.Linear], dtype: torch.dtype, device: torch.device) -> PackedLinear:
        """Stack the outputs of several layers, in order; all of them have a bias or none has."""
        weight = torch.cat([linear.weight.detach() for linear in linears])  # (sum of outputs, inputs)
        biases = [linear.bias.detach() for linear in linears if linear.bias is not None]
        bias = torch.cat(biases).to(device, dtype) if biases else None  # (sum of outputs,)
        return cls(weight.to(device, dtype), bias)

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., outputs)."""
        if not self._reordered:
            return nn.functional.linear(x, self._weight, self._bias)
        rows = x.reshape(-1, x.shape[-1])  # (R, inputs)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return out.view(*x.shape[:-1], self._width)  # (..., outputs)


class PackedNorm:
    """RMSNorm without a module around it."""

    def __init__(self, norm: RMSNorm, dtype: torch.dtype, device: torch.device) -> None:
        self._weight = norm.weight.detach().to(device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., C) -> (..., C), computed in float32."""
        normed = nn.functional.rms_norm(x.float(), self._weight.shape, eps=NORM_EPS)  # (..., C)
        return normed.to(x.dtype) * self._weight  # (..., C)


def can_reorder(weight: Tensor) -> bool:
    """Whether oneDNN takes this weight. The operators are torch's own for compiled graphs, hence the checks."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    operators = torch.ops.mkldnn
    if not (hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")):
        return False
    if weight.dtype == torch.bfloat16:
        return bool(operators._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32

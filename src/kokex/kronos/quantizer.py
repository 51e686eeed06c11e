"""Binary spherical quantisation: a direction on the sphere becomes the signs of its coordinates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from kokex.kronos.config import TokenizerConfig

ENTROPY_EPS = 1e-8


class QuantizerLoss(NamedTuple):
    """The quantiser's loss and its parts, scalars in nats."""

    total: Tensor
    commitment: Tensor
    per_sample_entropy: Tensor
    codebook_entropy: Tensor


class BinarySphericalQuantizer(nn.Module):
    """Snap unit vectors to the nearest corner of the cube inscribed in the sphere."""

    basis: Tensor
    group_basis: Tensor

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        # Neither buffer is used to compute anything; published checkpoints carry both.
        self.register_buffer("basis", _descending_powers(config.bits))
        self.register_buffer("group_basis", _descending_powers(config.group_size))

    def forward(self, z: Tensor) -> Tensor:
        """Unit vectors z (..., bits) -> codes (..., bits), each -1/sqrt(bits) or +1/sqrt(bits).

        The gradient passes straight through the sign.
        """
        signs = torch.where(z > 0, 1.0, -1.0).to(z.dtype)  # (..., bits)
        straight_through: Tensor = signs + (z - z.detach())  # (..., bits), exactly the signs
        codes: Tensor = straight_through * self.config.bits**-0.5  # (..., bits)
        return codes

    def loss(self, z: Tensor, codes: Tensor) -> QuantizerLoss:
        """z and codes (..., bits) -> how far the codes are and how evenly they are used."""
        config = self.config
        commitment = config.beta * (codes.detach() - z).square().sum(-1).mean()  # ()
        p = torch.sigmoid(-4 * z * config.bits**-0.5)  # (..., bits)
        per_sample = _binary_entropy(p).sum(-1).mean()  # ()
        average = p.flatten(0, -2).mean(0)  # (bits,)
        codebook = _binary_entropy(average).sum()  # ()
        entropy = config.gamma0 * per_sample - config.gamma * codebook  # ()
        return QuantizerLoss(commitment + config.zeta * entropy, commitment, per_sample, codebook)


def unit(z: Tensor) -> Tensor:
    """z (..., bits) -> the same direction with length one."""
    return normalize(z, dim=-1)


def bits_to_ids(codes: Tensor) -> Tensor:
    """Codes (..., bits) -> ids (...,) int64; channel i has weight 2^i."""
    weights = 2 ** torch.arange(codes.shape[-1], device=codes.device)  # (bits,)
    return ((codes > 0).long() * weights).sum(-1)  # (...,)


def ids_to_signs(ids: Tensor, bits: int) -> Tensor:
    """Ids (...,) -> signs (..., bits), -1.0 or +1.0; channel i is bit i."""
    shifts = torch.arange(bits, device=ids.device)  # (bits,)
    return ((ids[..., None] >> shifts) & 1).float() * 2 - 1  # (..., bits)


def _binary_entropy(p: Tensor) -> Tensor:
    q = 1 - p
    return -(p * torch.log(p + ENTROPY_EPS) + q * torch.log(q + ENTROPY_EPS))


def _descending_powers(count: int) -> Tensor:
    return 2 ** torch.arange(count - 1, -1, -1)

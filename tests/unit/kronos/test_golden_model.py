"""Every array of the golden folders, against the published implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kokex.kronos import Tokens

if TYPE_CHECKING:
    from conftest import GoldenCase

FLOAT = 1e-5
GRADIENT = 1e-4


def tensor(case: GoldenCase, name: str) -> Tensor:
    return torch.from_numpy(case.arrays[name])


def tokens(case: GoldenCase) -> Tokens:
    return Tokens(tensor(case, "tok_s1"), tensor(case, "tok_s2"))


def assert_close(actual: Tensor, case: GoldenCase, name: str, tolerance: float = FLOAT) -> None:
    """Relative to the largest value of the array, so that values near zero are not held to digits they lack."""
    expected = case.arrays[name]
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=tolerance, atol=tolerance * scale)


def test_both_reconstructions_and_the_quantizer_loss_match(case: GoldenCase) -> None:
    rebuilt = case.tokenizer(tensor(case, "x"))
    assert_close(rebuilt.coarse, case, "tok_recon_s1")
    assert_close(rebuilt.full, case, "tok_recon")
    assert_close(rebuilt.codes, case, "tok_quantized")
    assert_close(rebuilt.quantizer.total, case, "tok_bsq_loss")


def test_token_ids_match_exactly(case: GoldenCase) -> None:
    encoded = case.tokenizer.encode(tensor(case, "x"))
    assert torch.equal(encoded.s1, tensor(case, "tok_s1"))
    assert torch.equal(encoded.s2, tensor(case, "tok_s2"))
    assert torch.equal(case.tokenizer.joint_ids(encoded), tensor(case, "tok_indices"))
    split = case.tokenizer.split_ids(tensor(case, "tok_indices"))
    assert torch.equal(split.s1, encoded.s1) and torch.equal(split.s2, encoded.s2)


def test_decoding_matches(case: GoldenCase) -> None:
    assert_close(case.tokenizer.decode(tokens(case)), case, "tok_decoded")


def test_context_and_s1_logits_match(case: GoldenCase) -> None:
    context = case.model.context(tokens(case), tensor(case, "stamp"))
    assert_close(context, case, "context")
    assert_close(case.model.s1_logits(context), case, "s1_logits")


def test_s2_logits_of_the_next_candle_match(case: GoldenCase) -> None:
    s2_logits = case.model.next_s2_logits(tensor(case, "context"), tensor(case, "next_s1"))
    assert_close(s2_logits, case, "s2_logits_next")


def test_training_logits_and_losses_match(case: GoldenCase) -> None:
    whole, stamps = tokens(case), tensor(case, "stamp")
    inputs = Tokens(whole.s1[:, :-1], whole.s2[:, :-1])
    logits = case.model(inputs, stamps[:, :-1], next_s1=whole.s1[:, 1:])
    assert_close(logits.s1, case, "train_s1_logits")
    assert_close(logits.s2, case, "train_s2_logits")
    loss = case.model.loss(whole, stamps, teacher_forcing=True)
    assert_close(loss.total, case, "train_loss")
    assert_close(loss.s1, case, "train_ce_s1")
    assert_close(loss.s2, case, "train_ce_s2")


def test_tokenizer_training_loss_and_gradients_match(case: GoldenCase) -> None:
    case.tokenizer.zero_grad()
    loss = case.tokenizer.loss(tensor(case, "x")).total
    assert_close(loss, case, "tok_train_loss")
    loss.backward()  # type: ignore[no-untyped-call]
    for name, module in (("embed", case.tokenizer.embed), ("quant_embed", case.tokenizer.quant_embed)):
        assert module.weight.grad is not None
        assert_close(module.weight.grad, case, f"tok_grad_{name}_weight", GRADIENT)
    case.tokenizer.zero_grad()

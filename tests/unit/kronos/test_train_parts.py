"""The pieces of training, each against what it must equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kokex.kronos import Kronos, KronosConfig, KronosTokenizer, TokenizerConfig, Tokens
from kokex.kronos.training import (
    BadSettingsError,
    CandleSeries,
    Part,
    StageSettings,
    cut_windows,
    precision,
    preset,
)
from kokex.kronos.training.averaging import AveragedWeights
from kokex.kronos.training.objective import PredictorLossModule, PredictorObjective, TokenizerLossModule
from kokex.kronos.training.run import drop_attention_dropout
from kokex.kronos.training.schedule import learning_rate
from kokex.kronos.training.state import StageState
from kokex.kronos.training.tokens import tokenise
from kokex.kronos.training.windows import WindowSet

SHAPE = {"d_model": 32, "n_heads": 4, "ff_dim": 32, "s1_bits": 4, "s2_bits": 4}
CPU = torch.device("cpu")


def sharpened(module: nn.Module) -> None:
    """Attention that is not nearly uniform, so that a wrong mask or position shows."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                parameter.normal_(0, 0.5)


@pytest.fixture
def model() -> Kronos:
    torch.manual_seed(1)
    made = Kronos(KronosConfig(n_layers=2, token_dropout_p=0.3, attn_dropout_p=0.2, **SHAPE))
    sharpened(made)
    return made


@pytest.fixture(scope="module")
def windows() -> WindowSet:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 120)))
    values = np.column_stack([close, close * 1.01, close * 0.99, close, rng.uniform(1, 2, 120)])
    series = CandleSeries.from_arrays(values, np.arange(120) * 900)
    return cut_windows(series, Part(0, 120), context=30, horizon=10, shortest_context=12, stride=3)


def random_tokens(seed: int, batch: int = 3, length: int = 12) -> tuple[Tokens, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    s1, s2 = (torch.randint(0, 16, (batch, length), generator=generator) for _ in range(2))
    stamps = torch.stack(
        [torch.randint(0, top, (batch, length), generator=generator) for top in (60, 24, 7, 28, 12)], -1
    )
    return Tokens(s1, s2), stamps


def test_the_validation_loss_is_the_likelihood_of_the_forecasting_form(model: Kronos) -> None:
    """Weighing the last target alone gives -log p(s1) and -log p(s2 | s1) of one step of inference."""
    tokens, stamps = random_tokens(2)
    module = PredictorLossModule(model, "published", sample_s1=True).eval()
    weights = torch.zeros(3, 11)
    weights[:, -1] = 1
    losses = module(tokens.s1, tokens.s2, stamps, weights)
    context = model.context(Tokens(tokens.s1[:, :-1], tokens.s2[:, :-1]), stamps[:, :-1])
    s1 = nn.functional.cross_entropy(model.s1_logits(context[:, -1]), tokens.s1[:, -1])
    s2 = nn.functional.cross_entropy(model.next_s2_logits(context, tokens.s1[:, -1:]), tokens.s2[:, -1])
    torch.testing.assert_close(losses.parts["s1"], s1)
    torch.testing.assert_close(losses.parts["s2"], s2)
    torch.testing.assert_close(losses.total, (s1 + s2) / 2)


@pytest.mark.parametrize("train", [False, True])
def test_no_loss_sees_a_later_candle(model: Kronos, train: bool) -> None:
    """Other tokens after position 6 leave the losses of the targets up to it, in validation and in training."""
    module = PredictorLossModule(model, "published", sample_s1=False).train(train)
    model.token_drop.p = 0.0
    drop_attention_dropout(model)
    (first, stamps), (second, _) = random_tokens(3), random_tokens(4)
    mixed = Tokens(*(torch.cat([a[:, :7], b[:, 7:]], 1) for a, b in zip(first, second, strict=True)))
    weights = torch.zeros(3, 11)
    weights[:, :6] = 1
    losses = [module(tokens.s1, tokens.s2, stamps, weights).total for tokens in (first, mixed)]
    torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=1e-6)


def test_only_candles_after_the_context_bear_the_loss(model: Kronos, windows: WindowSet) -> None:
    """A context of c candles weighs targets c, c + 1, ... ; the others get the given weight."""
    tokens = tokenise(KronosTokenizer(TokenizerConfig(n_enc_layers=2, n_dec_layers=2, **SHAPE)), windows, CPU)
    objective = PredictorObjective(PredictorLossModule(model, "inference", False), tokens, tokens, 0.25)
    rows = np.arange(4)
    weights = objective.batch(rows, CPU).tensors[3]
    for row in rows:
        context = int(windows.contexts[row])
        expected = [0.25] * (context - 1) + [1.0] * (windows.length - context)
        assert weights[row].tolist() == expected
    assert objective.batch(rows, CPU).weight == pytest.approx(float(weights.sum()))
    assert objective.validation_batch(rows, CPU).tensors[3].unique().tolist() == [0.0, 1.0]


def test_windows_tokenised_once_are_those_of_the_tokenizer(windows: WindowSet) -> None:
    """Tokens, stamps and contexts of any rows, in any batches, with progress told."""
    torch.manual_seed(5)
    tokenizer = KronosTokenizer(TokenizerConfig(n_enc_layers=2, n_dec_layers=2, **SHAPE))
    told: list[tuple[int, int]] = []
    tokens = tokenise(
        tokenizer, windows, CPU, batch_size=4, progress=lambda done, all_: told.append((done, all_))
    )
    rows = np.array([7, 2])
    s1, s2, stamps, contexts = tokens.rows(rows, CPU)
    expected = tokenizer.encode(torch.from_numpy(windows.normalised(rows)))
    assert torch.equal(s1, expected.s1)
    assert torch.equal(s2, expected.s2)
    assert np.array_equal(stamps.numpy(), windows.stamps()[rows])
    assert np.array_equal(contexts.numpy(), windows.contexts[rows])
    assert told[-1] == (len(windows), len(windows))


def test_the_tokenizer_is_validated_by_its_full_reconstruction(windows: WindowSet) -> None:
    """Training minimises the published loss; validation is the plain mean square error."""
    tokenizer = KronosTokenizer(TokenizerConfig(n_enc_layers=2, n_dec_layers=2, **SHAPE))
    x = torch.from_numpy(windows.normalised(np.arange(3)))
    module = TokenizerLossModule(tokenizer)
    torch.testing.assert_close(module.train()(x).total, tokenizer.loss(x).total)
    expected = nn.functional.mse_loss(tokenizer.decode(tokenizer.encode(x)), x)
    torch.testing.assert_close(module.eval()(x).total, expected)


def test_dropping_attention_dropout_keeps_the_configuration(model: Kronos) -> None:
    """What is saved still says 0.2."""
    drop_attention_dropout(model)
    assert all(getattr(module, "attn_dropout_p", 0.0) == 0.0 for module in model.modules())
    assert model.config.attn_dropout_p == 0.2


def test_one_cycle_rises_to_the_peak_and_falls_to_almost_nothing() -> None:
    """From a tenth of the peak after 3 % of the steps to a hundred thousandth of it."""
    settings = StageSettings(1, 1, 1e-3, 1.0)
    rates = [learning_rate(settings, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-4)
    assert np.argmax(rates) == 30
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-8)
    assert (np.diff(rates[30:]) <= 0).all()
    torch_schedule = torch.optim.lr_scheduler.OneCycleLR(
        torch.optim.SGD([nn.Parameter(torch.zeros(1))]),
        1e-3,
        total_steps=1000,
        pct_start=0.031,
        div_factor=10,
    )
    assert torch_schedule.get_last_lr()[0] == pytest.approx(rates[0])


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.0), ("constant", 1e-3)])
def test_other_schedules(schedule: str, last: float) -> None:
    """Cosine ends at zero, constant stays at the peak."""
    settings = StageSettings(1, 1, 1e-3, 1.0, schedule=schedule)  # type: ignore[arg-type]
    assert learning_rate(settings, 99, 100) == pytest.approx(last)
    assert learning_rate(settings, 3, 100) == pytest.approx(1e-3)


def test_averaged_weights_stand_in_only_inside_the_block() -> None:
    """The average of 0 and 1 is between them; outside the block the module has its own."""
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
    averages = AveragedWeights(layer, 0.9)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    averages.update(1000)
    with averages.in_place():
        assert layer.weight.item() == pytest.approx(0.1)
    assert layer.weight.item() == 1.0


def test_a_crash_while_saving_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file takes the old one's place only when it is whole."""
    path = tmp_path / "state.pt"
    StageState(step=5, weights={"a": torch.ones(2)}).save(path)

    def torn(record: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="no space"):
        StageState(step=6).save(path)
    state = StageState.load(path)
    assert state.step == 5
    assert torch.equal(state.weights["a"], torch.ones(2))


def test_settings_refuse_what_cannot_be() -> None:
    """And the fingerprint knows what matters."""
    for wrong in ({"epochs": 0}, {"warm_up": 1.0}, {"accumulate": 9, "batch_size": 8}, {"ema": 1.0}):
        with pytest.raises(BadSettingsError):
            StageSettings(**({"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "clip": 1.0} | wrong))  # type: ignore[arg-type]
    with pytest.raises(BadSettingsError, match="known are"):
        preset("huge")
    one = preset("mini")
    assert one.fingerprint() == preset("mini").changed(checkpoint_every=7).fingerprint()
    assert one.fingerprint() != preset("mini").changed(predictor__clip=1.0).fingerprint()


@pytest.mark.parametrize(("device_has_it", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_precision_follows_the_device_only_where_it_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, device_has_it: bool, expected: str
) -> None:
    """And what was chosen is what the fingerprint knows, so that a run is resumed in its own precision or not at all."""
    monkeypatch.setattr(precision, "has_bf16", lambda accelerator: device_has_it)
    chosen = precision.with_precision(preset("mini"), "cpu")
    assert chosen.precision == expected
    assert chosen.fingerprint() == preset("mini").changed(precision=expected).fingerprint()
    assert precision.with_precision(preset("tiny"), "cpu").precision == "32-true"


def test_a_processor_says_whether_it_has_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is asked first, where there is one and it is wanted; Apple's trains in float32."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    assert precision.has_bf16("auto") and precision.has_bf16("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert not precision.has_bf16("mps") and not precision.has_bf16("auto")
    for answer in (True, False):
        for name in precision._PROCESSOR_HAS:
            monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)
        assert precision.has_bf16("cpu") is answer


@pytest.mark.parametrize(
    ("name", "millions"), [("mini", 4.108032), ("small", 24.741376), ("base", 102.310592)]
)
def test_presets_have_the_published_sizes(name: str, millions: float) -> None:
    """Parameters counted on models that hold no memory."""
    with torch.device("meta"):
        made = Kronos(KronosConfig.from_dict(preset(name).predictor_shape))
    assert sum(parameter.numel() for parameter in made.parameters()) == round(millions * 1e6)

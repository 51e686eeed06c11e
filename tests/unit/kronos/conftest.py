"""The golden folders beside the checkout: weights, inputs and outputs of the published implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kokex.kronos import Candles, Kronos, KronosConfig, KronosForecaster, KronosTokenizer, TokenizerConfig
from kokex.kronos.normalisation import Normalisation

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden"
NAMES = ("tiny", "small-fixed-te", "past-context")


class GoldenCase:
    """One golden folder, its weights linked into the published layout under ``scratch``."""

    def __init__(self, name: str, scratch: Path) -> None:
        self.name = name
        self.folder = GOLDEN / name
        self.tokenizer_folder = self._link("tokenizer", scratch)
        self.predictor_folder = self._link("predictor", scratch)
        self.tokenizer = KronosTokenizer.from_pretrained(self.tokenizer_folder)
        self.model = Kronos.from_pretrained(self.predictor_folder)
        with np.load(self.folder / "modules.npz") as arrays:
            self.arrays: dict[str, np.ndarray[Any, Any]] = dict(arrays)

    def _link(self, part: str, scratch: Path) -> Path:
        folder = scratch / self.name / part
        folder.mkdir(parents=True)
        (folder / "config.json").symlink_to(self.folder / f"{part}_config.json")
        (folder / "model.safetensors").symlink_to(self.folder / f"{part}.safetensors")
        return folder


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GoldenCase:
    """Each golden folder in turn; the test is skipped where they are absent."""
    if not GOLDEN.is_dir():
        pytest.skip("the golden folder (../shared/golden) is not beside this checkout")
    return GoldenCase(request.param, tmp_path_factory.mktemp("golden"))


def sharpened(module: Any, seed: int, factor: float = 4.0) -> Any:
    """Redraw the weights from a seed and make attention pick: as initialised it is nearly uniform and hides faults."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim > 1 and parameter.requires_grad:
                spread = factor if ".q_proj." in name or ".k_proj." in name else 1.0
                parameter.normal_(0.0, spread * parameter.shape[1] ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.1, generator=generator)
    return module.eval()


def walk(count: int, seed: int = 0, **options: Any) -> Candles:
    """A random walk of hourly candles with volume."""
    rng = np.random.default_rng(seed)
    close = 1000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opened = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(opened, close) * (1 + rng.uniform(0.0, 0.004, count))
    low = np.minimum(opened, close) * (1 - rng.uniform(0.0, 0.004, count))
    times = np.datetime64("2024-03-01T00:00", "ns") + np.arange(count) * np.timedelta64(1, "h")
    values = np.column_stack((opened, high, low, close, rng.gamma(2.0, 50.0, count)))
    return Candles.from_arrays(times, values, **options)


TINY_TOKENIZER = TokenizerConfig(
    d_model=32, n_heads=2, ff_dim=48, n_enc_layers=3, n_dec_layers=3, s1_bits=4, s2_bits=5, group_size=3
)
TINY_MODEL = KronosConfig(s1_bits=4, s2_bits=5, n_layers=2, d_model=32, n_heads=2, ff_dim=48)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> KronosTokenizer:
    return sharpened(KronosTokenizer(TINY_TOKENIZER), 1)


@pytest.fixture(scope="session")
def tiny_model() -> Kronos:
    return sharpened(Kronos(TINY_MODEL), 2)


@pytest.fixture
def forecaster(tiny_model: Kronos, tiny_tokenizer: KronosTokenizer) -> KronosForecaster:
    return KronosForecaster(tiny_model, tiny_tokenizer, max_context=64)


@pytest.fixture(scope="session")
def candle_walk() -> Any:
    """``walk(count, seed, **options)``."""
    return walk


@pytest.fixture(scope="session")
def sharpen() -> Any:
    """``sharpened(module, seed)``."""
    return sharpened


def same_paths(actual: Any, expected: Any, candles: Candles, tolerance: float = 1e-4) -> None:
    """Assert that paths agree to a share of each column's spread in the context."""
    scale = Normalisation.of(candles.values).scale
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="session")
def assert_same_paths() -> Any:
    """``same_paths(actual, expected, candles)``."""
    return same_paths

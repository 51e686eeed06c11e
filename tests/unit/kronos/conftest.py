"""The golden folders beside the checkout: weights, inputs and outputs of the published implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokex.kronos import Kronos, KronosTokenizer

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

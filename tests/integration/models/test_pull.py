"""Published weights from a hub: whole and checked, or nothing; interrupted, missing, of another shape, out of reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.cli.model_pull import pull_published
from kokex.domain.errors import ConfigurationError
from tests.integration.models.hub import Hub, serving

pytest.importorskip("torch")
constants = pytest.importorskip("huggingface_hub.constants")
file_download = pytest.importorskip("huggingface_hub.file_download")

from kokex.kronos import Kronos, KronosConfig, KronosTokenizer, TokenizerConfig  # noqa: E402 - torch may be missing

pytestmark = pytest.mark.slow

SHAPE: dict[str, Any] = {"d_model": 16, "n_heads": 4, "ff_dim": 16, "s1_bits": 4, "s2_bits": 4}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """It has the two repositories of `mini`, with weights of nothing."""
    root = tmp_path / "hub root"
    Kronos(KronosConfig(n_layers=1, **SHAPE)).save_pretrained(root / "Kronos-mini")
    KronosTokenizer(TokenizerConfig(n_enc_layers=2, n_dec_layers=2, **SHAPE)).save_pretrained(
        root / "Kronos-Tokenizer-2k"
    )
    with serving(root) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
        monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
        yield served


def files(folder: Path) -> list[str]:
    """What lies there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


WHOLE = [
    "mini/predictor/config.json",
    "mini/predictor/model.safetensors",
    "mini/tokenizer/config.json",
    "mini/tokenizer/model.safetensors",
]


def test_a_model_is_fetched_once_and_mended_where_it_is_damaged(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time nobody is asked."""
    published = tmp_path / "published here"
    folder = pull_published(published, "mini")
    assert files(published) == WHOLE
    hub.asked.clear()
    assert pull_published(published, "mini") == folder and hub.asked == []
    weights = folder / "predictor" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    pull_published(published, "mini")
    assert weights.read_bytes() == whole and files(published) == WHOLE
    assert "truncated" in capsys.readouterr().err


def test_an_interrupted_download_goes_on_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    """As often as it breaks, while anything comes at all."""
    hub.cut = 3000
    pull_published(tmp_path / "published", "mini")
    assert files(tmp_path / "published") == WHOLE
    assert len(hub.ranges()) > 5


def test_a_connection_that_always_breaks_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    """Nothing that could be taken for a model; the next try succeeds."""
    hub.cut = 500
    with pytest.raises(ConfigurationError, match=r"cannot be fetched from here \(.*peer closed connection"):
        pull_published(tmp_path / "published", "mini")
    assert files(tmp_path / "published") == []
    hub.cut = None
    pull_published(tmp_path / "published", "mini")
    assert files(tmp_path / "published") == WHOLE


def test_a_file_that_the_hub_lacks_is_named(hub: Hub, tmp_path: Path) -> None:
    """And nothing is kept of the others."""
    (hub.root / "Kronos-Tokenizer-2k" / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match=r"\(.*404.*\)") as raised:
        pull_published(tmp_path / "published", "mini")
    assert "on a machine with a network download config.json and model.safetensors" in str(raised.value)
    assert files(tmp_path / "published") == []


def test_weights_of_another_shape_are_not_kept(hub: Hub, tmp_path: Path) -> None:
    """Nor weights whose tokenizer speaks another language."""
    config = hub.root / "Kronos-mini" / "config.json"
    content = config.read_text()
    config.write_text(json.dumps(json.loads(content) | {"ff_dim": 32}))
    with pytest.raises(ConfigurationError, match=r"cannot be used, nothing of it was kept.*has shape"):
        pull_published(tmp_path / "published", "mini")
    config.write_text(content)
    other = TokenizerConfig(n_enc_layers=2, n_dec_layers=2, **(SHAPE | {"s1_bits": 5, "s2_bits": 3}))
    KronosTokenizer(other).save_pretrained(hub.root / "Kronos-Tokenizer-2k")
    with pytest.raises(ConfigurationError, match="nothing of it was kept"):
        pull_published(tmp_path / "published", "mini")
    assert files(tmp_path / "published") == []


def test_out_of_reach_is_told_at_once_and_what_was_fetched_before_is_used(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half minute of attempts."""
    nowhere = "http://127.0.0.1:9"
    pull_published(tmp_path / "published", "mini")
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    pull_published(tmp_path / "elsewhere", "mini")
    assert files(tmp_path / "elsewhere") == WHOLE
    with pytest.raises(ConfigurationError, match="Connection refused"):
        pull_published(tmp_path / "published", "small")

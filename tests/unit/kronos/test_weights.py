"""Checkpoints: the layout that is written, and a clear error for every way they can be wrong."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kokex.kronos import PUBLISHED_MODELS, PUBLISHED_TOKENIZERS, Kronos, KronosConfig, KronosTokenizer
from kokex.kronos.errors import (
    ConfigError,
    HubUnavailableError,
    WeightsMismatchError,
    WeightsNotFoundError,
    WeightsUnreadableError,
)


@pytest.fixture
def folder(tiny_model: Kronos, tmp_path: Path) -> Path:
    tiny_model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_is_saved_loads_unchanged_in_eval_mode_and_can_be_trained(
    folder: Path, tiny_model: Kronos
) -> None:
    again = Kronos.from_pretrained(folder)
    assert again.config == tiny_model.config and not again.training
    for name, tensor in tiny_model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    trainable = [name for name, parameter in again.named_parameters() if parameter.requires_grad]
    assert trainable == [name for name, _ in tiny_model.named_parameters()]
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_saving_over_the_folder_that_was_loaded_is_safe(folder: Path) -> None:
    model = Kronos.from_pretrained(folder)
    with torch.no_grad():
        model.norm.weight.fill_(3.0)
    model.save_pretrained(folder)
    assert Kronos.from_pretrained(folder).norm.weight.eq(3.0).all()


def test_fixed_time_tables_are_sinusoids_and_not_trained() -> None:
    model = Kronos(KronosConfig(2, 2, 1, 16, 2, 16, learn_te=False))
    table = model.state_dict()["time_emb.hour_embed.emb.weight"]
    torch.testing.assert_close(table[5, 0], torch.sin(torch.tensor(5.0)))
    torch.testing.assert_close(table[5, 1], torch.cos(torch.tensor(5.0)))
    assert not model.get_parameter("time_emb.hour_embed.emb.weight").requires_grad


@pytest.mark.parametrize(
    ("size", "count"), [("mini", 4_108_032), ("small", 24_741_376), ("base", 102_310_592)]
)
def test_published_sizes_have_their_published_counts(size: str, count: int) -> None:
    with torch.device("meta"):
        model = Kronos(PUBLISHED_MODELS[size])
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_the_published_tokenizer_has_its_published_count() -> None:
    with torch.device("meta"):
        tokenizer = KronosTokenizer(PUBLISHED_TOKENIZERS["base"])
    assert sum(parameter.numel() for parameter in tokenizer.parameters()) == 3_958_042


def test_keys_of_other_programs_are_ignored(folder: Path, tiny_model: Kronos) -> None:
    change_config(folder, transformers_version="9.9")
    assert Kronos.from_pretrained(folder).config == tiny_model.config


def test_weights_of_another_shape(folder: Path) -> None:
    change_config(folder, ff_dim=96)
    with pytest.raises(WeightsMismatchError, match=r"has shape .*describes .*use the config\.json"):
        Kronos.from_pretrained(folder)


def test_weights_of_another_depth(folder: Path) -> None:
    change_config(folder, n_layers=3)
    with pytest.raises(
        WeightsMismatchError, match=r"missing transformer\.2\.ffn\.w1\.weight, .* more; not expected none"
    ):
        Kronos.from_pretrained(folder)


def test_a_tokenizer_is_no_predictor(tiny_tokenizer: KronosTokenizer, tmp_path: Path) -> None:
    tiny_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"KronosConfig: config\.json lacks n_layers"):
        Kronos.from_pretrained(tmp_path)


def test_an_unknown_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "stranger": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(WeightsMismatchError, match="not expected stranger"):
        Kronos.from_pretrained(folder)


@pytest.mark.parametrize("kept", [0, 5, 1000, -1])
def test_a_truncated_file(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsUnreadableError, match="truncated or not a safetensors file"):
        Kronos.from_pretrained(folder)


def test_a_config_that_is_not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="is not JSON"):
        Kronos.from_pretrained(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match="holds list"):
        Kronos.from_pretrained(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"d_model": 30}, "does not split"),
        ({"n_layers": 0}, "n_layers must be"),
        ({"s1_bits": 40}, "s1_bits must be"),
        ({"ffn_dropout_p": 1.0}, "ffn_dropout_p must be"),
    ],
)
def test_impossible_configurations(folder: Path, values: dict[str, Any], message: str) -> None:
    change_config(folder, **values)
    with pytest.raises(ConfigError, match=message):
        Kronos.from_pretrained(folder)


def test_an_incomplete_folder_and_none_at_all(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"has no model\.safetensors"):
        Kronos.from_pretrained(folder)
    with pytest.raises(WeightsNotFoundError, match="neither a folder nor a hub id"):
        Kronos.from_pretrained(tmp_path / "elsewhere")


def test_a_hub_id_without_the_hub_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_hub(name: str, *rest: Any, **options: Any) -> Any:
        if name == "huggingface_hub":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_hub)
    with pytest.raises(HubUnavailableError, match="give that folder's path instead"):
        Kronos.from_pretrained("NeoQuasar/Kronos-small")


def test_a_hub_id_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub:
        constants = SimpleNamespace(ENDPOINT="http://127.0.0.1:9")

        @staticmethod
        def hf_hub_download(*_: object, **__: object) -> str:
            raise OSError("no route to host")

    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", Hub)
    with pytest.raises(HubUnavailableError, match=r"Connection refused.*give that folder's path instead"):
        Kronos.from_pretrained("NeoQuasar/Kronos-small")

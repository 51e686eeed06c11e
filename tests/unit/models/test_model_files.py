"""Weights on disk: kept by content, found again, packed, and never taken in damaged."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kokex.adapters.model_files import NEEDED, ModelFolder, content_hash_of
from kokex.domain.candle import Interval
from kokex.domain.errors import DataError, NotFoundError
from kokex.ports.models import TrainingCandles


def weights(folder: Path, *, word: str = "one") -> Path:
    """A folder laid out like weights; what is in the files does not matter here."""
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} {word}")
    return folder


@pytest.fixture
def files(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models")


def packed(files: ModelFolder, tmp_path: Path) -> Path:
    content_hash, _ = files.keep(weights(tmp_path / "one"))
    file = tmp_path / "version.kokex.zip"
    files.pack(content_hash, {"content_hash": content_hash, "preset": "tiny"}, file)
    return file


def test_equal_content_is_kept_once_and_other_content_apart(files: ModelFolder, tmp_path: Path) -> None:
    """The hash is of names and contents, not of where they lay."""
    first, size = files.keep(weights(tmp_path / "one"))
    again, _ = files.keep(weights(tmp_path / "elsewhere"))
    other, _ = files.keep(weights(tmp_path / "two", word="two"))
    assert first == again != other
    assert size == sum((files.find(first) / name).stat().st_size for name in NEEDED)
    assert len(list((tmp_path / "models" / "weights").iterdir())) == 2


def test_what_is_kept_has_the_hash_of_its_name(files: ModelFolder, tmp_path: Path) -> None:
    """So anybody can check it later."""
    content_hash, _ = files.keep(weights(tmp_path / "one"))
    assert content_hash_of(files.find(content_hash)) == content_hash


def test_a_folder_without_all_files_is_no_model(files: ModelFolder, tmp_path: Path) -> None:
    """The missing one is named."""
    folder = weights(tmp_path / "one")
    (folder / "predictor" / "config.json").unlink()
    with pytest.raises(DataError, match=r"no predictor/config\.json"):
        files.keep(folder)


def test_only_what_no_version_needs_is_removed(files: ModelFolder, tmp_path: Path) -> None:
    """And the freed bytes are told."""
    needed, _ = files.keep(weights(tmp_path / "one"))
    gone, size = files.keep(weights(tmp_path / "two", word="two"))
    assert files.remove_except({needed}) == size
    assert files.find(needed).is_dir()
    with pytest.raises(NotFoundError):
        files.find(gone)


def test_a_packed_version_comes_back_as_it_was(files: ModelFolder, tmp_path: Path) -> None:
    """Record and weights."""
    record, folder = files.unpack(packed(files, tmp_path))
    assert record["preset"] == "tiny"
    assert content_hash_of(folder) == record["content_hash"]


def test_a_changed_file_is_refused(files: ModelFolder, tmp_path: Path) -> None:
    """Weights that are not what the record says never come in."""
    file = packed(files, tmp_path)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content + b"!" if name == "predictor/model.safetensors" else content)
    with pytest.raises(DataError, match="its record says"):
        files.unpack(changed)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(files: ModelFolder, tmp_path: Path, share: float) -> None:
    """In one sentence that names it."""
    file = packed(files, tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="damaged or no exported"):
        files.unpack(file)


def test_a_file_without_a_hash_is_refused(files: ModelFolder, tmp_path: Path) -> None:
    """Nothing could be checked."""
    file = tmp_path / "no-hash.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name in NEEDED:
            archive.writestr(name, "x")
        archive.writestr("record.json", json.dumps({"preset": "tiny"}))
    with pytest.raises(DataError, match="content_hash"):
        files.unpack(file)


def test_a_refused_file_leaves_nothing_behind(files: ModelFolder, tmp_path: Path) -> None:
    """No half-unpacked folder stays."""
    (tmp_path / "not.zip").write_text("words")
    with pytest.raises(DataError):
        files.unpack(tmp_path / "not.zip")
    assert list((tmp_path / "models" / "weights").iterdir()) == []


def test_a_training_run_s_folder_can_be_taken_in(files: ModelFolder, tmp_path: Path) -> None:
    """Its best weights count."""
    run = tmp_path / "run"
    for stage in ("tokenizer", "predictor"):
        shutil.copytree(weights(tmp_path / "one") / stage, run / stage / "best")
    record, folder = files.unpack(run)
    assert record == {}
    assert content_hash_of(folder) == content_hash_of(tmp_path / "one")


def test_a_training_goes_on_with_the_candles_it_began_with(files: ModelFolder) -> None:
    """To the last bit, unknown volumes included."""
    values = np.array([[1.0, 2.0, 0.5, 1.5, np.nan, 3.0], [1.5, 2.0, 1.0, 1.2, 4.0, np.nan]])
    candles = TrainingCandles("okx:live", "ETH-USDT", Interval("1H"), np.array([0, 3600]), values)
    assert files.snapshot(7) is None
    files.keep_snapshot(7, candles)
    kept = files.snapshot(7)
    assert kept is not None
    np.testing.assert_array_equal(kept.values, values)
    assert kept.describe() == candles.describe()


def test_a_training_s_folder_has_one_holder(files: ModelFolder) -> None:
    """The next one comes when it lets go."""
    let_go = files.hold_run(7)
    assert let_go is not None
    assert files.hold_run(7) is None
    let_go()
    assert files.hold_run(7) is not None

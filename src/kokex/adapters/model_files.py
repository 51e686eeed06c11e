"""Weights on disk by the hash of their content, the folders of trainings, and versions packed as one file.

`models/weights/<hash>/` holds `tokenizer/` and `predictor/` in the published layout and, where it was learnt, `forecasting.json`;
`models/runs/<number>/` is where a version's training works.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final

import numpy as np

from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError, DataError, NotFoundError
from kokex.ports.models import TrainingCandles

NEEDED: Final = (
    "tokenizer/config.json",
    "tokenizer/model.safetensors",
    "predictor/config.json",
    "predictor/model.safetensors",
)
"""What a folder of weights holds at least."""
LEARNT: Final = "forecasting.json"
"""What the training learnt besides weights: context, how to read the bands."""
RECORD: Final = "record.json"
_LARGEST_RECORD: Final = 64 * 2**20
_LARGEST_WEIGHTS: Final = 8 * 2**30
_PIECE: Final = 2**20
_LOCK: Final = "lock"
_SNAPSHOT: Final = "candles.npz"


class ModelFolder:
    """`ModelFiles` in one folder. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._weights = folder / "weights"
        self._runs = folder / "runs"

    def run_folder(self, version_id: int) -> Path:
        """See `ModelFiles`."""
        folder = self._runs / str(version_id)
        _make(folder)
        return folder

    def hold_run(self, version_id: int) -> Callable[[], None] | None:
        """See `ModelFiles`. The system lets go of it when the process dies, however it dies."""
        file = (self.run_folder(version_id) / _LOCK).open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file.close

    def snapshot(self, version_id: int) -> TrainingCandles | None:
        """See `ModelFiles`. Raises `DataError` where it cannot be read."""
        path = self._runs / str(version_id) / _SNAPSHOT
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                source, inst_id, interval = (str(word) for word in kept["names"])
                return TrainingCandles(
                    source, inst_id, Interval(interval), kept["open_times"], kept["values"]
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}, the candles of a training, cannot be read ({error}); train a new version"
            ) from error

    def keep_snapshot(self, version_id: int, candles: TrainingCandles) -> None:
        """See `ModelFiles`."""
        folder = self.run_folder(version_id)
        names = np.array([candles.source, candles.inst_id, candles.interval.name])
        draft = folder / f"draft-{_SNAPSHOT}"
        np.savez_compressed(draft, names=names, open_times=candles.open_times, values=candles.values)
        draft.replace(folder / _SNAPSHOT)

    def keep(self, weights: Path) -> tuple[str, int]:
        """See `ModelFiles`. Raises `DataError` where a file is missing."""
        files = _files(weights)
        content_hash = content_hash_of(weights)
        target = self._weights / content_hash
        if not target.is_dir():
            _make(self._weights)
            draft = Path(mkdtemp(prefix="draft-", dir=self._weights))
            for name in files:
                (draft / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(weights / name, draft / name)
            draft.chmod(0o755)
            _move_whole(draft, target)
        return content_hash, sum((target / name).stat().st_size for name in files)

    def find(self, content_hash: str) -> Path:
        """See `ModelFiles`."""
        folder = self._weights / content_hash
        if not folder.is_dir():
            raise NotFoundError(
                f"the weights {content_hash[:12]} are not in {self._weights}; import the version on this machine, "
                "or train another"
            )
        return folder

    def finish_run(self, version_id: int) -> None:
        """See `ModelFiles`."""
        for stage in ("tokenizer", "predictor"):
            shutil.rmtree(self._runs / str(version_id) / stage, ignore_errors=True)

    def remove_run(self, version_id: int) -> None:
        """See `ModelFiles`."""
        shutil.rmtree(self._runs / str(version_id), ignore_errors=True)

    def remove_except(self, content_hashes: Collection[str]) -> int:
        """See `ModelFiles`."""
        freed = 0
        for folder in self._weights.iterdir() if self._weights.is_dir() else ():
            if folder.name in content_hashes or folder.name.startswith("draft-"):
                continue
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def pack(self, content_hash: str, record: Mapping[str, Any], file: Path) -> int:
        """See `ModelFiles`."""
        weights = self.find(content_hash)
        words = json.dumps(dict(record), indent=1, ensure_ascii=False, allow_nan=False)
        try:
            with TemporaryDirectory(dir=file.parent, prefix=".kokex-") as staging:
                draft = Path(staging) / file.name
                with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
                    archive.writestr(RECORD, words + "\n")
                    for name in _files(weights):
                        archive.write(weights / name, name)
                draft.replace(file)
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be written: {error.strerror or error}") from error
        return file.stat().st_size

    def unpack(self, file: Path) -> tuple[Mapping[str, Any], Path]:
        """See `ModelFiles`."""
        _make(self._weights)
        draft = Path(mkdtemp(prefix="draft-", dir=self._weights))
        try:
            record = _from_folder(file, draft) if file.is_dir() else _from_archive(file, draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return record, draft


def content_hash_of(weights: Path) -> str:
    """SHA-256 over the names and contents of a folder of weights. Raises `DataError` where a file is missing."""
    whole = hashlib.sha256()
    for name in _files(weights):
        with (weights / name).open("rb") as file:
            whole.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _files(weights: Path) -> list[str]:
    """Names of the files that belong to a folder of weights."""
    for name in NEEDED:
        if not (weights / name).is_file():
            raise DataError(
                f"{weights} has no {name}; a model is the folders tokenizer and predictor with both files each"
            )
    return [*NEEDED, *([LEARNT] if (weights / LEARNT).is_file() else [])]


def _from_folder(source: Path, target: Path) -> Mapping[str, Any]:
    """A folder of weights, or of a finished training run (`tokenizer/best`)."""
    best = source / "tokenizer" / "best"
    for name in NEEDED:
        stage, leaf = name.split("/")
        origin = source / stage / "best" / leaf if best.is_dir() else source / name
        if not origin.is_file():
            raise DataError(
                f"{source} has no {name}; a model is the folders tokenizer and predictor with both files each"
            )
        (target / stage).mkdir(exist_ok=True)
        shutil.copyfile(origin, target / name)
    if (source / LEARNT).is_file():
        shutil.copyfile(source / LEARNT, target / LEARNT)
    return {}


def _from_archive(file: Path, target: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise DataError(f"there is no file or folder {file} to import")
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            missing = [name for name in (RECORD, *NEEDED) if name not in names]
            if missing:
                raise DataError(f"{file} is no exported model version: it lacks {', '.join(missing)}")
            record = _read_record(archive, file)
            for name in (*NEEDED, *([LEARNT] if LEARNT in names else [])):
                _extract(archive, name, target / name, file)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise DataError(
            f"{file} is damaged or no exported model version ({error}); export it again"
        ) from error
    found = content_hash_of(target)
    if record["content_hash"] != found:
        raise DataError(
            f"{file} holds weights with the hash {found[:12]}, its record says {str(record['content_hash'])[:12]}; "
            "it was changed or damaged: export it again"
        )
    return record


def _read_record(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    if archive.getinfo(RECORD).file_size > _LARGEST_RECORD:
        raise DataError(f"{file}: its {RECORD} is too large to be one")
    try:
        record = json.loads(archive.read(RECORD))
    except ValueError as error:
        raise DataError(f"{file}: its {RECORD} is not JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("content_hash"), str):
        raise DataError(f"{file}: its {RECORD} names no content_hash, so the weights cannot be checked")
    return record


def _extract(archive: zipfile.ZipFile, name: str, target: Path, file: Path) -> None:
    """Copy one member, whose name is one of ours, bit by bit."""
    size = archive.getinfo(name).file_size
    if size > _LARGEST_WEIGHTS:
        raise DataError(f"{file}: {name} has {size} bytes, more than any model")
    target.parent.mkdir(exist_ok=True)
    with archive.open(name) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, _PIECE)


def _move_whole(draft: Path, target: Path) -> None:
    """Rename; where another process was first, its equal copy stays."""
    try:
        draft.replace(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(draft, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder of models {folder} cannot be made: {error.strerror}; set KOKEX_HOME"
        ) from error

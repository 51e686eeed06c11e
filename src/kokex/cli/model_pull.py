"""Published weights: fetched where there is a network, explained where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from kokex.adapters.model_libraries import FORECASTING, require_libraries
from kokex.cli.output import note
from kokex.domain.errors import ConfigurationError, DataError

PUBLISHED: Final = {
    "mini": ("NeoQuasar/Kronos-mini", "NeoQuasar/Kronos-Tokenizer-2k"),
    "small": ("NeoQuasar/Kronos-small", "NeoQuasar/Kronos-Tokenizer-base"),
    "base": ("NeoQuasar/Kronos-base", "NeoQuasar/Kronos-Tokenizer-base"),
}
"""Name -> hub ids of predictor and tokenizer."""
FILES: Final = ("config.json", "model.safetensors")


def pull_published(published: Path, name: str) -> Path:
    """Fetch a published model into `published/name`, whole and checked or not at all; the folder.

    What is there already is checked and left, or fetched again where it is damaged. An interrupted download goes on.

    Raises:
        ConfigurationError: an unknown name; no network, or the hub has not what it should, with what to do instead.
    """
    if name not in PUBLISHED:
        raise ConfigurationError(f"{name!r} is no published model; choose one of {', '.join(PUBLISHED)}")
    require_libraries(FORECASTING)
    from kokex.adapters.kronos_forecaster import KronosModelForecaster  # noqa: PLC0415 - torch

    folder = published / name
    if all((folder / stage / file).is_file() for stage in ("predictor", "tokenizer") for file in FILES):
        try:
            KronosModelForecaster(folder, name)
        except DataError as error:
            note(f"{error}; it is fetched again.")
        else:
            return folder
    published.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}-", dir=published) as staging:
        draft = Path(staging) / name
        for stage, paths in _fetched(name, folder).items():
            (draft / stage).mkdir(parents=True)
            for path in paths:
                shutil.copyfile(path, draft / stage / path.name)
        try:
            KronosModelForecaster(draft, name)
        except DataError as error:
            raise ConfigurationError(
                f"what the hub has as Kronos {name} cannot be used, nothing of it was kept: "
                f"{str(error).replace(str(draft), name)}"
            ) from error
        if folder.exists():
            shutil.rmtree(folder)
        draft.replace(folder)
    return folder


def _fetched(name: str, folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of both stages, in the hub's own cache."""
    from kokex.kronos.errors import WeightsError  # noqa: PLC0415 - torch
    from kokex.kronos.weights import locate  # noqa: PLC0415

    predictor, tokenizer = PUBLISHED[name]
    try:
        return {"predictor": locate(predictor), "tokenizer": locate(tokenizer)}
    except WeightsError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ConfigurationError(
            f"Kronos {name} cannot be fetched from here ({reason}); try again, or on a machine with a network download "
            f"{FILES[0]} and {FILES[1]} of {predictor} into {folder / 'predictor'} and of {tokenizer} into "
            f"{folder / 'tokenizer'}, or point at any folder laid out so: kokex forecast PLAN --model FOLDER"
        ) from error

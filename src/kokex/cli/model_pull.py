"""Published weights: fetched where there is a network, explained where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from kokex.adapters.model_libraries import require_libraries
from kokex.domain.errors import ConfigurationError

PUBLISHED: Final = {
    "mini": ("NeoQuasar/Kronos-mini", "NeoQuasar/Kronos-Tokenizer-2k"),
    "small": ("NeoQuasar/Kronos-small", "NeoQuasar/Kronos-Tokenizer-base"),
    "base": ("NeoQuasar/Kronos-base", "NeoQuasar/Kronos-Tokenizer-base"),
}
"""Name -> hub ids of predictor and tokenizer."""
FILES: Final = ("config.json", "model.safetensors")


def pull_published(published: Path, name: str) -> Path:
    """Fetch a published model into `published/name`; the folder.

    Raises:
        ConfigurationError: an unknown name; or no network, with what to do instead.
    """
    if name not in PUBLISHED:
        raise ConfigurationError(f"{name!r} is no published model; choose one of {', '.join(PUBLISHED)}")
    folder = published / name
    if all((folder / stage / file).is_file() for stage in ("predictor", "tokenizer") for file in FILES):
        return folder
    require_libraries(("torch", "safetensors"))
    from kokex.kronos.errors import WeightsError  # noqa: PLC0415 - torch, only when something is fetched
    from kokex.kronos.weights import locate  # noqa: PLC0415

    predictor, tokenizer = PUBLISHED[name]
    try:
        found = {"predictor": locate(predictor), "tokenizer": locate(tokenizer)}
    except WeightsError as error:
        raise ConfigurationError(
            f"Kronos {name} cannot be fetched from here ({error.__class__.__name__}); on a machine with a network download "
            f"{FILES[0]} and {FILES[1]} of {predictor} into {folder / 'predictor'} and of {tokenizer} into "
            f"{folder / 'tokenizer'}, or point at any folder laid out so: kokex forecast PLAN --model FOLDER"
        ) from error
    for stage, paths in found.items():
        (folder / stage).mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copyfile(path, folder / stage / path.name)
    return folder

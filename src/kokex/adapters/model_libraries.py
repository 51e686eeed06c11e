"""Whether the libraries that models need are installed, told without importing them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from kokex.domain.errors import ConfigurationError

FORECASTING: Final = ("torch", "safetensors")
TRAINING: Final = (*FORECASTING, "lightning", "pandas", "scipy", "tensorboard")
EVALUATING: Final = (*TRAINING, "arch", "matplotlib")


def missing_libraries(names: tuple[str, ...] = EVALUATING) -> list[str]:
    """Those of `names` that are not installed."""
    return [name for name in names if find_spec(name) is None]


def require_libraries(names: tuple[str, ...] = EVALUATING) -> None:
    """Raise `ConfigurationError` where one of `names` is not installed, with the sentence that helps."""
    missing = missing_libraries(names)
    if missing:
        raise ConfigurationError(
            f"models need {', '.join(missing)}, which this installation does not have; "
            "`make up` (or `make test`) in the checkout sets it up, or install kokex with its extra: kokex[model]"
        )

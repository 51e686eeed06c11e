"""Checkpoints in the Hugging Face layout: a folder, or a hub id, with ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kokex.kronos.errors import (
    ConfigError,
    HubUnavailableError,
    WeightsMismatchError,
    WeightsNotFoundError,
    WeightsUnreadableError,
)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
NAMED_AT_MOST = 5
KNOCK_SECONDS = 10.0


class Config(Protocol):
    """What a checkpoint's configuration can do."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from the content of ``config.json``."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The content of ``config.json``."""
        ...


ConfigT = TypeVar("ConfigT", bound=Config)


class Checkpoint(Generic[ConfigT]):
    """Loading and saving for a module that is built from one configuration."""

    config_class: ClassVar[type[Any]]
    config: ConfigT

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str], *, revision: str | None = None) -> Self:
        """Load from a folder or a hub id such as ``NeoQuasar/Kronos-small``. The module is in eval mode.

        Args:
            source: a folder with ``config.json`` and ``model.safetensors``, or a hub id.
            revision: branch, tag or commit on the hub; unused for a folder.

        Raises:
            WeightsNotFoundError, WeightsUnreadableError, WeightsMismatchError, HubUnavailableError, ConfigError.
        """
        config_path, weights_path = locate(source, revision)
        config = cls.config_class.from_dict(_read_json(config_path))
        with _WithoutStartingValues():
            module = cls(config)  # type: ignore[call-arg]
        load_weights(cast(nn.Module, module), weights_path)
        cast(nn.Module, module).eval()
        return module

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors``; a reader never sees half a file."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        state = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in cast(nn.Module, self).state_dict().items()
        }
        with tempfile.TemporaryDirectory(dir=target) as staging:
            save_file(state, Path(staging, WEIGHTS_FILE), metadata={"format": "pt"})
            Path(staging, CONFIG_FILE).write_text(json.dumps(self.config.to_dict(), indent=1) + "\n")
            for name in (WEIGHTS_FILE, CONFIG_FILE):
                Path(staging, name).replace(target / name)


class _WithoutStartingValues(TorchFunctionMode):
    """Build modules without drawing weights that are about to be replaced.

    Not by the ``meta`` device, whose arithmetic imports torch's compiler: 1.7 seconds for nothing.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        draws = func is Tensor.normal_ or getattr(func, "__module__", "") == "torch.nn.init"
        return None if draws else func(*args, **(kwargs or {}))


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a module from a safetensors file, as float32; names and shapes must be the module's own.

    Raises:
        WeightsUnreadableError, WeightsMismatchError.
    """
    stored = _read_tensors(path)
    expected = module.state_dict()
    _check_names(path, set(expected), set(stored))
    wrong = [name for name in expected if stored[name].shape != expected[name].shape]
    if wrong:
        name = wrong[0]
        raise WeightsMismatchError(
            f"{path}: {name} has shape {tuple(stored[name].shape)}, {CONFIG_FILE} describes "
            f"{tuple(expected[name].shape)} ({len(wrong)} of {len(expected)} tensors differ); "
            "use the config.json that belongs to these weights"
        )
    # Copies, because a tensor that maps the file would change with the file.
    own = {name: _as_float32(tensor).clone() for name, tensor in stored.items()}
    module.load_state_dict(own, assign=True)


def locate(source: str | os.PathLike[str], revision: str | None = None) -> tuple[Path, Path]:
    """Paths of ``config.json`` and ``model.safetensors``, fetched first if ``source`` is a hub id."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                raise WeightsNotFoundError(f"{folder} has no {name}; a checkpoint folder holds both files")
        return folder / CONFIG_FILE, folder / WEIGHTS_FILE
    text = os.fspath(source)
    if not HUB_ID.fullmatch(text):
        raise WeightsNotFoundError(f"{text!r} is neither a folder nor a hub id (owner/name)")
    return _fetch(text, CONFIG_FILE, revision), _fetch(text, WEIGHTS_FILE, revision)


def _fetch(hub_id: str, name: str, revision: str | None) -> Path:
    advice = (
        f"download {CONFIG_FILE} and {WEIGHTS_FILE} of {hub_id} on a machine that can, "
        "put them into one folder, and give that folder's path instead"
    )
    try:
        from huggingface_hub import constants, hf_hub_download  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise HubUnavailableError(
            f"{hub_id!r} is no folder here, and fetching it from the hub needs the package huggingface_hub; "
            f"install it, or {advice}"
        ) from error
    unreachable = _unreachable(constants.ENDPOINT)
    errors: tuple[type[Exception], ...] = (OSError, ValueError, *_network_errors())
    try:
        return Path(
            hf_hub_download(hub_id, name, revision=revision, local_files_only=unreachable is not None)
        )
    except errors as error:
        reason = unreachable or error
        raise HubUnavailableError(f"{name} of {hub_id!r} could not be fetched ({reason}); {advice}") from (
            unreachable or error
        )


def _unreachable(endpoint: str) -> OSError | None:
    """Why the hub cannot be reached; None where it can, or where only a proxy knows. Its package would try for half a minute."""
    address = urlsplit(endpoint)
    if address.hostname is None or address.scheme in getproxies():
        return None
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname, port), timeout=KNOCK_SECONDS).close()
    except OSError as error:
        return error
    return None


def _network_errors() -> tuple[type[Exception], ...]:
    """What the hub's package lets through when a connection breaks: its HTTP client's errors, whichever client that is."""
    try:
        from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415  (optional)
    except ImportError:
        return ()
    return tuple(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, not an object")
    return values


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsUnreadableError(
            f"{path} ({path.stat().st_size} bytes) is truncated or not a safetensors file: {error}; fetch it again"
        ) from error


def _check_names(path: Path, expected: set[str], stored: set[str]) -> None:
    missing, extra = sorted(expected - stored), sorted(stored - expected)
    if missing or extra:
        raise WeightsMismatchError(
            f"{path} does not fit its configuration: missing {_some(missing)}; not expected {_some(extra)}"
        )


def _some(names: list[str]) -> str:
    if not names:
        return "none"
    rest = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + rest


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor

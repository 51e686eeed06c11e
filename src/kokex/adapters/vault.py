"""Encryption of exchange keys at rest: AES-256-GCM, with the key outside the database."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kokex.domain.errors import ConfigurationError

VARIABLE = "KOKEX_SECRET_KEY"
"""Environment variable that overrides the key file: 32 bytes in base64."""

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """Seals and opens small secrets. What was sealed under one name opens under that name alone."""

    def __init__(self, key: bytes, *, source: str = "the key that was given") -> None:
        """Use `key`, 32 bytes. `source` is what messages call it: they never show the key itself.

        Raises:
            ConfigurationError: the key has another length.
        """
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(
                f"the encryption key of {source} has {len(key)} bytes instead of {_KEY_BYTES}; restore the right one"
            )
        self._cipher = AESGCM(key)
        self._source = source

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """The vault of a data folder: its key is `secret.key` there, made on first use; `KOKEX_SECRET_KEY` overrides it.

        Raises:
            ConfigurationError: the key cannot be read, is malformed, or is open to other users.
        """
        given = os.environ.get(VARIABLE)
        if given is not None:
            return cls(_decode(given, VARIABLE), source=VARIABLE)
        path = Path(folder).expanduser() / "secret.key"
        try:
            if not path.exists():
                _create(path)
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigurationError(
                    f"the key file {path} is open to other users; run: chmod 600 '{path}'"
                )
            return cls(_decode(path.read_text(), str(path)), source=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the key file {path} cannot be used: {error}") from error

    def __repr__(self) -> str:
        return f"Vault({self._source})"

    def seal(self, secret: bytes, name: str) -> bytes:
        """Encrypt `secret`, bound to `name`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def unseal(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under `name`.

        Raises:
            ConfigurationError: it was sealed with another key or under another name, or was altered.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError(
                f"the keys of account {name!r} do not open with the encryption key of {self._source}; "
                "restore the key they were kept with, or add the account again"
            ) from error


def _create(path: Path) -> None:
    """Write a new key, whole or not at all; where another process was first, its key stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".secret.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _decode(text: str, source: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(
            f"the encryption key of {source} is not base64; restore the right one"
        ) from error

"""Keys at rest: sealed, bound to their name, and safe from the wrong key."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kokex.adapters.vault import VARIABLE, Vault
from kokex.domain.errors import ConfigurationError


def test_opens_what_it_sealed(tmp_path: Path) -> None:
    """Also through another vault on the same folder; the sealed bytes do not show the secret."""
    sealed = Vault.open(tmp_path).seal(b"top secret", "main")

    assert b"secret" not in sealed
    assert Vault.open(tmp_path).unseal(sealed, "main") == b"top secret"


def test_same_secret_never_looks_the_same(tmp_path: Path) -> None:
    """A fresh nonce each time."""
    vault = Vault.open(tmp_path)

    assert vault.seal(b"x", "main") != vault.seal(b"x", "main")


def test_bound_to_its_name(tmp_path: Path) -> None:
    """One account's row cannot stand in for another's."""
    vault = Vault.open(tmp_path)

    with pytest.raises(ConfigurationError, match="'other'"):
        vault.unseal(vault.seal(b"x", "main"), "other")


def test_altered_bytes(tmp_path: Path) -> None:
    """Nothing comes out of what was changed or cut short."""
    vault = Vault.open(tmp_path)
    sealed = vault.seal(b"x", "main")

    for altered in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:14], b""):
        with pytest.raises(ConfigurationError):
            vault.unseal(altered, "main")


def test_wrong_key_names_the_file_and_not_the_key(tmp_path: Path) -> None:
    """What to restore, without what it holds."""
    sealed = Vault.open(tmp_path / "one").seal(b"x", "main")
    key_file = tmp_path / "two" / "secret.key"

    with pytest.raises(ConfigurationError) as caught:
        Vault.open(tmp_path / "two").unseal(sealed, "main")

    assert str(key_file) in str(caught.value)
    assert key_file.read_text().strip() not in str(caught.value)


def test_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Made so, and refused otherwise."""
    Vault.open(tmp_path)
    path = tmp_path / "secret.key"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Vault.open(tmp_path)


def test_first_use_by_many_at_once(tmp_path: Path) -> None:
    """All end up with the one key."""
    with ThreadPoolExecutor(8) as threads:
        vaults = list(threads.map(lambda _: Vault.open(tmp_path), range(16)))

    sealed = vaults[0].seal(b"x", "main")
    assert all(vault.unseal(sealed, "main") == b"x" for vault in vaults)


def test_key_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It overrides the file, which is not made then."""
    monkeypatch.setenv(VARIABLE, base64.b64encode(b"k" * 32).decode())

    sealed = Vault.open(tmp_path).seal(b"x", "main")

    assert Vault(b"k" * 32).unseal(sealed, "main") == b"x"
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("value", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_malformed_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The variable is named, its value is not shown."""
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(ConfigurationError, match=VARIABLE) as caught:
        Vault.open(tmp_path)

    assert not value or value not in str(caught.value)

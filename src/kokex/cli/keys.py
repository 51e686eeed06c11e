"""Where an account's keys come from: the environment, standard input or a prompt. Never the command line, which others can read."""

from __future__ import annotations

import getpass
import os
import sys

from kokex.domain.errors import ConfigurationError

VARIABLES = ("KOKEX_API_KEY", "KOKEX_API_SECRET", "KOKEX_API_PASSPHRASE")
_WORDS = ("API key", "secret", "passphrase")


def read_keys(*, from_stdin: bool) -> tuple[str, str, str]:
    """Key, secret and passphrase.

    Raises:
        ConfigurationError: one is missing or cannot be a key. The message never repeats one.
    """
    if from_stdin:
        found = [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
        if len(found) != len(_WORDS):
            raise ConfigurationError(
                f"standard input holds {len(found)} {'line' if len(found) == 1 else 'lines'}; "
                "three are needed: key, secret, passphrase"
            )
    else:
        found = [os.environ.get(name, "").strip() for name in VARIABLES]
        if any(found) and not all(found):
            missing = ", ".join(name for name, value in zip(VARIABLES, found, strict=True) if not value)
            raise ConfigurationError(
                f"{missing} is not set; set all of {', '.join(VARIABLES)}, or none to be asked"
            )
        if not any(found):
            found = _ask()
    for word, value in zip(_WORDS, found, strict=True):
        if not value:
            raise ConfigurationError(f"the {word} is empty; nothing was kept")
        if not value.isascii() or not value.isprintable():
            raise ConfigurationError(f"the {word} has characters that no key has; nothing was kept")
    key, secret, passphrase = found
    return key, secret, passphrase


def _ask() -> list[str]:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"no keys: set {', '.join(VARIABLES)}, or pass three lines of input with --stdin"
        )
    try:
        return [getpass.getpass(f"{word}: ").strip() for word in _WORDS]
    except EOFError:
        raise ConfigurationError("the keys were not entered; nothing was kept") from None

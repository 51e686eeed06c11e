"""The house's rules that no linter knows: docstrings, file sizes, nothing of one machine in the repository."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

MOST_LINES = 400

# Put together from pieces, so that this file does not name what it forbids.
FORBIDDEN = {
    "a folder of one machine": re.compile(r"(?<![\w.}-])/(" + "|".join(["work", "root"]) + r")/\w"),
    "a home folder": re.compile(r"(?<![\w.}-])/" + r"(home|Users)/[a-z]\w*/"),
    "the choice of a package index": re.compile(
        r"^\s*--(extra-)?index-url|--find-links\s|--trusted-host\s", re.M
    ),
    "the address of a package index": re.compile(r"https?://[^\s'\"]*/simple\b"),
}


def modules(checkout: Path) -> list[Path]:
    """Every Python module of the source."""
    return sorted((checkout / "src").rglob("*.py"))


def tracked_texts(checkout: Path) -> dict[str, str]:
    """Every text file that git tracks, by its path; a skip where this is no git checkout."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=checkout, capture_output=True, check=False
    )
    if listing.returncode:
        pytest.skip("this is not a git checkout, so what is tracked cannot be told")
    texts = {}
    for name in listing.stdout.decode().split("\0"):
        path = checkout / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts[name] = content.decode("utf-8", "replace")
    return texts


def test_every_public_module_says_what_it_is(checkout: Path) -> None:
    """A module whose name has no leading underscore begins with a docstring."""
    silent = [
        str(path.relative_to(checkout))
        for path in modules(checkout)
        if not (path.stem.startswith("_") and path.stem != "__init__")
        and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


def test_files_stay_small(checkout: Path) -> None:
    """A module that outgrows the limit wants to be a package with well-named rooms."""
    sizes = {
        str(path.relative_to(checkout)): len(path.read_text("utf-8").splitlines())
        for path in modules(checkout)
    }
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_repository_knows_no_single_machine(checkout: Path, what: str) -> None:
    """No tracked file names a folder of one machine or a package index: it must work for a stranger."""
    found = [
        f"{name}:{text[: match.start()].count(chr(10)) + 1}: {match.group()}"
        for name, text in tracked_texts(checkout).items()
        for match in FORBIDDEN[what].finditer(text)
    ]
    assert not found

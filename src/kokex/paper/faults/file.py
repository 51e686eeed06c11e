"""A plan of faults from a TOML or JSON file; an error names the line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from kokex.domain.errors import ConfigurationError
from kokex.paper.faults.plan import FaultPlan, FaultPlanError

_TABLE = re.compile(r"^\s*\[\[\s*faults\s*\]\]", re.MULTILINE)
_ANY_TABLE = re.compile(r"^\s*\[", re.MULTILINE)


def read_plan(path: Path) -> FaultPlan:
    """The plan in a file: JSON where its name ends in `.json`, else TOML.

    Raises:
        ConfigurationError: in one sentence with the line, the value and what is possible.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"cannot read the faults file {path}: {reason}") from error
    is_json = path.suffix.lower() == ".json"
    try:
        parsed: Any = json.loads(text) if is_json else tomllib.loads(text)
    except ValueError as error:
        language = "JSON" if is_json else "TOML"
        raise ConfigurationError(f"faults file {path} is not {language}: {error}") from error
    if not isinstance(parsed, dict):
        raise ConfigurationError(f"faults file {path} must be an object with seed and faults")
    try:
        return FaultPlan.from_mapping(parsed)
    except FaultPlanError as error:
        line = _line(text, error, is_json=is_json)
        place = f" line {line}" if line else ""
        raise ConfigurationError(f"faults file {path}{place}: {error}") from error


def _line(text: str, error: FaultPlanError, *, is_json: bool) -> int:
    """Line of the field that is wrong, else of its fault; 0 where it cannot be told."""
    start, end = 0, len(text)
    if error.index is not None:
        spans = _json_spans(text) if is_json else _toml_spans(text)
        if error.index >= len(spans):
            return 0
        start, end = spans[error.index]
    if error.field:
        name = re.escape(error.field)
        pattern = rf'"{name}"\s*:' if is_json else rf'^[ \t]*["\']?{name}["\']?\s*=|\[\[?\s*{name}\s*\]'
        found = re.compile(pattern, re.MULTILINE).search(text, start, end)
        if found is not None:
            return text.count("\n", 0, found.start()) + 1
    return text.count("\n", 0, start) + 1 if error.index is not None else 0


def _toml_spans(text: str) -> list[tuple[int, int]]:
    """Where each `[[faults]]` table lies; none for faults written in one line."""
    spans = []
    for header in _TABLE.finditer(text):
        following = _ANY_TABLE.search(text, header.end())
        start = header.start() + len(header.group()) - len(header.group().lstrip())
        spans.append((start, following.start() if following else len(text)))
    return spans


def _json_spans(text: str) -> list[tuple[int, int]]:
    """Where each item of `faults` lies."""
    opening = re.search(r'"faults"\s*:\s*\[', text)
    spans: list[tuple[int, int]] = []
    if opening is None:
        return spans
    decoder = json.JSONDecoder()
    at = opening.end()
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return spans
        _, end = decoder.raw_decode(text, at)
        spans.append((at, end))
        at = end

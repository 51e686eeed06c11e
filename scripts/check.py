"""Runs the linters, and with `--tests [PYTEST ARGUMENTS]` the tests after them.

A linter that fails does not keep the tests from running, but fails the whole: one run tells everything.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

LINTERS = {
    "ruff check": ["ruff", "check", "--quiet", "."],
    "ruff format": ["ruff", "format", "--check", "--quiet", "."],
    "import contracts": ["lint-imports", "--no-cache", "--no-logo"],
    "mypy": ["mypy", "--no-error-summary"],
}

# Files run whole in one process (their fixtures are shared), in the order that tests/conftest.py gives: slow ones first.
PYTEST = ["-n", "logical", "--dist", "loadfile", "--no-loadscope-reorder", "-q"]


def lint(name: str) -> bool:
    """Run one linter; print one line, and its words where it fails."""
    program, *arguments = LINTERS[name]
    began = time.monotonic()
    result = subprocess.run(
        [str(BIN / program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    fine = result.returncode == 0
    report = f"{'ok    ' if fine else 'FAILED'} {name} ({time.monotonic() - began:.1f} s)"
    words = "" if fine else "\n" + (result.stdout + result.stderr).strip()
    print(report + words, flush=True)
    return fine


def lint_all() -> list[str]:
    """Run all linters, two at a time; names of those that failed."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        fine = list(pool.map(lint, LINTERS))
    return [name for name, passed in zip(LINTERS, fine, strict=True) if not passed]


def run_tests(arguments: list[str]) -> int:
    """Run pytest; its exit code. Ctrl-C reaches pytest too, which ends its workers and reports."""
    with subprocess.Popen([str(BIN / "pytest"), *PYTEST, *arguments], cwd=ROOT) as tests:
        while True:
            try:
                return tests.wait()
            except KeyboardInterrupt:
                continue


def main(arguments: list[str]) -> int:
    """Lint, then test if asked; 0 only if all of it passed."""
    try:
        failed = lint_all()
    except KeyboardInterrupt:
        return 130
    code = run_tests(arguments[1:]) if arguments[:1] == ["--tests"] else 0
    if failed:
        print(f"Linters failed, their words are above the tests: {', '.join(failed)}", file=sys.stderr)
    return code or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Makes or repairs the virtual environment `.venv` of this checkout: `setup_env.py GROUP...`.

Groups: `run` (KOKEX itself), `model` (PyTorch and what Kronos needs), `test` (linters and tests). Each is installed from its
lock file under `requirements/`, exact versions with hashes, by pip, from wherever pip's own configuration says.
What was done is stamped in `.venv/kokex-setup.json`; a second run with the same locks installs nothing.
Standard library only; a moved, broken or half-made `.venv` is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch_build

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "kokex-setup.json"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCKS = ROOT / "requirements"
GROUPS = ("run", "model", "test")
OLDEST = (3, 11)

ADVICE = (
    ("No space left on device", "the disk is full; free some space"),
    (
        "DO NOT MATCH THE HASHES",
        "the index serves other files than the lock names; run `make lock` or mend the index",
    ),
    ("Permission denied", "a file cannot be written; see who owns .venv and this checkout"),
    ("NewConnectionError", "the package index cannot be reached; check the network and pip's configuration"),
    ("NameResolutionError", "the package index cannot be reached; check the network and pip's configuration"),
    (
        "No matching distribution",
        "the package index lacks a locked version for this Python; see pip's words above",
    ),
)


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence for a person."""


def say(text: str, end: str = "\n") -> None:
    """Print progress at once."""
    print(text, end=end, flush=True)


def run_pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's pip in the user's own pip configuration, but never outside `.venv`."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PIP_TARGET", "PIP_PREFIX")}
    environ["PIP_USER"] = "0"
    command = [str(PYTHON), "-I", "-m", "pip", *arguments, "--no-input", "--disable-pip-version-check"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def pip_install(what: str, *arguments: str) -> None:
    """Install, or raise SetupError with the end of what pip said above it."""
    result = run_pip("install", "--quiet", *arguments)
    if result.returncode:
        output = result.stdout + result.stderr
        say("\n" + "\n".join(output.strip().splitlines()[-15:]))
        advice = next((text for sign, text in ADVICE if sign in output), "pip's words above say why")
        raise SetupError(f"could not install {what}: {advice}; then run the same command again")


def python_version() -> str | None:
    """Version of the environment's Python as `3.11`, or None where it does not run or has no pip."""
    code = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([str(PYTHON), "-I", "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def read_stamp() -> dict[str, Any]:
    """What earlier runs did; empty where there is no readable stamp."""
    try:
        stamp = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, Any]) -> None:
    """Replace the stamp in one step."""
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(stamp, indent=2) + "\n", "utf-8")
    fresh.replace(STAMP)


def flaw(stamp: dict[str, Any]) -> str | None:
    """Why `.venv` must be made anew, or None where it is sound."""
    version = python_version()
    if version is None:
        return "its Python does not run"
    if tuple(int(part) for part in version.split(".")) < OLDEST:
        return f"its Python is {version}"
    if not stamp:
        return None if made_here() else "it is half made or was moved"
    made_for = (stamp.get("path"), stamp.get("python"))
    if made_for != (str(VENV), version):
        return f"it was made as {made_for[0]} with Python {made_for[1]}"
    return f"installing {stamp['installing']} was interrupted" if "installing" in stamp else None


def made_here() -> bool:
    """Whether a `.venv` without a stamp was made in this folder: its pip script says where it lies."""
    pip = PYTHON.with_name("pip")
    return pip.exists() and str(PYTHON.parent) in pip.read_text("utf-8", "replace")


def make_venv() -> None:
    """Create `.venv` from nothing."""
    say(f"  making .venv with Python {sys.version.split()[0]} ...", end="")
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError as error:
        raise SetupError(
            f"this Python has no module {error.name}; install it (on Debian and Ubuntu the package python3-venv)"
        ) from error
    base = getattr(sys, "_base_executable", None) or sys.executable
    result = subprocess.run(
        [base, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        say("\n" + (result.stdout + result.stderr).strip())
        raise SetupError(f"could not make {VENV}: the words above say why; remove it, or see who owns it")
    say(" done")


def digests() -> dict[str, str]:
    """What each step is made from, as a hash."""
    sources = {
        "tools": [LOCKS / "tools.txt"],
        "run": [LOCKS / "run.txt"],
        "project": [ROOT / "pyproject.toml"],
        "model": [LOCKS / "model.txt", LOCKS / "torch.txt"],
        "test": [LOCKS / "test.txt"],
    }
    return {
        step: hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
        for step, paths in sources.items()
    }


def due(groups: list[str], stamp: dict[str, Any]) -> list[str]:
    """Steps that are still to be done, in order."""
    steps = ["tools", "run", "project", *(group for group in ("model", "test") if group in groups)]
    done, now = stamp.get("done", {}), digests()
    left = [step for step in steps if done.get(step) != now[step]]
    asked = torch_build.variant_asked()
    if "model" in groups and "model" not in left and asked and asked != stamp.get("torch"):
        left.append("model")
    return left


def install(step: str, stamp: dict[str, Any]) -> None:
    """Install what a step names: exact versions, hashes checked, nothing beside them."""
    if step == "project":
        pip_install("KOKEX itself", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        return
    lock = LOCKS / f"{step}.txt"
    pip_install(f"the packages of requirements/{lock.name}", "--require-hashes", "--no-deps", "-r", str(lock))
    if step == "model":
        install_torch(stamp)


def install_torch(stamp: dict[str, Any]) -> None:
    """Install the build of PyTorch that suits this machine, and remember which."""
    pin = ("-r", str(LOCKS / "torch.txt"))

    def ask_pip(options: list[str]) -> str | None:
        dry = ("install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-")
        result = run_pip(*dry, *options, *pin)
        return result.stdout if result.returncode == 0 else None

    try:
        variant, options = torch_build.choose(os.environ, ask_pip)
    except torch_build.NoBuildError as error:
        raise SetupError(str(error)) from error
    if variant == "cpu":
        options = ["--no-deps", *options]
    if stamp.get("torch", variant) != variant:
        options = ["--force-reinstall", *options]
    pip_install(f"PyTorch ({variant})", *options, *pin)
    stamp["torch"] = variant


def do_step(step: str, stamp: dict[str, Any]) -> None:
    """Do one step, saying so; the stamp tells the next run if this one is interrupted."""
    if step == "project":
        what = "KOKEX itself, editable"
    else:
        count = (LOCKS / f"{step}.txt").read_text("utf-8").count("==")
        what = f"{count} locked packages" + (" and PyTorch" if step == "model" else "")
    say(f"  {step}: {what} ...", end="")
    began = time.monotonic()
    write_stamp({**stamp, "installing": step})
    try:
        install(step, stamp)
    except SetupError:
        write_stamp(stamp)  # pip gave up in good order: what is installed is whole
        raise
    stamp["done"][step] = digests()[step]
    write_stamp(stamp)
    say(f" {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold this checkout's set-up lock; a second set-up waits for the first."""
    if os.name == "nt":
        yield
        return
    import fcntl  # noqa: PLC0415

    folder = os.open(LOCKS, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another set-up of this checkout is running; waiting for it.")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def set_up(groups: list[str]) -> None:
    """Bring `.venv` to where these groups are installed."""
    stamp = read_stamp()
    wrong = flaw(stamp)
    if wrong is None and not due(groups, stamp):
        return
    say(f"Setting up {VENV} ({', '.join(groups)}); this takes some minutes the first time.")
    if wrong is not None:
        if VENV.exists():
            say(f"  .venv is made anew: {wrong}")
        make_venv()
        stamp = {}
    if not stamp:
        stamp = {"path": str(VENV), "python": python_version(), "done": {}}
    for step in due(groups, stamp):
        do_step(step, stamp)
    say("Set-up done.")


def main(arguments: list[str]) -> int:
    """Set up the groups named; exit code 0, 1 (one sentence says why) or 130 (Ctrl-C)."""
    unknown = [name for name in arguments if name not in GROUPS]
    try:
        if sys.version_info < OLDEST:
            raise SetupError(f"KOKEX needs Python 3.11 or newer, this is {sys.version.split()[0]}")
        if unknown or not arguments:
            raise SetupError(f"name one or more of {', '.join(GROUPS)}, not {unknown or 'nothing'}")
        with alone():
            set_up(arguments)
    except SetupError as error:
        print(f"\nSet-up failed: {error}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nSet-up failed: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; the same command starts it again.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Remakes the lock files under `requirements/` from pyproject.toml: `lock.py [--upgrade]`.

The files are layers: each holds what its group needs beyond the layers before it, so installing them one after another never
changes a version. PyTorch and what its CUDA build brings are left out; `requirements/torch.txt` pins it.
Without `--upgrade`, versions that still fit stay.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
TOOLS = ["pip", "setuptools>=77"]
NOT_LOCKED = re.compile(r"(torch|triton|(nvidia|cuda)-.*)$")
HEADER = "# {what}. Made by `make lock`; do not edit.\n"


def layers() -> dict[str, tuple[str, list[str]]]:
    """Each layer's name, what it is for, and what it asks for; in order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    table = project["project"]
    return {
        "tools": ("What installs the rest", TOOLS),
        "run": ("What KOKEX needs to run", table["dependencies"]),
        "model": (
            "What Kronos needs besides PyTorch",
            [*table["optional-dependencies"]["model"], (LOCKS / "torch.txt").read_text("utf-8").split()[-1]],
        ),
        "test": (
            "What the linters, the tests and `make lock` need",
            [*project["dependency-groups"]["test"], "pip-tools"],
        ),
    }


def blocks(lock: str) -> dict[str, str]:
    """The lock's entries (requirement, hashes, reasons) by package name."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    return {
        re.split(r"[=\[ ;]", entry, maxsplit=1)[0]: re.sub(r"^#.*\n", "", entry, flags=re.M)
        for entry in entries
    }


def resolve(asked: list[str], before: dict[str, str], own: str, *, upgrade: bool) -> dict[str, str]:
    """Resolve a layer with the earlier layers' versions held; every entry of the result."""
    with tempfile.TemporaryDirectory() as folder:
        source, held, out = (Path(folder, name) for name in ("pyproject.in", "held.txt", "out.txt"))
        source.write_text("\n".join(asked), "utf-8")
        pins = [entry.split(" \\")[0] for entry in before.values()]
        held.write_text("\n".join(pins), "utf-8")
        out.write_text("\n".join([*before.values(), own]), "utf-8")
        options = ["--generate-hashes", "--allow-unsafe", "--strip-extras", "--quiet", "--no-header"]
        options += [
            "--no-emit-index-url",
            "--no-emit-trusted-host",
            "--no-emit-find-links",
            "--no-emit-options",
        ]
        options += ["--upgrade"] if upgrade else []
        command = [
            sys.executable,
            "-m",
            "piptools",
            "compile",
            *options,
            "-c",
            str(held),
            "-o",
            str(out),
            str(source),
        ]
        subprocess.run(command, check=True, cwd=ROOT)
        text = out.read_text("utf-8")
    text = text.replace(f"-r {source}", "kokex (pyproject.toml)")
    return blocks(re.sub(rf"^ +#.* -c {re.escape(str(held))}\n", "", text, flags=re.M))


def main() -> int:
    """Remake all locks; exit code of the first resolution that fails."""
    upgrade = "--upgrade" in sys.argv[1:]
    before: dict[str, str] = {}
    for name, (what, asked) in layers().items():
        path = LOCKS / f"{name}.txt"
        print(f"locking {name} ...", flush=True)
        own = path.read_text("utf-8") if path.exists() else ""
        try:
            found = resolve(asked, before, own, upgrade=upgrade)
        except subprocess.CalledProcessError as error:
            print(f"could not lock {name}: pip-compile's words above say why", file=sys.stderr)
            return error.returncode
        fresh = {
            key: entry for key, entry in found.items() if key not in before and not NOT_LOCKED.match(key)
        }
        path.write_text(HEADER.format(what=what) + "".join(fresh.values()), "utf-8")
        before |= fresh
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Many runs: `python -m tests.simulation --runs 10000 --jobs 2`. What is done is kept in a file, so it goes on where it stopped."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.simulation.many import many, one


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many seeds (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes at once (default: one a core)"
    )
    parser.add_argument(
        "--file", type=Path, default=Path("build/simulation.jsonl"), help="where outcomes are kept"
    )
    parser.add_argument("--seed", type=int, help="only this one, with its log")
    parser.add_argument(
        "--shrink", action="store_true", help="with --seed: find a smaller scenario that fails as well"
    )
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return one(arguments.seed, smaller=arguments.shrink)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    return many(arguments.first, arguments.runs, arguments.jobs, arguments.file)


if __name__ == "__main__":
    sys.exit(main())

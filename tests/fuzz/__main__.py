"""Mutate inputs of the parsers for some time.

    python -m tests.fuzz [--seconds 600] [--target NAME] [--seed N]

Each target runs in a process with 2 GiB of memory beside its libraries; an input that takes over 5 s of
processor time is a fault, too. What is found is written to tests/fuzz/found/TARGET/, where the tests try it
from then on. Exit code 1 if anything was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys

from tests.fuzz.running import FOUND, fuzz
from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run the targets one after the other, and print what was tried and found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="for each target")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="repeatable; else all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failed = False
    for name in arguments.target or TARGETS:
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=fuzz, args=(name, arguments.seconds, arguments.seed))
        child.start()
        child.join()
        failed = failed or child.exitcode != 0
        if child.exitcode not in (0, 1):
            print(f"{name}: the process ended with {child.exitcode}; see {FOUND / name / 'last'}")  # noqa: T201
    sys.exit(failed)


if __name__ == "__main__":
    main()

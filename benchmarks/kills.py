"""Kill a stage at random moments, over and over, and see that nothing is torn and the end is the same.

    python -m benchmarks.kills [--stage all] [--times 50] [--set KEY=VALUE] [--seed 0] [--json]

In a folder of its own the pipeline of a small sample runs to its end once. Then each stage is started and
killed by SIGKILL, with all its children, at a random moment of its run. After each kill every result is as
it was, or absent for the moment between two renames; after the last one the stage runs to its end: results
have the same bytes as at first and no temporary file is left. `train` begins anew before its kills, and goes
on from its checkpoints after each.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive
from ferflow.errors import DataError
from ferflow.profiles import write_profile

STAGES = ("download", "face-filter", "split", "train", "evaluate")
_SMALL = ("download.sample_images=210", "train.epochs=3", "model.widths=[8, 16]", "model.depths=[1, 1]")
_PROFILES = Path(__file__).resolve().parents[1] / "profiles"
# Results of the stages; the reports beside them hold times.
_RESULTS = ("data/raw", "data/filtered", "data/split", "models/model.keras", "reports/metrics.json")

Digests = dict[str, str]


@dataclass
class Tally:
    """What became of the starts of a stage.

    Attributes:
        killed: Starts that were killed before their end.
        ended: Starts that were faster than the kill.
        absent: Kills between two renames: a result was away until the next start.
        torn: Results that were neither whole nor absent.
    """

    killed: int = 0
    ended: int = 0
    absent: int = 0
    torn: list[str] = field(default_factory=list)


def main() -> None:
    """Kill and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="all")
    parser.add_argument("--times", type=positive, default=50, help="kills of each stage")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people(), tempfile.TemporaryDirectory(prefix="ferflow-kills-") as folder:
        result = measure(Path(folder), arguments)
    for stage, found in result["stages"].items():
        print(
            f"{stage}: {found['killed']} kills, {found['ended']} ends before the kill, "
            f"{found['absent']} times a result was away, {len(found['torn'])} torn; "
            f"equal at the end: {found['equal']}"
        )
    finish(result, arguments)
    if not all(found["equal"] and not found["torn"] for found in result["stages"].values()):
        sys.exit("error: a result was torn, or is another one at the end")


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the pipeline once, then kill its stages.

    Raises:
        DataError: A stage that nobody kills fails.
    """
    write_profile("sample", [*_SMALL, *arguments.changes], profiles=_PROFILES, target=folder / "params.yaml")
    seconds = {stage: _run_to_the_end(folder, stage) for stage in STAGES}
    whole = _digests(folder)
    chance = random.Random(arguments.seed)  # noqa: S311 (moments, no secrets)
    stages = STAGES if arguments.stage == "all" else (arguments.stage,)
    found = {}
    for stage in stages:
        tally = _kill(folder, stage, whole, arguments.times, seconds[stage], chance)
        _run_to_the_end(folder, stage)
        found[stage] = {**vars(tally), "equal": _is_as_at_first(folder, whole)}
    return {"times": arguments.times, "stages": found}


def _kill(
    folder: Path, stage: str, whole: Digests, times: int, seconds: float, chance: random.Random
) -> Tally:
    """Start a stage and kill it until it was killed so many times."""
    tally = Tally()
    missing: set[str] = set()
    if stage == "train":
        missing = {"models/model.keras"}
        _forget_training(folder)
    while tally.killed < times:
        is_killed = _start_and_kill(folder, stage, chance.uniform(0, seconds))
        tally.killed += is_killed
        tally.ended += not is_killed
        if stage == "train" and not is_killed:
            _forget_training(folder)
            continue
        now = _digests(folder)
        absent = {name for name in whole.keys() - now.keys() if name not in missing}
        tally.absent += bool(absent)
        tally.torn += [name for name in now if now[name] != whole.get(name)]
    return tally


def _start_and_kill(folder: Path, stage: str, after: float) -> bool:
    """Returns whether the stage was still running."""
    process = subprocess.Popen(
        _command(stage), cwd=folder, env=_environment(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def _run_to_the_end(folder: Path, stage: str) -> float:
    started = time.monotonic()
    done = subprocess.run(
        _command(stage), cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(f"{stage}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - started


def _is_as_at_first(folder: Path, whole: Digests) -> bool:
    return _digests(folder) == whole and not [*folder.rglob("*.tmp-*")]


def _forget_training(folder: Path) -> None:
    (folder / "models" / "model.keras").unlink(missing_ok=True)
    shutil.rmtree(folder / ".ferflow" / "checkpoints", ignore_errors=True)


def _digests(folder: Path) -> Digests:
    """SHA-256 of every result, by its path; of what lies below temporary names, none."""
    files = [
        path
        for name in _RESULTS
        for path in ((folder / name).rglob("*") if (folder / name).is_dir() else [folder / name])
        if path.is_file()
    ]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _command(stage: str) -> list[str]:
    return [sys.executable, "-m", "ferflow", stage]


def _environment() -> dict[str, str]:
    return os.environ | {"FERFLOW_TRACKING": "off"}


if __name__ == "__main__":
    main()

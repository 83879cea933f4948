"""The sweep with pruning, without it, and random search, at equal compute.

    python -m benchmarks.sweep --split data/split --folder sweep/    # FER-2013, 60 processor minutes each way
    python -m benchmarks.sweep --reduced                             # on drawn faces, some minutes

Each way runs `ferflow tune` in a folder of its own until its processes have had the same number of processor
minutes, and goes on where it was stopped. They are compared after the same number of epochs, too.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.runs import add_result_flags, drawn_faces, errors_for_people, finish, positive, usable_cores
from ferflow.data.store import read_csv
from ferflow.files import write_json
from ferflow.profiles import change_values, write_profile
from ferflow.reporting.figure import BLUE, GREY, ORANGE, save_figure

_PROFILES = Path(__file__).resolve().parents[1] / "profiles"
_WAYS = {
    "pruning": {"tune.sampler": "tpe", "tune.pruner": "successive_halving"},
    "no pruning": {"tune.sampler": "tpe", "tune.pruner": "none"},
    "random search": {"tune.sampler": "random", "tune.pruner": "none"},
}
_COLOURS = {"pruning": ORANGE, "no pruning": BLUE, "random search": GREY}
# Profile cpu with smaller images, a smaller network and fewer epochs, so that an hour holds some trials.
_FER2013 = {
    "model.image_size": 32,
    "model.widths": [16, 32, 64],
    "model.depths": [1, 1, 1],
    "train.epochs": 12,
    "train.warmup_epochs": 1.0,
    "train.precision": "float32",
    "tune.pruner_epochs": 2,
}
_REDUCED = {"model.widths": [4], "model.depths": [1], "train.epochs": 6, "tune.pruner_epochs": 2}
_MANY = 10_000
_PR_SET_CHILD_SUBREAPER = 36
_USED = "processor_seconds.json"
# Of the budget; a rest is not worth another start.
_SMALLEST_REST = 0.02


def main() -> None:
    """Run the three ways and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=Path, help="what the split stage wrote; without it, drawn faces")
    parser.add_argument("--minutes", type=positive, default=60, help="processor minutes of each way")
    parser.add_argument("--jobs", type=positive, default=usable_cores(), help="trials at the same time")
    parser.add_argument("--trials", type=positive, default=_MANY, help="at most so many trials of each way")
    parser.add_argument("--reduced", action="store_true", help="a tiny network, two trials of each way")
    parser.add_argument("--folder", type=Path, help="of the three sweeps (default: a temporary one)")
    add_result_flags(parser)
    arguments = parser.parse_args()
    _adopt_orphans()
    with errors_for_people(), tempfile.TemporaryDirectory() as name:
        folder = (arguments.folder or Path(name)).resolve()
        split = (arguments.split or drawn_faces(folder / "drawn")).resolve()
        trials = 2 if arguments.reduced else arguments.trials
        runs = {way: _run(folder, way, split, arguments, trials) for way in _WAYS}
        result = compare({way: found for way, (found, _) in runs.items()})
        for way, (_, seconds) in runs.items():
            result["ways"][way]["processor_minutes"] = round(seconds / 60, 1)
        plot(result, folder / "sweep.png")
        write_json(folder / "sweep.json", result)
    print(table(result))
    finish(result, arguments)


def _run(
    folder: Path, way: str, split: Path, arguments: argparse.Namespace, trials: int
) -> tuple[list[dict[str, Any]], float]:
    """Run one way; returns its trials by number, and the processor seconds they took."""
    place = folder / way.replace(" ", "-")
    (place / "data").mkdir(parents=True, exist_ok=True)
    if not (place / "data" / "split").exists():
        (place / "data" / "split").symlink_to(split)
    params = place / "params.yaml"
    write_profile("sample" if arguments.split is None else "cpu", [], profiles=_PROFILES, target=params)
    change_values(params, {**(_REDUCED if arguments.reduced else _FER2013), **_WAYS[way]})
    environment = {**os.environ, "FERFLOW_TRACKING": "off"}
    budget, used, found = arguments.minutes * 60, _used_before(place), []
    while len(found) < trials and used < budget * (1 - _SMALLEST_REST):
        command = [sys.executable, "-m", "ferflow", "tune", "--trials", str(trials)]
        command += ["--timeout", str((budget - used) / usable_cores()), "--jobs", str(arguments.jobs)]
        before = _seconds_of_children()
        subprocess.run(command, cwd=place, env=environment, stdout=sys.stderr, check=True)
        _wait_for_orphans()
        used += _seconds_of_children() - before
        write_json(place / _USED, {"seconds": used})
        found = read_trials(place / "reports" / "sweep" / "trials.csv")
    return found or read_trials(place / "reports" / "sweep" / "trials.csv"), used


def _used_before(place: Path) -> float:
    """The processor seconds that an earlier command spent on a way."""
    path = place / _USED
    return float(json.loads(path.read_text(encoding="utf-8"))["seconds"]) if path.is_file() else 0.0


def _adopt_orphans() -> None:
    """Have processes whose parents end become children of this one: only so their time is known."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for_orphans() -> None:
    """The workers' common parent outlives the command by a moment."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _seconds_of_children() -> float:
    """Processor seconds of all processes below this one that are over."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def read_trials(path: Path) -> list[dict[str, Any]]:
    """The trials that are over, from a sweep's `trials.csv`: state, value, epochs, planned epochs."""
    columns = read_csv(path, ("state", "value", "epochs", "planned_epochs"))
    rows = zip(*(columns[name] for name in ("state", "value", "epochs", "planned_epochs")), strict=True)
    return [
        {
            "state": state,
            "value": float(value) if value else None,
            "epochs": int(epochs),
            "planned": int(planned),
        }
        for state, value, epochs, planned in rows
        if state in ("complete", "pruned", "failed")
    ]


def best_by_epochs(trials: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """(epochs spent, best validation accuracy of a complete trial by then), one a trial."""
    spent, best, found = 0, 0.0, []
    for trial in trials:
        spent += trial["epochs"]
        if trial["state"] == "complete":
            best = max(best, trial["value"])
        found.append((spent, best))
    return found


def compare(ways: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Figures of each way, at the number of epochs that the shortest of them has.

    Returns:
        The epochs, and of each way its trials by state, epochs, the share that pruning saved, the best
        accuracy at the epochs compared, and its course.
    """
    courses = {way: best_by_epochs(trials) for way, trials in ways.items()}
    epochs = min(course[-1][0] if course else 0 for course in courses.values())
    result: dict[str, Any] = {"epochs": epochs, "ways": {}}
    for way, trials in ways.items():
        spent = sum(trial["epochs"] for trial in trials)
        saved = sum(trial["planned"] - trial["epochs"] for trial in trials if trial["state"] == "pruned")
        result["ways"][way] = {
            "trials": len(trials),
            "complete": sum(trial["state"] == "complete" for trial in trials),
            "pruned": sum(trial["state"] == "pruned" for trial in trials),
            "epochs": spent,
            "saved_share": saved / (spent + saved) if spent + saved else 0.0,
            "best": max((best for done, best in courses[way] if done <= epochs), default=0.0),
            "course": courses[way],
        }
    return result


def table(result: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        f"| | trials | complete | pruned | epochs saved | best after {result['epochs']:,} epochs |",
        "|---|---|---|---|---|---|",
    ]
    for way, found in result["ways"].items():
        lines.append(
            f"| {way} | {found['trials']} | {found['complete']} | {found['pruned']} | "
            f"{found['saved_share']:.0%} | {found['best']:.2%} |"
        )
    return "\n".join(lines)


def plot(result: Mapping[str, Any], path: Path) -> None:
    """Draw the best validation accuracy over the epochs spent."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for way, found in result["ways"].items():
            known = [(epochs, best) for epochs, best in found["course"] if best > 0]
            axes.step(
                [epochs for epochs, _ in known],
                [best for _, best in known],
                where="post",
                color=_COLOURS[way],
                label=way,
            )
        axes.axvline(result["epochs"], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_title("best validation accuracy so far")
        axes.set_xlabel("epochs of all trials together")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(loc="lower right")

    save_figure(draw, path, size=(7.4, 4.2))


if __name__ == "__main__":
    main()

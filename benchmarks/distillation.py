"""Distillation: two teachers, their mean, and a student that is trained without and with it, by seeds.

    python -m benchmarks.distillation                                      # on drawn faces, some minutes
    python -m benchmarks.distillation --split data/split --size short --seeds 3 --output distillation/

For each seed two larger networks are trained from seeds of their own and become one by `ferflow ensemble`;
then the student is trained on the labels alone, and with the mean as `train.teacher`. All are scored once on
the test images. Every run is a folder of its own under --output: a study that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipes import score_once
from benchmarks.runs import drawn_faces
from ferflow.files import atomic_file, write_json
from ferflow.profiles import write_profile
from ferflow.progress import say

_ROOT = Path(__file__).resolve().parents[1]
_KINDS = ("teacher", "mean of two teachers", "student alone", "student with the mean")

# What a size sets for every network, for teachers, and for students.
_SIZES: dict[str, dict[str, list[str]]] = {
    "tiny": {
        "all": ["train.epochs=8", "train.batch_size=32", "train.warmup_epochs=1.0"],
        "teacher": ["model.widths=[16,32]", "model.depths=[1,1]"],
        "student": ["model.widths=[8,16]", "model.depths=[1,1]"],
    },
    "short": {
        "all": ["train.epochs=8"],
        "teacher": ["model.widths=[32,64,128]", "model.depths=[1,1,1]"],
        "student": ["model.widths=[16,32,64]", "model.depths=[1,1,1]"],
    },
    "cpu": {
        "all": ["train.epochs=16"],
        "teacher": ["model.widths=[32,64,128,256]", "model.depths=[1,2,2,2]"],
        "student": ["model.widths=[16,32,64]", "model.depths=[1,1,1]"],
    },
    "gpu": {
        "all": ["train.epochs=100", "train.batch_size=128", "train.learning_rate=0.1", "model.stem=stride1"],
        "teacher": ["model.widths=[64,128,256,512]", "model.depths=[2,2,2,2]"],
        "student": ["model.widths=[32,64,128,256]", "model.depths=[2,2,2,2]"],
    },
}


def main() -> None:
    """Run the study and print its table; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=Path, help="what the split stage wrote; without it, drawn faces")
    parser.add_argument("--size", choices=sorted(_SIZES), default="tiny")
    parser.add_argument("--seeds", type=int, default=1, help="(default: 1)")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, help="folder of the runs (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        output = (arguments.output or Path(name)).resolve()
        split = (arguments.split or drawn_faces(output / "drawn")).resolve()
        changes = [*_SIZES[arguments.size]["all"], *arguments.changes]
        runs = [
            _one_seed(output / f"seed{seed}", split, arguments.size, changes, seed)
            for seed in range(arguments.seeds)
        ]
        result = {"size": arguments.size, "changes": changes, "seeds": runs}
        write_json(output / "distillation.json", result)
        text = table(runs)
        with atomic_file(output / "table.md") as fresh:
            fresh.write_text(text, encoding="utf-8")
    print(text)
    print(json.dumps(result))


def _one_seed(output: Path, split: Path, size: str, changes: list[str], seed: int) -> dict[str, Any]:
    """Scores of the four kinds of networks, trained from one seed."""
    teachers = []
    for number in (1, 2):
        folder = output / f"teacher{number}"
        sets = [*changes, *_SIZES[size]["teacher"], f"seed={100 * seed + number}"]
        teachers.append(_train(folder, split, sets))
    mean = _mean(output / "mean", split, teachers)
    student = [*changes, *_SIZES[size]["student"], f"seed={100 * seed}"]
    alone = _train(output / "alone", split, student)
    taught = _train(output / "taught", split, [*student, f"train.teacher={json.dumps(str(mean))}"])
    networks = (teachers[0], mean, alone, taught)
    return {
        kind: score_once(network.parents[1], split) for kind, network in zip(_KINDS, networks, strict=True)
    }


def _train(folder: Path, split: Path, changes: list[str]) -> Path:
    """Train in a process of its own, unless that is done; the network."""
    network = folder / "models" / "model.keras"
    if not (folder / "reports" / "train.json").is_file():
        _prepare(folder, split, changes)
        _ferflow(folder, "train")
    return network


def _mean(folder: Path, split: Path, teachers: list[Path]) -> Path:
    network = folder / "models" / "model.keras"
    if not (folder / "reports" / "train.json").is_file():
        _prepare(folder, split, [])
        shutil.copy(teachers[0].parents[1] / "params.yaml", folder / "params.yaml")
        _ferflow(folder, "ensemble", *map(str, teachers))
    return network


def _prepare(folder: Path, split: Path, changes: list[str]) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    link = folder / "data" / "split"
    if not link.exists():
        link.symlink_to(split)
    write_profile("cpu", changes, profiles=_ROOT / "profiles", target=folder / "params.yaml")


def _ferflow(folder: Path, *arguments: str) -> None:
    say(f"{folder}: ferflow {arguments[0]}")
    subprocess.run([sys.executable, "-m", "ferflow", *arguments], cwd=folder, check=True)


def table(runs: list[dict[str, Any]]) -> str:
    """The study as a Markdown table: means over the seeds, lowest to highest."""
    lines = ["| network | validation | test | leak-free |", "|---|---|---|---|"]
    for kind in _KINDS:
        scores = [run[kind] for run in runs]
        columns = [
            [score["validation"][score["views"]] for score in scores],
            [score["test"]["averaged"] for score in scores],
            [score["test"]["averaged leak-free"] for score in scores],
        ]
        cells = [f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})" for values in columns]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

"""Distillation on a lent GPU: cross-fitted teachers, then students on mixtures of label and teacher.

    bash benchmarks/gpu_distill.sh              # all of it; see there
    python -m benchmarks.gpu_distill warm wide compact --split SPLIT --manifest MANIFEST --work WORK
    python -m benchmarks.gpu_distill teach 0 --split SPLIT --manifest MANIFEST --work WORK --until 1795709000
    python -m benchmarks.gpu_distill study wide:0.5 compact:best:1:60 ... --until 1795709000

A network that has seen an image repeats its label, right or wrong. So the training images are cut into folds
that keep copies together, and each is answered for by networks trained on the other folds, with twelve views;
`teach R` trains those of one way of cutting. Each network's epoch is chosen on its own fold: the validation
images are seen by no teacher's training and by no choice.

`study` trains students by the train stage, one after the other, given as KIND:SHARE[:SEED[:EPOCHS]]: the
target is the label but for SHARE, which the teachers' mean has (`best`: the share that validation prefers so
far). It is handed over as `train.teacher` with `teacher_share` 1, so that one compiled program serves every
share. Every network's results are packed into $OUT as soon as it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.cross_fitting import answers_of_teachers, folds_of, training_groups
from benchmarks.gpu_long import RECIPE, load_data
from benchmarks.gpu_training import (
    ScheduleByTime,
    Trained,
    means_of,
    pack_folders,
    score_views,
    train_by_time,
    twelve_views,
    weights_of,
    write_history,
    write_in_parts,
)
from benchmarks.runs import profile_params
from ferflow.data.store import write_arrays
from ferflow.data.subsets import LabelledImages
from ferflow.files import write_json
from ferflow.labels import EMOTIONS
from ferflow.params import Params
from ferflow.progress import say

NUM_FOLDS = 5
NUM_CUTS = 2
_BACKBONE = ["model.backbone=resnet_v2", "model.depths=[2,2,2,2]", "model.dropout_head=0.2"]
_NARROW = [*_BACKBONE, "model.widths=[32,64,128,256]"]
# A batch twice as large at twice the rate: a narrow network's kernels are too short for the GPU at 128.
_TEACHER = [*RECIPE, *_NARROW, "train.batch_size=256", "train.learning_rate=0.2", "train.epochs=50"]
STUDENTS = {
    "compact": [*RECIPE, *_NARROW, "train.epochs=70"],
    "wide": [*RECIPE, *_BACKBONE, "model.widths=[64,128,256,512]", "train.epochs=60"],
}
_REDUCED = [
    "train.batch_size=32",
    "train.epochs=2",
    "model.image_size=32",
    "model.widths=[4,8]",
    "model.depths=[1,1]",
]
_VIEWS = "whole_and_ten_crop"
_SCORING_SECONDS = {"teacher": 6.0, "compact": 8.0, "wide": 12.0}
_SHORTEST_SECONDS = 25.0  # A training that would have less is not begun.
_SEED = 20140
_FILES = ("train.json", "history.csv", "probabilities.npz")


class Student(NamedTuple):
    """One student of `study`.

    Attributes:
        kind: Of `STUDENTS`.
        share: The teachers' part of the target, 0-1; None: the one that validation prefers so far.
        seed: Added to the first seed.
        epochs: At most; None: those of the kind.
    """

    kind: str
    share: float | None
    seed: int = 0
    epochs: int | None = None


def main() -> None:
    """Compile, teach or study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("task", choices=("warm", "teach", "study"))
    parser.add_argument("which", nargs="+", help="kinds, ways of cutting, or students")
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.csv of the split, or gzipped")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--until", type=float, default=0, help="the end, in seconds since 1970")
    parser.add_argument("--reduced", action="store_true", help="tiny networks and few images: a trial")
    arguments = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    data = load_data(arguments.split, reduced=arguments.reduced)
    work, reduced = arguments.work, arguments.reduced
    if arguments.task == "warm":
        for kind in arguments.which:
            warm(kind, data, work, reduced=reduced)
    elif arguments.task == "teach":
        groups = training_groups(arguments.manifest)[data["training_rows"]]
        for cut in arguments.which:
            teach(int(cut), groups, data, work, until=arguments.until, reduced=reduced)
    else:
        students = [parse_student(text) for text in arguments.which]
        study(students, data, work, until=arguments.until, reduced=reduced)


def parse_student(text: str) -> Student:
    """`KIND:SHARE[:SEED[:EPOCHS]]` as a student."""
    kind, share, *rest = text.split(":")
    seed = int(rest[0]) if rest else 0
    epochs = int(rest[1]) if len(rest) > 1 else None
    return Student(kind, None if share == "best" else float(share), seed, epochs)


def teach(
    cut: int, groups: NDArray[np.int64], data: dict[str, Any], work: Path, *, until: float, reduced: bool
) -> None:
    """Train a network on all folds but one, for each fold of a way of cutting, and keep its answers."""
    cuts = [folds_of(groups, num_folds=NUM_FOLDS, seed=number) for number in range(NUM_CUTS)]
    largest = max(int(np.bincount(folds).max()) for folds in cuts)
    smallest = min(int(np.bincount(folds).min()) for folds in cuts)
    training = data["train"]
    for fold in range(NUM_FOLDS):
        name = f"teacher-{cut}-{fold}"
        left = NUM_FOLDS - fold
        if (until - time.time()) / left < _SHORTEST_SECONDS * (not reduced):
            say(f"[{name}] not begun")
            return
        held = np.flatnonzero(cuts[cut] == fold)
        # Equal numbers for every fold: another number of images would be compiled anew.
        draw = np.random.default_rng((cut, fold)).permutation
        others = np.sort(draw(np.flatnonzero(cuts[cut] != fold))[: len(groups) - largest])
        params = _params([*_TEACHER, f"seed={_SEED + 10 * cut + fold}"], reduced=reduced)
        folder = work / "teachers" / name
        done = train_by_time(
            name,
            params,
            _rows(training, others),
            _rows(training, draw(held)[:smallest]),
            folder=folder,
            schedule=_schedule(name, params, "teacher", until=until, runs=left),
        )
        images = [training.images[held], data["val"].images, data["test"].images]
        views = twelve_views(done.network, np.concatenate(images))
        own = means_of(views)[_VIEWS][: len(held)].astype(np.float32)
        say(f"[{name}] {np.mean(own.argmax(1) == training.labels[held]):.4f} of its own fold")
        write_arrays(folder / "held.npz", {"rows": held, "probabilities": own})
        _keep(name, folder, params, done, views[:, len(held) :], data)
        pack_results(work)


def study(students: list[Student], data: dict[str, Any], work: Path, *, until: float, reduced: bool) -> None:
    """Train students one after the other, each with an equal part of the time that is left."""
    labels = data["train"].labels
    teachers = answers_of_teachers(work, labels)
    write_arrays(work / "teachers" / "mean" / "probabilities.npz", {"views": teachers.astype(np.float16)})
    for place, student in enumerate(students):
        left = len(students) - place
        share = best_share(work) if student.share is None else student.share
        name = f"{student.kind}-{round(100 * share):03d}-{student.seed}"
        if (until - time.time()) / left < _SHORTEST_SECONDS * (not reduced):
            say(f"[{name}] not begun")
            return
        folder = work / "students" / name
        targets = share * teachers + (1 - share) * np.eye(len(EMOTIONS), dtype=np.float32)[labels]
        params = _student_params(student, folder, targets, reduced=reduced)
        done = train_by_time(
            name,
            params,
            data["train"],
            data["val"],
            folder=folder,
            schedule=_schedule(name, params, student.kind, until=until, runs=left),
        )
        (folder / "weights.f16").write_bytes(weights_of(done.network))
        views = twelve_views(done.network, np.concatenate([data["val"].images, data["test"].images]))
        _keep(name, folder, params, done, views, data, share=share)
        pack_results(work)


def best_share(work: Path) -> float:
    """The share whose students have the best mean accuracy on validation; a half where there are none."""
    found: dict[float, list[float]] = {}
    for path in work.glob("students/*/train.json"):
        report = json.loads(path.read_text())
        found.setdefault(report["teacher_share"], []).append(report["views"][_VIEWS]["val"])
    return max(found, key=lambda share: (np.mean(found[share]), share), default=0.5)


def warm(kind: str, data: dict[str, Any], work: Path, *, reduced: bool) -> None:
    """Compile what a kind of student needs, for the cache, by one epoch on made-up answers."""
    started, folder = time.time(), work / "warm" / kind
    draws = np.random.default_rng(0).random((len(data["train"].labels), len(EMOTIONS)), np.float32)
    targets = draws / draws.sum(axis=1, keepdims=True)
    params = _student_params(Student(kind, 0.5, epochs=1), folder, targets, reduced=reduced)
    schedule = ScheduleByTime(f"warm-{kind}", params, until=time.time() + 600)
    done = train_by_time(f"warm-{kind}", params, data["train"], data["val"], folder=folder, schedule=schedule)
    twelve_views(done.network, data["val"].images[:1])
    say(f"[warm-{kind}] compiled in {time.time() - started:.0f} s")


def _student_params(student: Student, folder: Path, targets: NDArray[np.float32], *, reduced: bool) -> Params:
    path = folder / "targets.npz"
    write_arrays(path, {"probabilities": targets})
    changes = [*STUDENTS[student.kind], f"seed={_SEED + 100 + student.seed}"]
    changes += [f"train.epochs={student.epochs}"] if student.epochs else []
    teacher = [f"train.teacher={json.dumps(str(path.resolve()))}", "train.teacher_share=1.0"]
    return _params([*changes, *teacher, "train.teacher_temperature=1.0"], reduced=reduced)


def _params(changes: list[str], *, reduced: bool) -> Params:
    """Profile best with changes. The rate is set by `train_by_time`, hence `plateau`."""
    small = _REDUCED if reduced else []
    plateau = ["train.schedule=plateau", "train.plateau_patience=100000"]
    return profile_params("best", [*changes, *small, *plateau])


def _schedule(name: str, params: Params, kind: str, *, until: float, runs: int) -> ScheduleByTime:
    return ScheduleByTime(name, params, until=until, runs=runs, scoring_seconds=_SCORING_SECONDS[kind])


def _rows(images: LabelledImages, rows: NDArray[np.int64]) -> LabelledImages:
    return LabelledImages(images.images[rows], images.labels[rows])


def _keep(
    name: str,
    folder: Path,
    params: Params,
    done: Trained,
    views: NDArray[np.float64],
    data: dict[str, Any],
    *,
    share: float | None = None,
) -> None:
    """Write history, probabilities of the validation and the test images, and the report."""
    from ferflow.model.backend import backend_version

    write_history(folder / "history.csv", done.rows)
    # A teacher's by kind of views; a student's twelve, of which any mean can be made.
    kept = views if share is not None else np.stack([means_of(views)[kind] for kind in ("ten_crop", _VIEWS)])
    write_arrays(folder / "probabilities.npz", {"views": kept.astype(np.float16)})
    report = {
        "job": name,
        "teacher_share": share,
        "params": params.model_dump(include={"seed", "model", "augment", "train"}),
        "backend": backend_version(),
        "schedule": "half cosine by epoch and time, warm-up 4 epochs; rates in history.csv",
        "epochs_run": len(done.rows),
        "best_epoch": done.best_epoch,
        "val_accuracy": done.best_accuracy,
        "training_seconds": round(done.seconds, 1),
        "views": score_views(name, views, data),
    }
    report["params"]["train"]["teacher"] = share and "label and teachers mixed"
    write_json(folder / "train.json", report)


def pack_results(work: Path) -> None:
    """Put all results so far into $OUT, and the weights of the best student of each kind on validation."""
    output = Path(os.environ.get("OUT", work / "out"))
    folders = sorted([*(work / "teachers").glob("*"), *(work / "students").glob("*")])
    pack_folders(output / "networks.tar", folders, _FILES, lock=work / "pack.lock")
    for kind in STUDENTS:
        scores = {}
        for path in work.glob(f"students/{kind}-*/train.json"):
            if (path.parent / "weights.f16").exists():
                views = json.loads(path.read_text())["views"].values()
                scores[path.parent] = max(score["val"] for score in views)
        best = max(scores, key=lambda folder: scores[folder], default=None)
        if best is None or any(output.glob(f"{best.name}.f16*")):
            continue
        for former in output.glob(f"{kind}-*.f16*"):
            former.unlink()
        write_in_parts(output / f"{best.name}.f16", (best / "weights.f16").read_bytes())


if __name__ == "__main__":
    main()

"""Fine-tuning: the built-in network on 20 images a class of another look, against two ways without it.

    python -m benchmarks.fine_tuning --split data/split --output benchmarks/results/fine_tuning.json

The other look is a fixed change of the pictures: grey values inverted, turned by 15 degrees, a little
blurred. The images are those of `val.npz` (with scheme kaggle: PublicTest), which the network was not fitted
on. Up to 70 a class are scored, which nothing else sees; of the others each seed draws 20 a class, 16 to fit
and 4 to choose the epoch. Compared: the network as it is, the same trained on them from scratch, and tuned.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.runs import add_result_flags, errors_for_people, finish, profile_params
from ferflow.data.store import Images, pixel_hashes
from ferflow.data.subsets import LabelledImages, load_subset
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.progress import say

_TURN, _BLUR = 15.0, 0.7
_SCORED, _TO_FIT, _TO_CHOOSE = 70, 16, 4
_VIEWS = "none"
_SCORED_SEED = 2013
# From scratch with the profile's rate, which is 0.1 for 128 images a step; tuned with a third of it.
_COMMON = ("train.batch_size=16", "train.warmup_epochs=1.0")
_WAYS = {
    "tuned": (*_COMMON, "model.weights=compact", "train.learning_rate=0.004", "train.epochs=8"),
    "from scratch": (*_COMMON, "train.learning_rate=0.0125", "train.epochs=12"),
}


@dataclasses.dataclass(frozen=True)
class Parts:
    """The images of one seed; the scored ones are the same for every seed."""

    fitted: LabelledImages
    choosing: LabelledImages
    scored: LabelledImages


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=Path, required=True, help="folder that the split stage wrote")
    parser.add_argument("--seeds", type=int, default=3, help="(default: 3)")
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people():
        images = load_subset(arguments.split / "val.npz")
        result = begun(images)
        for seed in range(arguments.seeds):
            result["runs"].append(run_of(images, seed=seed))
            finish(result, arguments)  # Of a study that is stopped, the seeds that are done are there.
    print(table(result))


def other_look(images: Images) -> Images:
    """Inverted grey values, turned by 15 degrees, blurred a little; (N, 48, 48) uint8 to the same."""
    centre = (IMAGE_SIZE - 1) / 2
    turn = cv2.getRotationMatrix2D((centre, centre), _TURN, 1.0)
    size = (IMAGE_SIZE, IMAGE_SIZE)
    changed = [
        cv2.GaussianBlur(
            cv2.warpAffine(255 - image, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            (3, 3),
            _BLUR,
        )
        for image in images
    ]
    return np.asarray(changed, np.uint8).reshape(images.shape)


def parts_of(images: LabelledImages, *, seed: int) -> Parts:
    """Disjoint images, of pictures that are there once.

    Raises:
        DataError: A class has too few images.
    """
    _, once = np.unique(pixel_hashes(images.images), return_index=True)
    fitted, choosing, scored = [], [], []
    for label, emotion in enumerate(EMOTIONS):
        rows = once[images.labels[once] == label]
        needed = _TO_FIT + _TO_CHOOSE
        if len(rows) <= needed:
            raise DataError(
                f"val.npz: {len(rows)} images of class {emotion}, expected more than {needed}; "
                "take a split of all of FER-2013"
            )
        rows = np.random.default_rng((_SCORED_SEED, label)).permutation(rows)
        number = min(_SCORED, len(rows) - needed)
        scored.append(rows[:number])
        drawn = np.random.default_rng((seed, label)).permutation(rows[number:])
        fitted.append(drawn[:_TO_FIT])
        choosing.append(drawn[_TO_FIT:needed])
    return Parts(*(_taken(images, rows) for rows in (fitted, choosing, scored)))


def _taken(images: LabelledImages, rows: list[NDArray[np.intp]]) -> LabelledImages:
    chosen = np.concatenate(rows)
    return LabelledImages(images.images[chosen], images.labels[chosen])


def begun(images: LabelledImages) -> dict[str, Any]:
    """The study before its first seed, with the scores of the network as it is; JSON types.

    Args:
        images: Of which all parts are drawn.
    """
    scored = parts_of(images, seed=0).scored
    as_it_is = _network(profile_params("compact", ["model.weights=compact"]))
    return {
        "images": {
            "fitted": _TO_FIT * len(EMOTIONS),
            "choosing the epoch": _TO_CHOOSE * len(EMOTIONS),
            "scored": len(scored.labels),
            "scored by class": dict(zip(EMOTIONS, np.bincount(scored.labels).tolist(), strict=True)),
        },
        "look": {"inverted": True, "turn_degrees": _TURN, "blur_sigma_pixels": _BLUR},
        "views": _VIEWS,
        "changes": {way: list(changes) for way, changes in _WAYS.items()},
        "not tuned": {
            "other look": _score(as_it_is, _changed(scored)),
            "as in FER-2013": _score(as_it_is, scored),
        },
        "runs": [],
    }


def run_of(images: LabelledImages, *, seed: int) -> dict[str, Any]:
    """The scores of each way from one seed; JSON types."""
    parts = parts_of(images, seed=seed)
    scored = _changed(parts.scored)
    return {"seed": seed, **{way: _trained(way, parts, scored, seed) for way in _WAYS}}


def _changed(images: LabelledImages) -> LabelledImages:
    return LabelledImages(other_look(images.images), images.labels)


def _network(params: Any) -> Any:
    from ferflow.model.network import build_network

    return build_network(params.model)


def _trained(way: str, parts: Parts, scored: LabelledImages, seed: int) -> dict[str, float]:
    """Train in one way from one seed; its score, and the processor time of training."""
    import keras

    from ferflow.model.checkpoint import CheckpointStore
    from ferflow.model.training import train_network

    params = profile_params("compact", [*_WAYS[way], f"seed={seed}"])
    keras.utils.set_random_seed(seed)
    network, started = _network(params), time.process_time()
    with tempfile.TemporaryDirectory(prefix="ferflow-") as folder:
        state = train_network(
            network,
            _changed(parts.fitted),
            _changed(parts.choosing),
            params=params,
            checkpoints=CheckpointStore(Path(folder), f"{way} {seed}"),
        )
    seconds = round(time.process_time() - started, 1)
    score = _score(network, scored)
    say(f"seed {seed}, {way}: {json.dumps(score)}, {seconds} s of processor time")
    return {**score, "best_epoch": state.best_epoch, "processor_seconds": seconds}


def _score(network: Any, images: LabelledImages) -> dict[str, float]:
    """Accuracy, and the mean of the classes' recalls."""
    from ferflow.model.prediction import predict_probabilities

    answers = predict_probabilities(
        network, images.images, batch_size=64, test_time_augmentation=_VIEWS
    ).argmax(axis=1)
    right = answers == images.labels
    recalls = [right[images.labels == label].mean() for label in range(len(EMOTIONS))]
    return {"accuracy": round(float(right.mean()), 4), "mean_recall": round(float(np.mean(recalls)), 4)}


def table(result: dict[str, Any]) -> str:
    """The study in Markdown: means over the seeds; of several their standard error and their range."""
    number = result["images"]["scored"]
    lines = [f"| {number} images of the other look | accuracy | mean recall |", "|---|---|---|"]
    as_it_is = result["not tuned"]["other look"]
    lines.append(
        f"| not tuned | {100 * as_it_is['accuracy']:.1f} % | {100 * as_it_is['mean_recall']:.1f} % |"
    )
    for way in _WAYS:
        cells = []
        for key in ("accuracy", "mean_recall"):
            values = [100 * run[way][key] for run in result["runs"]]
            cells.append(f"{np.mean(values):.1f}{_spread(values)} %")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    """The standard error of the mean of several values, and their range; empty for one."""
    if len(values) < 2:
        return ""
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f" \u00b1 {error:.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()

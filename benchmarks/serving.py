"""How fast the exported model answers, against Keras: one image, and batches.

    python -m benchmarks.serving --export export --model models/model.keras --split data/split

ONNX in float32 and int8, Keras' `predict` and `predict_on_batch` take turns in one process, with the views of
the export, each with all usable cores. A turn is some single images after one another, then one batch; every
one of them is timed by itself. Ratios are of the medians over all turns, so that they depend less on what
else the machine does. Before that, all test images are answered by all but `predict`, which computes what
`predict_on_batch` does: accuracy, and the largest difference of a probability from Keras.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive
from ferflow.data.store import Images
from ferflow.data.subsets import LabelledImages, load_subset
from ferflow.errors import ModelError
from ferflow.files import sha256_of
from ferflow.serving.export_folder import Description, read_description
from ferflow.serving.network import Network

Answer = Callable[[Images], NDArray[Any]]

KERAS = "Keras predict"
_STEP = 64  # images of one call while all test images are answered
_WARM_UP = 3


def main() -> None:
    """Measure and print; with --json one more line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--export", type=Path, default=Path("export"), help="what ferflow export wrote")
    parser.add_argument("--model", type=Path, default=Path("models/model.keras"), help="the same, of Keras")
    parser.add_argument("--split", type=Path, default=Path("data/split"), help="folder of the split stage")
    parser.add_argument("--turns", type=positive, default=20, help="of each way (default: 20)")
    parser.add_argument("--singles", type=positive, default=10, help="single images a turn (default: 10)")
    parser.add_argument("--batch", type=positive, default=64, help="images of a batch (default: 64)")
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people():
        result = measure(
            arguments.export,
            arguments.model,
            load_subset(arguments.split / "test.npz"),
            turns=arguments.turns,
            singles=arguments.singles,
            batch=arguments.batch,
        )
    print(table(result))
    finish(result, arguments)


def measure(
    export: Path, model: Path, test: LabelledImages, *, turns: int, singles: int, batch: int
) -> dict[str, Any]:
    """All figures.

    Raises:
        ModelError: The export is unusable, or is not of the model.
    """
    description = read_description(export)
    if not model.is_file() or sha256_of(model) != description.model_sha256:
        raise ModelError(
            f"{model}: not the network that {export} was made of (sha256 {description.model_sha256}); give "
            "that one's path with --model, or export this one"
        )
    ways = _ways(export, model, description)
    agreement = _agreement(ways, test)
    speeds = _speeds(ways, test.images, turns=turns, singles=singles, batch=batch)
    keras = speeds[KERAS]
    ratios = {
        name: {
            "single": round(keras["single_median_ms"] / figures["single_median_ms"], 2),
            "batch": round(figures["images_per_second"] / keras["images_per_second"], 2),
        }
        for name, figures in speeds.items()
    }
    return {
        "test_time_augmentation": description.test_time_augmentation,
        "model_sha256": description.model_sha256,
        "onnxruntime": importlib.metadata.version("onnxruntime"),
        "turns": turns,
        "singles": singles,
        "batch": batch,
        "test_images": len(test.images),
        "agreement": agreement,
        "speeds": speeds,
        "times_as_fast_as_predict": ratios,
    }


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        f"views: {result['test_time_augmentation']}; batches of {result['batch']}; {result['turns']} turns",
        "",
        "| way | one image, median | 99 % | images/s | against predict: one, batch |",
        "|---|---|---|---|---|",
    ]
    for name, figures in result["speeds"].items():
        ratio = result["times_as_fast_as_predict"][name]
        lines.append(
            f"| {name} | {figures['single_median_ms']:.1f} ms | {figures['single_p99_ms']:.1f} ms | "
            f"{figures['images_per_second']:,.0f} | {ratio['single']:.1f}, {ratio['batch']:.1f} |"
        )
    lines += [
        "",
        f"| {result['test_images']:,} test images | accuracy | largest difference |",
        "|---|---|---|",
    ]
    for name, figures in result["agreement"].items():
        lines.append(f"| {name} | {figures['accuracy']:.4f} | {figures['max_difference']:.1e} |")
    return "\n".join(lines)


def _ways(export: Path, model: Path, description: Description) -> dict[str, Answer]:
    """The ways to answer, each from (N, 48, 48) uint8 faces to (N, 7) probabilities."""
    from ferflow.model.backend import use_xla
    from ferflow.model.network import load_network
    from ferflow.model.views import averaged_over_views

    averaged = averaged_over_views(load_network(model), description.test_time_augmentation)
    averaged.jit_compile = use_xla()
    float32 = Network(export, description, precision="float32", threads=None)
    int8 = Network(export, description, precision="int8", threads=None)
    return {
        "ONNX float32": float32.predict,
        "ONNX int8": int8.predict,
        KERAS: lambda faces: np.asarray(averaged.predict(faces[..., None], batch_size=len(faces), verbose=0)),
        "Keras predict_on_batch": lambda faces: np.asarray(averaged.predict_on_batch(faces[..., None])),
    }


def _agreement(ways: dict[str, Answer], test: LabelledImages) -> dict[str, dict[str, float]]:
    """Accuracy, and the largest difference of a probability from Keras, on all test images."""
    expected = _all_answers(ways["Keras predict_on_batch"], test.images)
    found = {"Keras": expected} | {
        name: _all_answers(ways[name], test.images) for name in ("ONNX float32", "ONNX int8")
    }
    return {
        name: {
            "accuracy": round(float((answers.argmax(axis=1) == test.labels).mean()), 6),
            "max_difference": float(f"{np.abs(answers - expected).max():.2g}"),
        }
        for name, answers in found.items()
    }


def _all_answers(answer: Answer, images: Images) -> NDArray[np.float64]:
    """Answers to all images, by batches of one shape; the last one is filled up."""
    size = min(_STEP, len(images))
    rest = -len(images) % size
    filled = np.concatenate([images, images[:rest]])
    answers = [answer(filled[start : start + size]) for start in range(0, len(filled), size)]
    return np.concatenate(answers)[: len(images)].astype(np.float64)


def _speeds(
    ways: dict[str, Answer], images: Images, *, turns: int, singles: int, batch: int
) -> dict[str, dict[str, float]]:
    """Times of single images and of batches, by turns."""
    block = np.resize(images, (batch, *images.shape[1:]))
    for answer in ways.values():
        for _ in range(_WARM_UP):
            answer(images[:1])
            answer(block)
    single: dict[str, list[float]] = {name: [] for name in ways}
    whole: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns):
        for name, answer in ways.items():
            for number in range(singles):
                row = (turn * singles + number) % len(images)
                single[name].append(_seconds(answer, images[row : row + 1]))
            whole[name].append(_seconds(answer, block))
    return {
        name: {
            "single_median_ms": round(1000 * float(np.median(single[name])), 3),
            "single_p99_ms": round(1000 * float(np.percentile(single[name], 99)), 3),
            "images_per_second": round(batch / float(np.median(whole[name])), 1),
        }
        for name in ways
    }


def _seconds(answer: Answer, faces: Images) -> float:
    began = time.perf_counter()
    answer(faces)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

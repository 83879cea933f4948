"""Pack a trained network as the one that comes with ferflow, score it, and write its card.

    python -m benchmarks.built_in models/model.keras --repository .
    python -m benchmarks.built_in weights.f16 --train-report train.json --repository .

The repository has the split that the network was trained on (`dvc repro split`) and its reports. A `.f16`
file is `network.get_weights()`, flattened, in float16. Every figure is of the packed file, by ONNX Runtime.
Nothing is typed in by hand: the same weights, data and versions give the same folder. Answers are kept in
`--answers`, so that a stopped command goes on; some of them are given anew each time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.built_in_tables import forms_table, write_tables
from benchmarks.runs import errors_for_people
from ferflow.data.store import Images, pixel_hashes, write_csv
from ferflow.data.subsets import LabelledImages, load_subset
from ferflow.errors import ModelError
from ferflow.exporting.agreement import calibration_images
from ferflow.exporting.exporter import headline
from ferflow.exporting.model_card import CARD, write_card
from ferflow.files import atomic_directory, sha256_of, write_json
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.params import EvaluateParams, ModelParams, load_params
from ferflow.paths import BUILT_IN
from ferflow.progress import track
from ferflow.reporting.comparison import origin_of
from ferflow.reporting.outline import read_report
from ferflow.serving.export_folder import DESCRIPTION, Description
from ferflow.stages.evaluate import load_test
from ferflow.stages.results import DECIMALS, ScoredImages, score_images

MODEL, METRICS, TRAINING, ANSWERS = "model.onnx", "metrics.json", "train.json", "answers.csv"
NAME = "compact"
# Bytes of all files, which is what git and the wheel may carry.
_MOST_BYTES = 4_000_000
_BATCH = 32
# By which an answer may differ from a kept one: another processor adds up in another order.
_TOLERANCE = 1e-4
# Of a hash, which are enough to tell 35,887 images apart.
_DIGITS = 12
VIEWS = ("none", "flip", "ten_crop")
PACKED = "8-bit kernels, computed in float32"


@dataclass(frozen=True)
class Material:
    """What the network is scored on.

    Attributes:
        validation: Validation images, which choose the form and fit the temperature.
        test: Test images.
        evaluation: How to score.
        reports: Name to content, of the stages and of the training.
        answers: Folder in which answers are kept.
    """

    validation: LabelledImages
    test: ScoredImages
    evaluation: EvaluateParams
    reports: Mapping[str, Mapping[str, Any]]
    answers: Path


def main() -> None:
    """Write the folder, and the tables of the documents that show its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .keras file, or a .f16 file")
    parser.add_argument("--train-report", type=Path, help="default: reports/train.json of the repository")
    parser.add_argument("--repository", type=Path, default=Path(), help="where the split is")
    parser.add_argument("--views", choices=VIEWS, default="ten_crop", help="default: ten_crop")
    parser.add_argument("--folder", type=Path, default=BUILT_IN, help="default: the one in the package")
    parser.add_argument("--answers", type=Path, default=Path(".ferflow/answers"), help="kept answers")
    arguments = parser.parse_args()
    with errors_for_people():
        material = read_material(arguments.repository, arguments.train_report, arguments.answers)
        network = load_weights(arguments.weights, material.reports[TRAINING])
        description = write_folder(
            network, material, views=arguments.views, folder=arguments.folder, weights=arguments.weights
        )
        if arguments.folder == BUILT_IN:
            write_tables(BUILT_IN)
    print(forms_table(description.checks))


def read_material(repository: Path, train_report: Path | None, answers: Path) -> Material:
    """Read the split and the reports of a repository.

    Raises:
        DataError: A file is missing or damaged.
        ModelError: The training has no report.
    """
    places = {name: repository / "reports" / name for name in ("download.json", "data.json", TRAINING)}
    if train_report is not None:
        places[TRAINING] = train_report
    found = {name: read_report(place) for name, place in places.items()}
    if found[TRAINING] is None:
        raise ModelError(f"{places[TRAINING]}: not found; name the report of the training (--train-report)")
    split = repository / "data" / "split"
    return Material(
        validation=load_subset(split / "val.npz"),
        test=load_test(split),
        evaluation=load_params(repository / "params.yaml").evaluate,
        reports={name: report for name, report in found.items() if report is not None},
        answers=answers,
    )


def load_weights(path: Path, report: Mapping[str, Any]) -> Any:
    """The network that a report of training is about.

    Raises:
        ModelError: The file is missing, or holds another network.
    """
    from ferflow.model.network import build_network, load_network

    if path.suffix == ".keras":
        return load_network(path)
    params = ModelParams.model_validate(report["params"]["model"])
    network = build_network(params.model_copy(update={"weights": None}))
    shapes = [weight.shape for weight in network.get_weights()]
    try:
        values = np.fromfile(path, "<f2").astype(np.float32)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); name the weights") from error
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(values) != ends[-1]:
        raise ModelError(
            f"{path}: holds {len(values):,} numbers, but the network of the report has {ends[-1]:,}; "
            "name the report of this network (--train-report)"
        )
    parts = np.split(values, ends[:-1])
    network.set_weights([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
    return network


def write_folder(network: Any, material: Material, *, views: str, folder: Path, weights: Path) -> Description:
    """Write all files of the packaged network; an earlier folder stays until the new one is whole.

    Args:
        network: The trained network; its kernels are rounded.
        material: What it is scored on.
        views: That probabilities are averaged over.
        folder: The folder that is replaced.
        weights: The file that the network was read from.

    Raises:
        ModelError: The network cannot be converted, or the files are too large.
    """
    from ferflow.model.packing import write_packed

    trained = network.get_weights()
    reference = "float32, of weights kept in float16" if weights.suffix == ".f16" else "float32"
    # By the views that answer: what counts is what the users of the file would see.
    forms = [
        *_other_forms(network, material, reference, views),
        _packed_form(network, trained, material, views),
    ]
    with atomic_directory(folder) as fresh:
        network.set_weights(trained)
        write_packed(network, fresh, test_time_augmentation=views)
        checks = {
            "images": len(material.validation.images),
            "views": views,
            "packaged": PACKED,
            "form_views": views,
            "forms": [_against(forms[0], form) for form in forms],
            "by_views": {
                kind: _scored_by_views(_packed(network, trained, kind), material, is_chosen=kind == views)
                for kind in VIEWS
            },
        }
        write_json(fresh / METRICS, _metrics((fresh / MODEL).read_bytes(), material))
        _write_answers((fresh / MODEL).read_bytes(), fresh / ANSWERS, material)
        write_json(fresh / TRAINING, dict(material.reports[TRAINING]))
        description = describe(fresh, checks, material, views, weights)
        write_json(fresh / DESCRIPTION, asdict(description))
        size = sum(path.stat().st_size for path in fresh.iterdir())
        if size > _MOST_BYTES:
            raise ModelError(
                f"{folder}: would have {size:,} bytes, at most {_MOST_BYTES:,} are expected; "
                "pack a smaller network"
            )
    return description


def _other_forms(network: Any, material: Material, reference: str, views: str) -> list[dict[str, Any]]:
    """The forms that could be packaged instead: float32, float16 and all in int8."""
    from ferflow.model.export import write_int8, write_onnx

    trained = network.get_weights()
    with tempfile.TemporaryDirectory(prefix="ferflow-") as scratch:
        float32, int8 = Path(scratch) / "float32.onnx", Path(scratch) / "int8.onnx"
        write_onnx(network, float32, test_time_augmentation=views)
        write_int8(float32, int8, calibration_images(material.validation.images, 512))
        whole = _form(reference, float32.read_bytes(), material)
        small = _form("int8, values between layers too", int8.read_bytes(), material)
        network.set_weights([weight.astype(np.float16).astype(np.float32) for weight in trained])
        write_onnx(network, float32, test_time_augmentation=views)
        half = _form("float16", float32.read_bytes(), material)
        half["bytes"] = 2 * sum(weight.size for weight in trained)
        network.set_weights(trained)
    return [whole, half, small]


def _packed_form(
    network: Any, trained: list[NDArray[np.float32]], material: Material, views: str
) -> dict[str, Any]:
    return _form(PACKED, _packed(network, trained, views), material)


def _packed(network: Any, trained: list[NDArray[np.float32]], views: str) -> bytes:
    """The packed model of some weights, with some views."""
    from ferflow.model.packing import write_packed

    network.set_weights(trained)
    with tempfile.TemporaryDirectory(prefix="ferflow-") as scratch:
        write_packed(network, Path(scratch), test_time_augmentation=views)
        return (Path(scratch) / MODEL).read_bytes()


def _form(name: str, content: bytes, material: Material) -> dict[str, Any]:
    return {
        "form": name,
        "bytes": len(content),
        "probabilities": answers_of(content, material.validation.images, material.answers, name),
        "labels": material.validation.labels,
    }


def _against(reference: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a form on validation images, beside float32."""
    probabilities = form["probabilities"]
    predicted, before = probabilities.argmax(axis=1), reference["probabilities"].argmax(axis=1)
    likelihood = probabilities[np.arange(len(predicted)), form["labels"]]
    return {
        "form": form["form"],
        "bytes": form["bytes"],
        "accuracy": round(float((predicted == form["labels"]).mean()), DECIMALS),
        "loss": round(float(-np.log(np.maximum(likelihood, 1e-6)).mean()), DECIMALS),
        "other_answers": int((predicted != before).sum()),
        "max_difference": float(f"{np.abs(probabilities - reference['probabilities']).max():.2g}"),
    }


def _scored_by_views(content: bytes, material: Material, *, is_chosen: bool) -> dict[str, float]:
    """Accuracies of a packed model with some views: on test images only with the views that were chosen."""
    test, validation = material.test, material.validation
    answers = answers_of(content, validation.images, material.answers, "validation")
    figures = {"validation": (answers.argmax(axis=1) == validation.labels).mean()}
    if is_chosen:
        right = answers_of(content, test.images, material.answers, "test").argmax(axis=1) == test.labels
        figures |= {"test": right.mean(), "leak_free": right[~test.leaked].mean()}
    return {name: round(float(value), DECIMALS) for name, value in figures.items()}


def answers_of(content: bytes, images: Images, kept: Path, label: str) -> NDArray[np.float64]:
    """Probabilities by ONNX Runtime, rounded as they are scored; (N, 7) float64.

    Args:
        content: The model.
        images: (N, 48, 48) uint8.
        kept: Folder in which answers are kept by model and images.
        label: What is answered, for people.
    """
    from ferflow.serving.network import start_session

    key = hashlib.sha256(content + images.tobytes()).hexdigest()
    path = kept / f"{key}.npy"
    session, _ = start_session(content, None, "cpu")
    if path.is_file():
        return _kept_answers(path, session, images)
    starts = track(range(0, len(images), _BATCH), total=-(-len(images) // _BATCH), label=label)
    answers = [
        session.run(["probabilities"], {"images": images[start : start + _BATCH]})[0] for start in starts
    ]
    kept.mkdir(parents=True, exist_ok=True)
    np.save(path, np.concatenate(answers))
    return np.concatenate(answers).astype(np.float64).round(DECIMALS)


def _kept_answers(path: Path, session: Any, images: Images) -> NDArray[np.float64]:
    """Answers of an earlier command, of which some are given anew to see that they are of this model.

    Raises:
        ModelError: They are of another model or of other images.
    """
    answers = np.load(path, allow_pickle=False)
    rows = np.linspace(0, len(images) - 1, min(_BATCH, len(images)), dtype=int)
    anew = session.run(["probabilities"], {"images": images[rows]})[0]
    if len(answers) != len(images) or np.abs(answers[rows] - anew).max() > _TOLERANCE:
        raise ModelError(f"{path}: holds answers of another model; remove this file and start again")
    return answers.astype(np.float64).round(DECIMALS)


def _metrics(content: bytes, material: Material) -> dict[str, Any]:
    """The content of `metrics.json`: what the stage evaluate would write of the packed network."""
    from ferflow.model.calibration import choose_thresholds, coverage_curve, fit_temperature, scaled

    validation = material.validation
    of_validation = answers_of(content, validation.images, material.answers, "validation")
    temperature = fit_temperature(validation.labels, of_validation)
    curve = coverage_curve(validation.labels, scaled(of_validation, temperature))
    report = score_images(
        material.test,
        answers_of(content, material.test.images, material.answers, "test"),
        material.evaluation,
        temperature=temperature,
        thresholds=choose_thresholds(curve, confidence_level=material.evaluation.confidence_level),
    )
    return report.as_json()


def _write_answers(content: bytes, path: Path, material: Material) -> None:
    """The answer to each test image, known by the hash of its pixels: what the figures are made of."""
    test = material.test
    answers = answers_of(content, test.images, material.answers, "test")
    columns = {
        "pixels": [digest[:_DIGITS] for digest in pixel_hashes(test.images).tolist()],
        "predicted": np.array(EMOTIONS)[answers.argmax(axis=1)].tolist(),
        "leaked": np.where(test.leaked, "true", "false").tolist(),
    }
    write_csv(path, columns)


def describe(
    folder: Path, checks: dict[str, Any], material: Material, views: str, weights: Path
) -> Description:
    """`export.json`, with the card written before."""
    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    training = material.reports[TRAINING]
    bare = Description(
        name=NAME,
        version=None,
        run_id=None,
        model_sha256=training["model_sha256"],
        labels=EMOTIONS,
        image_size=IMAGE_SIZE,
        test_time_augmentation=views,
        temperature=metrics["temperature"],
        detector="auto",
        detector_sha256=None,
        files={path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        checks=checks,
        trained_on=origin_of(material.reports.get("download.json")).value,
        figures=headline(metrics),
    )
    card = write_card(
        bare,
        metrics,
        confidence_level=material.evaluation.confidence_level,
        reports={**material.reports, METRICS: metrics},
        lineage={
            "sha256 of the weights that were packed": sha256_of(weights),
            f"sha256 of {MODEL}": bare.files[MODEL],
        },
    )
    (folder / CARD).write_text(card, encoding="utf-8")
    return replace(bare, files={**bare.files, CARD: sha256_of(folder / CARD)})


if __name__ == "__main__":
    main()

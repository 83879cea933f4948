"""The model card: what the exported model is, how good it is, and what it must not be used for.

In Markdown, from the template `model_card.md`. The same inputs give the same text: it holds no date.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferflow import heavy
from ferflow.errors import DataError
from ferflow.exporting import card_figures
from ferflow.reporting.comparison import Origin, origin_of
from ferflow.serving.export_folder import DETECTOR, MODELS, Description

CARD = "model_card.md"

_VIEWS = {
    "none": "are of the picture itself",
    "flip": "are means over two views: the picture and its mirror image",
    "ten_crop": "are means over ten views: four corners and the centre, enlarged, and their mirror images",
    "whole_and_ten_crop": "are means over twelve views: the picture, its four corners and its centre, "
    "enlarged, and the mirror images of the six",
}
_FER2013_TERMS = (
    "FER-2013 has terms of its own, which its publishers set and which are not those of the code: whether "
    "a model trained on it may be used or passed on is yours to see. So have the weights of a backbone that "
    "was trained elsewhere."
)


def write_card(
    description: Description,
    figures: Mapping[str, Any],
    *,
    confidence_level: float,
    reports: Mapping[str, Mapping[str, Any]],
    lineage: Mapping[str, str],
) -> str:
    """The text of the card.

    Args:
        description: The description of the export, its checks included.
        figures: The content of `metrics.json`.
        confidence_level: The confidence level of the intervals in it, 0-1.
        reports: Name, such as `download.json`, to content; of the stages that made the model.
        lineage: Tag to text: where the model comes from.

    Raises:
        DataError: A figure that every `metrics.json` has is missing.
    """
    origin = origin_of(reports.get("download.json"))
    card = _environment().get_template(CARD)
    try:
        return card.render(
            title=_title(description),
            labels=description.labels,
            size=description.image_size,
            network=_network(reports.get("train.json")),
            is_sample=origin is Origin.SAMPLE,
            is_fer2013=origin is Origin.FER2013,
            takes="It takes" if card_figures.is_packed(description) else "Both networks take",
            gives="gives" if card_figures.is_packed(description) else "give",
            files=_files(description),
            views=_VIEWS[description.test_time_augmentation],
            temperature=_temperature(description),
            data=_data(origin, reports.get("download.json")),
            training=_training(reports.get("train.json")),
            protocol=_protocol(reports.get("data.json")),
            about_figures=_about_figures(description, reports),
            interval=f"{100 * confidence_level:g} % interval",
            scores=card_figures.scores(figures),
            about_leaks=card_figures.about_leaks(figures),
            classes=card_figures.classes(figures),
            checks=card_figures.checks(description),
            weakest=card_figures.weakest(figures),
            licence=_licence(origin),
            lineage=_lineage(description, lineage),
        )
    except KeyError as error:
        raise DataError(
            f"metrics.json or another report lacks {error}, which the model card needs; run 'dvc repro' and "
            "'ferflow register' again"
        ) from None


def _environment() -> heavy.jinja2.Environment:
    """Markdown, not HTML: the content of cells is made safe for them by `_cell`."""
    return heavy.jinja2.Environment(
        loader=heavy.jinja2.PackageLoader("ferflow", "exporting"),
        autoescape=False,
        undefined=heavy.jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _title(description: Description) -> str:
    if card_figures.is_packed(description):
        return f"{description.name}, the network that comes with ferflow"
    if description.version is None:
        return f"{description.name}, not registered"
    return f"{description.name}, version {description.version}"


def _network(report: Mapping[str, Any] | None) -> str:
    if report is None:
        return "How it was built and trained is not known here."
    if "members" in report:
        return (
            f"The mean of the probabilities of {len(report['members'])} networks, of "
            f"{report['parameters']['total']:,} parameters together."
        )
    model = report["params"]["model"]
    start = "from scratch" if model["weights"] is None else f"from weights `{_file_name(model['weights'])}`"
    return (
        f"A {model['backbone']} of {report['parameters']['total']:,} parameters that works at "
        f"{model['image_size']} px, trained {start}."
    )


def _file_name(path: str) -> str:
    """Without the folders, which only say something on the machine where it was trained."""
    return path.rsplit("/", 1)[-1]


def _files(description: Description) -> list[tuple[str, str]]:
    if card_figures.is_packed(description):
        return [
            (MODELS["float32"], "the network, ONNX opset 17: kernels of 8 bits, computed in float32"),
            ("weights.npz", "all other numbers, for training that starts from the network"),
            ("train.json", "how it was trained"),
            ("metrics.json", "all figures"),
            ("answers.csv", "the answer to each test image, by the hash of its pixels"),
            ("export.json", "checksums, temperature and what the form was chosen by"),
        ]
    abouts = [
        (MODELS["float32"], "the network, ONNX opset 17, in float32"),
        (MODELS["int8"], "the same with its convolutions in int8: smaller, faster, a little less exact"),
    ]
    if description.detector == "yunet":
        abouts.append((DETECTOR, "YuNet, the face detector that the training pictures were filtered by"))
    return [*abouts, ("export.json", "versions, checksums and the figures of the checks")]


def _temperature(description: Description) -> str:
    if description.temperature is None:
        return "The confidence of an answer is its highest probability; no temperature was fitted."
    return (
        "The confidence of an answer is its highest probability after temperature scaling with "
        f"T = {description.temperature:.4g}, which was fitted on validation images."
    )


def _data(origin: Any, report: Mapping[str, Any] | None) -> str:
    if report is None or origin is Origin.UNKNOWN:
        return "What it was trained on is not known here."
    number = f"{report['num_images']:,} pictures"
    texts = {
        Origin.SAMPLE: f"{number} of faces that ferflow draws itself; no person is among them.",
        Origin.FER2013: (
            f"FER-2013 (Goodfellow et al. 2013, arXiv:1307.0414): {number} of faces from the web, 48 px, "
            "grey, each with one of seven labels. Pictures without a face were dropped; copies that lie in "
            "train and test were marked."
        ),
        Origin.OTHER: f"{number} of source `{_cell(report['source'])}`, which are not FER-2013.",
    }
    return texts[origin]


def _training(report: Mapping[str, Any] | None) -> str:
    if report is None:
        return ""
    if "members" in report:
        return "Its members were trained apart; `train.json` of the run names their files and checksums."
    return (
        f"Trained on {report['num_training']:,} pictures, best of {report['epochs_run']} epochs (number "
        f"{report['best_epoch']}) chosen by {report['num_validation']:,} validation pictures, on "
        f"{_cell(report['backend'])}."
    )


def _protocol(report: Mapping[str, Any] | None) -> str:
    """Which images had which part, by the report of the stage split."""
    schemes = {
        "kaggle": "Fitted on Training; PublicTest chose the epoch and the views; PrivateTest was scored.",
        "paper": "Fitted on a part of the training folder, whose rest chose the epoch; the test folder was "
        "scored.",
        "random": "Fitted, chosen and scored on disjoint random parts.",
    }
    return "" if report is None else schemes.get(report.get("scheme", ""), "")


def _about_figures(description: Description, reports: Mapping[str, Any]) -> str:
    if card_figures.is_packed(description):
        return "Of this very file, answered by ONNX Runtime on a processor."
    if "metrics.json" in reports:
        return "Of the evaluation that the model was registered or trained with; Keras answered."
    return "Of the answers that Keras gave during this export; no evaluation of the model was at hand."


def _licence(origin: Any) -> str:
    if origin is Origin.SAMPLE:
        return "The drawn faces are made by it."
    if origin is Origin.OTHER:
        return "The pictures that the model was trained on have terms of their own: look them up."
    return _FER2013_TERMS


def _lineage(description: Description, tags: Mapping[str, str]) -> list[tuple[str, str]]:
    known = {
        "registered model": description.name if description.version else None,
        "version": description.version,
        "run": description.run_id,
        "sha256 of the .keras file": description.model_sha256,
        **dict(sorted(tags.items())),
    }
    return [(_cell(name), _cell(value)) for name, value in known.items() if value]


def _cell(value: object) -> str:
    """A text that cannot end a cell, a code span or a line of Markdown."""
    return " ".join(str(value).replace("|", "/").replace("`", "'").split())

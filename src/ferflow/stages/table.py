"""The one table of stages: what each is called, runs, reads and writes.

`dvc.yaml`, the command line, the lock of a stage, what it may overwrite, the lineage of a run and the
steps of a cluster follow from it. To add a stage, add its module beside this one and its entry here
(docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ferflow.paths import CHECKPOINTS, FILTERED, MODEL, RAW, REPORTS, SPLIT


@dataclass(frozen=True)
class Curve:
    """A plot that `dvc plots show` draws of a table.

    Attributes:
        name: The name of the plot.
        file: The table, a CSV file among the outputs.
        x: Its column on the horizontal axis.
        y: Its column on the vertical axis, or several.
        title: Above the plot.
        template: The template of DVC; None: lines.
    """

    name: str
    file: Path
    x: str
    y: str | tuple[str, ...]
    title: str
    template: str | None = None


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes:
        name: The name of the command, of the stage in `dvc.yaml` and of the step in a cluster.
        summary: What it does, in a sentence.
        function: Module and name of the function that does it, such as `ferflow.stages.split:run`. It takes
            its parameters first: the one section besides `seed`, or all of them where there are several.
        sections: Parameters that decide the result, as in `params.yaml`.
        places: Name of an argument of the function to the usual path.
        inputs: Files and folders that it reads, written by the stages before it.
        outputs: Files and folders that it writes.
        metrics: Those among the outputs that `dvc metrics show` prints.
        plots: Those among the outputs that `dvc plots show` draws.
        curves: What `dvc plots show` draws of tables among them.
        files: What it reads besides Python code and inputs, below `src/ferflow/`.
        in_cluster: Whether the pipelines of a cluster have a step of its name.
    """

    name: str
    summary: str
    function: str
    sections: tuple[str, ...]
    places: Mapping[str, Path]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    metrics: tuple[Path, ...] = ()
    plots: tuple[Path, ...] = ()
    curves: tuple[Curve, ...] = ()
    files: tuple[str, ...] = ()
    in_cluster: bool = True

    @property
    def module(self) -> str:
        """The module of its function: with what that imports it is the code that decides the result."""
        return self.function.partition(":")[0]

    @property
    def own_sections(self) -> tuple[str, ...]:
        """The sections without the seed."""
        return tuple(name for name in self.sections if name != "seed")


_DOWNLOADED = REPORTS / "download.json"
_FACES = (REPORTS / "face_filter.json", REPORTS / "dropped.png")
_DATA = REPORTS / "data.json"
_HISTORY = REPORTS / "history.csv"
_TRAINED = (REPORTS / "train.json", REPORTS / "history.png")
_METRICS, _PLOTS = REPORTS / "metrics.json", REPORTS / "plots"
# Of the metrics what is compared first: few enough rows for `dvc metrics diff`.
_SCORES = REPORTS / "scores.json"

_ALL = (
    Stage(
        name="download",
        summary="Decode, check and index the images of the source; bring the face detector.",
        function="ferflow.stages.download:run",
        sections=("seed", "download"),
        places={"output_dir": RAW, "report_path": _DOWNLOADED},
        inputs=(),
        outputs=(RAW, _DOWNLOADED),
    ),
    Stage(
        name="face-filter",
        summary="Drop the images that show no face.",
        function="ferflow.stages.face_filter:run",
        sections=("face_filter",),
        places={"raw_dir": RAW, "output_dir": FILTERED, "reports_dir": REPORTS},
        inputs=(RAW,),
        outputs=(FILTERED, *_FACES),
    ),
    Stage(
        name="split",
        summary="Find duplicates and share the images out to train, validation and test.",
        function="ferflow.stages.split:run",
        sections=("seed", "split"),
        places={"raw_dir": RAW, "filtered_dir": FILTERED, "output_dir": SPLIT, "reports_dir": REPORTS},
        inputs=(RAW, FILTERED),
        outputs=(SPLIT, _DATA),
    ),
    Stage(
        name="train",
        summary="Train the network; a stopped run goes on from its last epoch.",
        function="ferflow.stages.train:run",
        sections=("seed", "model", "augment", "train"),
        places={
            "split_dir": SPLIT,
            "model_path": MODEL,
            "reports_dir": REPORTS,
            "checkpoint_dir": CHECKPOINTS,
        },
        inputs=(SPLIT,),
        outputs=(MODEL, *_TRAINED, _HISTORY),
        plots=(_HISTORY,),
        curves=(
            Curve("accuracy", _HISTORY, "epoch", ("accuracy", "val_accuracy"), "Accuracy by epoch"),
            Curve("loss", _HISTORY, "epoch", ("loss", "val_loss"), "Loss by epoch"),
        ),
        files=("built_in/model.onnx", "built_in/weights.npz"),
    ),
    Stage(
        name="evaluate",
        summary="Score the test images once, with and without those that have a copy in train or val.",
        function="ferflow.stages.evaluate:run",
        sections=("evaluate",),
        places={"split_dir": SPLIT, "model_path": MODEL, "reports_dir": REPORTS},
        # The reports of earlier stages: the page shows them.
        inputs=(SPLIT, MODEL, _DOWNLOADED, *_FACES, _DATA, *_TRAINED),
        outputs=(REPORTS / "predictions.csv", REPORTS / "report.html", _METRICS, _SCORES, _PLOTS),
        metrics=(_SCORES,),
        plots=(_PLOTS,),
        curves=(
            Curve(
                "confusion",
                _PLOTS / "confusion_matrix.csv",
                "actual",
                "predicted",
                "Confusion matrix of the test images",
                template="confusion_normalized",
            ),
            Curve(
                "calibration", _PLOTS / "calibration.csv", "confidence", "accuracy", "Accuracy by confidence"
            ),
            Curve(
                "coverage",
                _PLOTS / "coverage.csv",
                "coverage",
                "accuracy",
                "Accuracy by share of images answered",
            ),
        ),
        files=(
            "reporting/page.css",
            "reporting/base.html",
            "reporting/page.js",
            "reporting/report.html",
            "reporting/table.html",
        ),
    ),
)

STAGES = {stage.name: stage for stage in _ALL}
BEFORE_TRAINING = tuple(STAGES)[: tuple(STAGES).index("train")]

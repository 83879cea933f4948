"""Where the pipeline keeps its files, relative to the repository."""

from dataclasses import dataclass
from pathlib import Path

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")

RAW = Path("data/raw")
FILTERED = Path("data/filtered")
SPLIT = Path("data/split")
MODEL = Path("models/model.keras")
REPORTS = Path("reports")
# The network that comes with ferflow, beside its code; `python -m benchmarks.built_in` writes it.
BUILT_IN = Path(__file__).parent / "built_in"
# The registered model as ONNX; `ferflow export` writes it.
EXPORT = Path("export")

# Not results: locks of running stages and training state to go on from.
LOCKS = Path(".ferflow/locks")
CHECKPOINTS = Path(".ferflow/checkpoints")


@dataclass(frozen=True)
class Stage:
    """What a stage depends on and writes, as `dvc.yaml` names it.

    Attributes:
        sections: Of the parameters.
        inputs: Files and folders that it reads.
        outputs: Those that it writes.
    """

    sections: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]


_DOWNLOADED = REPORTS / "download.json"
_FACES = (REPORTS / "face_filter.json", REPORTS / "dropped.png")
_DATA = REPORTS / "data.json"
_TRAINED = (REPORTS / "train.json", REPORTS / "history.png")
STAGES = {
    "download": Stage(("seed", "download"), (), (RAW, _DOWNLOADED)),
    "face-filter": Stage(("face_filter",), (RAW,), (FILTERED, *_FACES)),
    "split": Stage(("seed", "split"), (RAW, FILTERED), (SPLIT, _DATA)),
    "train": Stage(
        ("seed", "model", "augment", "train"), (SPLIT,), (MODEL, *_TRAINED, REPORTS / "history.csv")
    ),
    "evaluate": Stage(
        ("evaluate",),
        (SPLIT, MODEL, _DOWNLOADED, *_FACES, _DATA, *_TRAINED),
        tuple(REPORTS / name for name in ("predictions.csv", "report.html", "metrics.json", "plots")),
    ),
}

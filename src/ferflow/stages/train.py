"""Stage train: fit the network and keep its best epoch.

Reads `data/split/train.npz` and `val.npz`; writes `models/model.keras`, `reports/history.csv`,
`reports/history.png` and `reports/train.json`. Uses the sections `seed`, `model`, `augment`, `train`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow import model, reporting
from ferflow.data.store import write_csv
from ferflow.data.subsets import load_subset
from ferflow.files import sha256_of, write_json
from ferflow.model.packed import WEIGHTS
from ferflow.params import BUILT_IN_WEIGHTS, Params
from ferflow.paths import BUILT_IN
from ferflow.progress import say
from ferflow.source_code import digests_of

if TYPE_CHECKING:
    from ferflow.model.state import TrainingState

# With what they import, the code that decides what training computes; how files are written does not.
_CODE = ("ferflow.model.training", "ferflow.model.network")
_STORAGE = ("data/store.py", "files.py")


@dataclass(frozen=True)
class TrainReport:
    """What training did; saved as `reports/train.json`.

    Attributes:
        run: Fingerprint of all that decides the result; equal runs have equal fingerprints.
        backend: Keras, its backend and their versions.
        num_training: Images that were fitted.
        num_validation: Images that chose the epoch.
        parameters: Numbers of parameters: total, trainable, frozen.
        epochs_run: Epochs until the end or the early stop.
        best_epoch: The epoch whose weights were kept.
        val_accuracy: Validation accuracy of that epoch.
        model_sha256: The SHA-256 of the saved network.
        params: The sections of the parameters that training used.
    """

    run: str
    backend: str
    num_training: int
    num_validation: int
    parameters: dict[str, int]
    epochs_run: int
    best_epoch: int
    val_accuracy: float
    model_sha256: str
    params: dict[str, object]


def run(
    params: Params,
    *,
    split_dir: Path,
    model_path: Path,
    reports_dir: Path,
    checkpoint_dir: Path,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> TrainReport:
    """Train on the split and save network, history and report.

    Args:
        params: All parameters; the sections above are used.
        split_dir: Folder of the split.
        model_path: Place of the network.
        reports_dir: Folder of history and report.
        checkpoint_dir: Folder of the state of stopped runs.
        on_epoch: Called with the history row of each epoch that this process trained.

    Raises:
        DataError: The split is missing or damaged, or a subset is empty.
        ModelError: The network cannot be built or its loss is no longer finite.
        OutputError: A result cannot be written.
    """
    training, validation = (load_subset(split_dir / f"{name}.npz") for name in ("train", "val"))
    # From here on Keras is loaded: the inputs are known to be good.
    used = params.model_dump(include={"seed", "model", "augment", "train"})
    fingerprint = _fingerprint(params, used, split_dir)
    model.backend.set_up_process(params.seed, params.train.precision, params.train.devices)
    network = model.network.build_network(params.model)
    counts = model.network.count_parameters(network)
    say(f"{counts.total:,} parameters, {counts.trainable:,} trainable; {len(training.images):,} images")
    checkpoints = model.checkpoint.CheckpointStore(checkpoint_dir, fingerprint)

    def tell(row: dict[str, float]) -> None:
        say(_describe(row, params.train.epochs))
        if on_epoch is not None:
            on_epoch(row)

    state = model.training.train_network(
        network, training, validation, params=params, checkpoints=checkpoints, on_epoch=tell
    )
    model.saving.save_network(network, params.model, model_path)
    _write_history(state, reports_dir)
    report = TrainReport(
        run=fingerprint,
        backend=model.backend.backend_version(),
        num_training=len(training.images),
        num_validation=len(validation.images),
        parameters=counts._asdict(),
        epochs_run=state.epoch,
        best_epoch=state.best_epoch,
        val_accuracy=round(state.best_accuracy, 6),
        model_sha256=sha256_of(model_path),
        params=used,
    )
    write_json(reports_dir / "train.json", asdict(report))
    return report


def code_digest() -> str:
    """Digest of the modules that decide what training computes."""
    return hashlib.sha256(json.dumps(_code_digests()).encode()).hexdigest()


def _code_digests() -> list[str]:
    return [digest for name, digest in digests_of(*_CODE).items() if name not in _STORAGE]


def _fingerprint(params: Params, used: dict[str, object], split_dir: Path) -> str:
    """What decides the result of training: parameters, arithmetic, data, starting weights, code, versions."""
    teacher = Path(params.train.teacher or "")
    started_from = [*_weight_files(params.model.weights), *([teacher] if teacher.is_file() else [])]
    inputs = [split_dir / "train.npz", split_dir / "val.npz", *started_from]
    parts = {
        "params": used,
        # `auto` means another one on another machine, which a checkpoint on a shared volume may meet.
        "precision": model.backend.dtype_policy(params.train.precision),
        "backend": model.backend.backend_version(),
        "code": _code_digests(),
        "inputs": [sha256_of(path) for path in inputs],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _weight_files(weights: str | None) -> list[Path]:
    """The files that training starts from."""
    if weights == BUILT_IN_WEIGHTS:
        return [BUILT_IN / "model.onnx", BUILT_IN / WEIGHTS]
    path = Path(weights or "")
    return [path] if path.is_file() else []


def _describe(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']:.0f}/{epochs}: loss {row['loss']:.4f}, accuracy {row['accuracy']:.4f}, "
        f"validation loss {row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}"
    )


def _write_history(state: TrainingState, reports_dir: Path) -> None:
    columns = {
        name: [f"{row[name]:.0f}" if name == "epoch" else f"{row[name]:.6g}" for row in state.history]
        for name in state.history[0]
    }
    write_csv(reports_dir / "history.csv", columns)
    reporting.history.plot_history(
        {name: [float(value) for value in values] for name, values in columns.items()},
        reports_dir / "history.png",
    )

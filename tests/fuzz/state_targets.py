"""State files, which a kill, a full disk or a flipped bit may have torn, and settings that somebody edits.

A target of several files gets its bytes as one of them; its seeds write the others.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ferflow.cluster.figures import read_report as read_step_report
from ferflow.errors import FerflowError
from ferflow.model.packed import trained_params
from ferflow.reporting.comparison import origin_of
from ferflow.reporting.outline import outline, read_report
from ferflow.tracking.lineage import NOTES, note_stage
from ferflow.tracking.outbox.figures import read_json
from ferflow.tracking.outbox.journal import Journal, Record, Subset, Value, close_killed
from ferflow.tracking.outbox.sent import Former, Sent
from pipelines.settings import CONFIG, load_settings

_RECORD = Record(
    key="20260101-000000-aaaa",
    name="a run",
    started=1000,
    params={"train.epochs": "3"},
    metrics={"test_accuracy": 0.5},
    subsets=[Subset("train", "data/split/train.npz", "0" * 64, 5)],
    model={"labels": ["sad"]},
)
_VALUES = [Value(1000 + step, step, {"loss": 1 / step, "accuracy": 0.5}) for step in (1, 2)]
_SENT = Sent(
    "mlruns/mlflow.db ferflow", "f" * 32, num_values=2, tags={"a": "b"}, metrics={"test_accuracy": 1.0}
)


def read_run(content: bytes, folder: Path) -> object:
    """A run that its process left behind is closed, or is what `track status` calls damaged."""
    journal = _journal(folder)
    (journal.folder / "run.json").write_bytes(content)
    close_killed(folder)
    return journal.read()


def read_values(content: bytes, folder: Path) -> object:
    """What can be read is the same before and after the rest is set aside, and then there is no rest."""
    journal = _journal(folder)
    (journal.folder / "values.jsonl").write_bytes(content)
    found = journal.values()
    journal.set_aside()
    journal.append(_VALUES[0])
    if str(journal.values()) != str([*found, _VALUES[0]]):  # NaN, too, stays what it is
        raise AssertionError(f"{len(found)} values became others")
    if journal.set_aside():
        raise AssertionError("something was left to set aside")
    return found


def read_sent(content: bytes, folder: Path) -> object:
    """What a store confirmed is known, and can be written again, or is not known."""
    journal = _journal(folder)
    (journal.folder / "sent.json").write_bytes(content)
    sent = Sent.load(journal)
    if sent is None:
        return None
    sent.at("another place").save(journal)
    sent.places_with("0" * 64)
    return Sent.load(journal)


def read_checkpoint(content: bytes, folder: Path) -> object:
    """A state is the one that was saved, or there is none to go on from."""
    return _load_checkpoint("state.json", content, folder)


def read_checkpoint_arrays(content: bytes, folder: Path) -> object:
    """The same of the arrays."""
    return _load_checkpoint("arrays.npz", content, folder)


def read_settings(content: bytes, folder: Path) -> object:
    """The settings of the cluster, as somebody edits them."""
    (folder / "config.yaml").write_bytes(content)
    return load_settings(folder / "config.yaml")


def read_figures(content: bytes, folder: Path) -> object:
    """A report, as tracking, the steps of a pipeline and the pages read it."""
    path = folder / "metrics.json"
    path.write_bytes(content)
    with suppress(FerflowError):
        read_json(path, ("accuracy",))
    with suppress(FerflowError):
        read_step_report(path)
    found = read_report(path) or {}
    outline(found)
    return origin_of(found)


def read_notes(content: bytes, folder: Path) -> object:
    """What an earlier step noted of its outputs."""
    (folder / NOTES).write_bytes(content)
    return note_stage(folder, "split", {Path("data/split"): folder / "none"})


def read_training(content: bytes, folder: Path) -> object:
    """The report of the training that the built-in network came from."""
    (folder / "train.json").write_bytes(content)
    return trained_params(folder)


def runs(_: Path) -> list[bytes]:
    """Records."""
    return [json.dumps(asdict(_RECORD)).encode(), b'{"key": "a", "name": "b"}']


def values(_: Path) -> list[bytes]:
    """Lines of values, the last one torn."""
    lines = b"".join(json.dumps(asdict(value)).encode() + b"\n" for value in _VALUES)
    return [lines, lines[:-9]]


def sents(_: Path) -> list[bytes]:
    """What stores have confirmed."""
    former = {"https://a b": Former("e" * 32, "0" * 64)}
    return [json.dumps(asdict(sent)).encode() for sent in (_SENT, Sent("x", former=former))]


def checkpoint_states(folder: Path) -> list[bytes]:
    """The state of a generation; its arrays lie beside it."""
    return [(_saved(folder) / "state.json").read_bytes(), b"{}"]


def checkpoint_arrays(folder: Path) -> list[bytes]:
    """The arrays of a generation; its state lies beside them."""
    return [(_saved(folder) / "arrays.npz").read_bytes()]


def settings(_: Path) -> list[bytes]:
    """The settings in the repository."""
    return [CONFIG.read_bytes()]


def figures(_: Path) -> list[bytes]:
    """Reports of stages."""
    found = {"source": "sample", "accuracy": 0.5, "leak_free": {"accuracy": None}, "seed": 1, "labels": ["a"]}
    tables = {"per_class": {"happy": {"recall": 1.0}}, "counts": {"happy": 3, "sad": 4}}
    return [json.dumps(found | tables).encode(), b"[]", b'"accuracy"', b"5", b"null"]


def notes(_: Path) -> list[bytes]:
    """Notes of steps."""
    return [b'{"download": "data/raw 0123.dir"}']


def trainings(_: Path) -> list[bytes]:
    """A training's report."""
    return [b'{"params": {"model": {"backbone": "resnet_v2", "widths": [8, 16]}}}', b"[]"]


def _journal(folder: Path) -> Journal:
    journal = Journal(folder / ".ferflow" / "tracking" / _RECORD.key)
    journal.folder.mkdir(parents=True, exist_ok=True)
    return journal


def _saved(folder: Path) -> Path:
    from ferflow.model.checkpoint import CheckpointStore

    CheckpointStore(folder, "f" * 16).save(3, {"model00000": np.arange(6.0)}, {"epoch": 3, "names": ["é"]})
    return folder / ("f" * 16) / "epoch-00003"


def _load_checkpoint(name: str, content: bytes, folder: Path) -> object:
    from ferflow.model.checkpoint import CheckpointStore

    generation = _saved(folder)
    (generation / name).write_bytes(content)
    found = CheckpointStore(folder, "f" * 16).load()
    if found is None:
        return None
    arrays, state = found
    if state != {"epoch": 3, "names": ["é"]} or arrays["model00000"].tolist() != list(range(6)):
        raise AssertionError(f"another state than was saved: {state} {arrays}")
    return found

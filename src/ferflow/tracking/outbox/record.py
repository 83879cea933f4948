"""What a journal holds: the record of a run, its values, and their reading from files that may be damaged."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ferflow.errors import TrackingError

# States of a run. A run that is not running is one that `upload` ends in the store, too.
RUNNING: Final = "running"
TRAINED: Final = "trained"
EVALUATED: Final = "evaluated"
FAILED: Final = "failed"
KILLED: Final = "killed"

State = Literal["running", "trained", "evaluated", "failed", "killed"]
# Milliseconds, epochs, numbers of samples: what MLflow's columns take.
Count = Annotated[int, Field(ge=0, le=2**53)]
# JSON has no word for the other numbers: a file that holds one could not be written again.
Figure = Annotated[float, Field(allow_inf_nan=False)]
# No state file of a run is larger; one that is was written by something else.
_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Subset:
    """A data set that a run used.

    Attributes:
        name: `train`, `val` or `test`.
        path: Its file, relative to the repository.
        sha256: The SHA-256 of the file.
        num_images: How many images it holds.
    """

    name: str
    path: str
    sha256: str
    num_images: int


@dataclass
class Record:
    """What `run.json` holds.

    Attributes:
        key: Name of the journal's folder; the tag `ferflow.journal` of the run.
        name: Name of the run for people.
        state: `running`, `trained`, `evaluated`, `failed` or `killed`.
        started: Start of the run in milliseconds since 1970.
        ended: End of it, or 0.
        description: What the run is, in words (Markdown).
        params: Dotted name to value, as text.
        tags: Name to value.
        metrics: Figures of the run as a whole.
        subsets: The data that it used.
        run: Fingerprint of the training, as in `reports/train.json`; empty until training ended.
        model_sha256: The SHA-256 of the network's file; empty until training ended.
        evaluation: Digest of what the test figures came from; empty until they are there.
        model: How the network is to be called, for the logged model; empty until it is evaluated.
        process: Number of the process that wrote last.
    """

    key: str
    name: str
    state: State = RUNNING
    started: Count = 0
    ended: Count = 0
    description: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Figure] = field(default_factory=dict)
    subsets: list[Subset] = field(default_factory=list)
    run: str = ""
    model_sha256: str = ""
    evaluation: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    process: int = 0


@dataclass(frozen=True)
class Value:
    """One line of `values.jsonl`.

    Attributes:
        time: Milliseconds since 1970.
        step: The epoch, counted from 1, or the number of the sample.
        values: Name of the metric to its value.
    """

    time: Count
    step: Count
    values: dict[str, float]


def read_bytes(path: Path) -> bytes:
    """A state file as it is, of a size that it can have.

    Raises:
        OSError: It is missing, cannot be read or is far too large.
    """
    with path.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(f"larger than {_MAX_BYTES >> 20} MiB")
    return content


def read_record(path: Path) -> Record:
    """What a `run.json` holds.

    Raises:
        TrackingError: It is missing or damaged.
    """
    try:
        return _records().validate_json(read_bytes(path))
    except (OSError, ValueError) as error:
        reason = _problem_of(error) if isinstance(error, ValidationError) else str(error)
        raise TrackingError(
            f"{path}: not readable ({reason}); put a copy of it back, or remove {path.parent} to give its "
            "run up"
        ) from error


def read_values(path: Path) -> tuple[list[Value], list[bytes]]:
    """The lines of a `values.jsonl` that can be read, and the others as they are.

    Raises:
        TrackingError: The file cannot be read at all.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise TrackingError(
            f"{path}: not readable ({error.strerror}); give this user the right to read it, or remove "
            f"{path.parent} to give its run up"
        ) from error
    found, rejected = [], []
    for line in filter(None, lines):
        try:
            found.append(_values().validate_json(line))
        except ValueError:
            rejected.append(line)
    return found, rejected


def _problem_of(error: ValidationError) -> str:
    """The first thing that is wrong with a state file, in one line."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


@cache
def _records() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


@cache
def _values() -> TypeAdapter[Value]:
    return TypeAdapter(Value)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_key() -> str:
    """A name for a journal: when it began, and something random."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"

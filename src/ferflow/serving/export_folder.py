"""The export folder as its reader sees it: `export.json`, and files that are what it says they are.

`ferflow export` writes the folder: `model.onnx` and `model.int8.onnx` (images in, probabilities and
maps out), `export.json`, `model_card.md` and, where the pipeline found faces by YuNet, `detector.onnx`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.limits import parse_json

Precision = Literal["float32", "int8"]

DESCRIPTION = "export.json"
DETECTOR = "detector.onnx"
MODELS: dict[str, str] = {"float32": "model.onnx", "int8": "model.int8.onnx"}
# The field `key` of an entry of `external_data`, as ONNX's protobuf writes it. ONNX Runtime would read the
# file that it names, from the folder in which ferflow was started.
_EXTERNAL_DATA = re.compile(rb"\x0a(?:\x08|\x88\x80*\x00)location")
_CURE = "write the folder with 'ferflow export', or name another one"


@dataclass(frozen=True)
class Description:
    """What `export.json` says of the model.

    Attributes:
        name: The name of the registered model.
        version: The version of the registry; None for a bare .keras file.
        run_id: The id of the run that trained it; None for a bare .keras file.
        model_sha256: The SHA-256 of the .keras file.
        labels: The emotions, in the order of the probabilities.
        image_size: Side of a face in pixels.
        test_time_augmentation: Views whose mean is taken, as `evaluate.test_time_augmentation`.
        temperature: The temperature of the confidence; None where none was fitted.
        detector: `yunet`, with its file in the folder; `haar`, whose cascades come with OpenCV; `auto`: YuNet
            from the user's cache, else haar.
        detector_sha256: The SHA-256 of that file; None for haar and auto.
        files: File name to SHA-256.
        checks: Figures of the export.
        trained_on: What its images were, such as `FER-2013`; None where that is not known.
        figures: What it was scored with on test images; None where it was not.
    """

    name: str
    version: str | None
    run_id: str | None
    model_sha256: str
    labels: tuple[str, ...]
    image_size: int
    test_time_augmentation: str
    temperature: float | None
    detector: Literal["yunet", "haar", "auto"]
    detector_sha256: str | None
    files: dict[str, str]
    checks: dict[str, Any]
    # Exports of earlier versions have none of these.
    trained_on: str | None = None
    figures: dict[str, Any] | None = None


def read_description(folder: Path) -> Description:
    """Read and check `export.json`.

    Raises:
        ModelError: It is missing, damaged, or describes a model that this ferflow cannot use.
    """
    path = folder / DESCRIPTION
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{path}: not found, so there is no exported model; {_CURE}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({error}); {_CURE}") from error
    names = {field.name for field in fields(Description)}
    required = {field.name for field in fields(Description) if field.default is MISSING}
    missing = sorted(required - set(content)) if isinstance(content, dict) else sorted(required)
    if missing:
        raise ModelError(f"{path}: lacks {', '.join(missing)}; {_CURE}")
    values = {name: content[name] for name in names if name in content}
    if isinstance(values["labels"], list):
        values["labels"] = tuple(values["labels"])
    description = Description(**values)
    _check(description, path)
    return description


def read_file(folder: Path, name: str, description: Description) -> bytes:
    """Read a file of the folder and see that it is the one that was exported.

    Raises:
        ModelError: The file is missing or another one.
    """
    path = folder / name
    expected = description.files.get(name)
    if expected is None:
        raise ModelError(f"{folder / DESCRIPTION}: names no {name}; {_CURE}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: not found, but {DESCRIPTION} names it; {_CURE}") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {_CURE}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelError(
            f"{path}: damaged or another file: {len(content):,} bytes with sha256 {found}, "
            f"expected {expected}; {_CURE}"
        )
    if name.endswith(".onnx") and _EXTERNAL_DATA.search(content):
        raise ModelError(
            f"{path}: takes weights from other files, which nothing vouches for; expected one that holds "
            f"them all; {_CURE}"
        )
    return content


def _check(description: Description, path: Path) -> None:
    temperature = description.temperature
    expected: list[tuple[str, bool, str]] = [
        ("labels", description.labels == EMOTIONS, ", ".join(EMOTIONS)),
        ("image_size", description.image_size == IMAGE_SIZE, str(IMAGE_SIZE)),
        (
            "temperature",
            temperature is None or (isinstance(temperature, int | float) and temperature > 0),
            "null or a number above 0",
        ),
        ("detector", description.detector in ("yunet", "haar", "auto"), "yunet, haar or auto"),
        ("files", isinstance(description.files, dict), "file names with their SHA-256"),
        ("trained_on", isinstance(description.trained_on, str | None), "a text or null"),
        ("figures", isinstance(description.figures, dict | None), "figures by name, or null"),
    ]
    for key, is_right, wanted in expected:
        if not is_right:
            raise ModelError(f"{path}: {key} is {getattr(description, key)!r}, expected {wanted}; {_CURE}")


def model_file(precision: str) -> str:
    """Name of the model's file.

    Raises:
        ModelError: There is no such precision.
    """
    if precision not in MODELS:
        raise ModelError(f"precision is {precision!r}, expected {' or '.join(get_args(Precision))}")
    return MODELS[precision]

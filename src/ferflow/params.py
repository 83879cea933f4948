"""Typed, strict parameters of all sections; `params.yaml` is their only home.

An unknown key, a wrong type or a value out of range is one error that names the key, the value
and what is allowed. Defaults live in the YAML files, not here: a missing key is an error too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ferflow.errors import ParamsError
from ferflow.labels import IMAGE_SIZE
from ferflow.places import expanded
from ferflow.progress import say
from ferflow.sweep_params import TuneParams

_UNION_MEMBER = re.compile(r"(int|str|constrained-int|literal\[.*\])$")

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Dropout = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


# Keys that came after the first files were written, with the value that changes nothing.
_LATER_KEYS: dict[str, dict[str, Any]] = {
    "download": {"map": []},
    "train": {
        "teacher": None,
        "teacher_share": 0.5,
        "teacher_temperature": 2.0,
        "steps_per_dispatch": "auto",
        "device_data_mib": "auto",
    },
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DownloadParams(_Section):
    """Where the images and the face detector come from, and what is too much or too bad."""

    source: Literal["sample", "archive", "csv", "kaggle"]
    path: str | None
    map: list[str]
    sha256: Sha256 | None
    detector: str
    sample_images: Annotated[int, Field(ge=140, le=100_000)]
    max_bad_share: Share
    max_members: PositiveInt
    max_member_bytes: PositiveInt
    max_total_bytes: PositiveInt
    max_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    max_image_pixels: Annotated[int, Field(ge=IMAGE_SIZE**2)]
    fetch_attempts: Annotated[int, Field(ge=1, le=10)]
    fetch_timeout: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]

    @field_validator("path", "detector")
    @classmethod
    def _expanded(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else expanded(value, key=f"download.{info.field_name}")

    @field_validator("map", mode="before")
    @classmethod
    def _map_as_entries(cls, value: Any) -> Any:
        """A mapping, `{1: surprise, contempt: null}`, is the same as its entries."""
        if isinstance(value, dict):
            return [f"{name}={'' if target is None else target}" for name, target in value.items()]
        return value

    @model_validator(mode="after")
    def _path_fits_source(self) -> Self:
        if self.source in ("archive", "csv") and not self.path:
            raise ValueError(f"path is null, but source {self.source} needs the path of the {self.source}")
        if self.source in ("sample", "kaggle") and self.path is not None:
            raise ValueError(
                f"path is {self.path!r}, but source {self.source} has none; set source archive or csv"
            )
        if self.source in ("sample", "kaggle") and self.sha256 is not None:
            raise ValueError(f"sha256 is set, but source {self.source} has no file to check; set it to null")
        return self


class YuNetLook(_Section):
    """One way in which YuNet looks at an image: enlarged, turned, equalised, framed."""

    side: Annotated[int, Field(ge=32, le=1024)]
    margin: Annotated[int, Field(ge=0, le=512)]
    turn: Literal[0, 90, 180, 270]
    contrast: Annotated[float, Field(ge=0, le=40, allow_inf_nan=False)]


class HaarLook(_Section):
    """One way in which a Haar cascade looks at an image: which one, enlarged, framed, in which steps."""

    cascade: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    side: Annotated[int, Field(ge=48, le=1024)]
    margin: Annotated[int, Field(ge=0, le=512)]
    smallest: Annotated[int, Field(ge=20, le=1024)]
    step: Annotated[float, Field(gt=1.005, le=2, allow_inf_nan=False)]
    half_score_votes: PositiveInt


class FaceFilterParams(_Section):
    """When an image counts as showing a face, and the looks that a detector takes, cheapest first."""

    min_score: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    accept_score: Share
    max_lost_share: Share
    yunet_looks: Annotated[list[YuNetLook], Field(min_length=1)]
    haar_looks: Annotated[list[HaarLook], Field(min_length=1)]

    @model_validator(mode="after")
    def _accepts_what_it_keeps(self) -> Self:
        if self.accept_score < self.min_score:
            raise ValueError(
                f"accept_score {self.accept_score} is below min_score {self.min_score}; "
                "a score that ends the search must be one that keeps the image: raise accept_score too"
            )
        return self


class SplitParams(_Section):
    """Which images train, which select and which are scored."""

    scheme: Literal["paper", "kaggle", "random"]
    validation_share: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)]
    test_share: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)]
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]
    near_duplicate_correlation: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    contradictory: Literal["keep", "drop"]
    leaked: Literal["keep", "drop"]


# What `model.weights` calls those of the network that comes with ferflow.
BUILT_IN_WEIGHTS = "compact"


class ModelParams(_Section):
    """The network: backbone, what of it is trained, head."""

    backbone: Literal["resnet50v2", "resnet_v2"]
    weights: str | None
    unfreeze_layers: NonNegativeInt | Literal["all"]
    image_size: Annotated[int, Field(ge=32, le=512)]
    stem: Literal["imagenet", "stride2", "stride1"]
    widths: list[PositiveInt]
    depths: list[PositiveInt]
    pooling: Literal["flatten", "average"]
    dropout_features: Dropout
    dense_units: NonNegativeInt
    dropout_head: Dropout

    @field_validator("weights")
    @classmethod
    def _expanded(cls, value: str | None) -> str | None:
        return None if value is None else expanded(value, key="model.weights")

    @model_validator(mode="after")
    def _keys_fit_backbone(self) -> Self:
        if self.backbone == "resnet50v2" and self.stem != "imagenet" and self.weights == "imagenet":
            raise ValueError(
                f"weights imagenet do not fit stem {self.stem}; use stem imagenet or weights null"
            )
        if self.backbone == "resnet_v2":
            if len(self.widths) != len(self.depths) or not self.widths:
                raise ValueError(
                    f"widths has {len(self.widths)} entries and depths {len(self.depths)}; "
                    "backbone resnet_v2 needs one of each a stage"
                )
            if self.weights == "imagenet":
                raise ValueError(
                    "weights imagenet do not exist for backbone resnet_v2; use null, compact or a path"
                )
        return self


class Unfreezing(_Section):
    """A stage of training: from an epoch on, counted from 1, so many last backbone layers are trained."""

    epoch: Annotated[int, Field(ge=2, le=10_000)]
    layers: NonNegativeInt | Literal["all"]


class TrainParams(_Section):
    """The optimisation: how long, how fast, when to stop."""

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=8192)]
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
    schedule: Literal["plateau", "cosine"]
    warmup_epochs: NonNegativeFloat
    momentum: Dropout
    weight_decay: Share
    label_smoothing: Dropout
    ema_momentum: Dropout
    teacher: str | None
    teacher_share: Share
    teacher_temperature: Annotated[float, Field(gt=0, le=20, allow_inf_nan=False)]
    unfreeze: list[Unfreezing]
    plateau_factor: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
    plateau_patience: PositiveInt
    early_stopping_patience: NonNegativeInt
    precision: Literal["auto", "float32", "mixed_bfloat16"]
    devices: Annotated[int, Field(ge=1, le=64)]
    steps_per_dispatch: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"]
    device_data_mib: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"]

    @model_validator(mode="after")
    def _devices_share_a_batch(self) -> Self:
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size is {self.batch_size}, which {self.devices} devices cannot share evenly; make it "
                "a multiple of devices"
            )
        return self

    @model_validator(mode="after")
    def _keys_fit_optimizer(self) -> Self:
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError(
                f"weight_decay is {self.weight_decay}, but optimizer adam has none; use adamw or 0.0"
            )
        if self.schedule == "cosine" and self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs:g}, expected less than epochs ({self.epochs}); "
                "lower warmup_epochs or raise epochs"
            )
        starts = [stage.epoch for stage in self.unfreeze]
        if starts != sorted(set(starts)) or max(starts, default=0) > self.epochs:
            raise ValueError(
                f"unfreeze has stages from epochs {starts}, expected rising numbers up to epochs "
                f"({self.epochs}); order them or raise epochs"
            )
        return self


class AugmentParams(_Section):
    """Random changes of a training image; each is drawn anew for each image and step."""

    rotation: Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)]
    zoom: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    shift: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    flip: bool
    brightness: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    contrast: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    erasing: Share
    erasing_area: Annotated[float, Field(gt=0, le=0.9, allow_inf_nan=False)]
    mixup: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class EvaluateParams(_Section):
    """How the test subset is scored."""

    batch_size: Annotated[int, Field(ge=1, le=8192)]
    test_time_augmentation: Literal["none", "flip", "ten_crop", "whole_and_ten_crop"]
    confidence_level: Annotated[float, Field(gt=0.5, lt=1, allow_inf_nan=False)]
    calibration_bins: Annotated[int, Field(ge=2, le=100)]


class RegistryParams(_Section):
    """What a registered model needs to become champion."""

    class_floor: Share
    significance: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
    equal_margin: Share


class ExportParams(_Section):
    """How much the exported model may differ from the network, and what it is quantised by."""

    calibration_images: PositiveInt
    max_difference: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    max_accuracy_loss: Share


class Params(_Section):
    """All parameters of one run.

    Attributes:
        profile: Name of the profile that the values started from; a label, nothing reads it.
        seed: Seed of the sample, the split, the initial weights, the shuffling and the augmentation.
    """

    profile: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    download: DownloadParams
    face_filter: FaceFilterParams
    split: SplitParams
    model: ModelParams
    augment: AugmentParams
    train: TrainParams
    evaluate: EvaluateParams
    registry: RegistryParams
    export: ExportParams
    tune: TuneParams


def load_params(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        ParamsError: The file is missing, is not YAML, or a key or value is wrong.
    """
    return check_params(read_yaml(path), origin=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping as plain Python values.

    Raises:
        ParamsError: The file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: not found; run the command in the repository's folder; "
            "'ferflow profile sample' writes the file there"
        ) from None
    except (OSError, UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise ParamsError(
            f"{path}: not readable as YAML ({_one_line(error)}); mend it, or run 'ferflow profile sample'"
        ) from error
    if not isinstance(content, dict):
        raise ParamsError(
            f"{path}: holds {type(content).__name__}, expected a mapping of sections; "
            "run 'ferflow profile sample'"
        )
    return content


def check_params(values: dict[str, Any], *, origin: str) -> Params:
    """Check values against the schema.

    Args:
        values: Nested plain values.
        origin: What the error calls the place they came from, such as a file name.

    Raises:
        ParamsError: Names every wrong key with its value and what is allowed.
    """
    try:
        return Params.model_validate(_with_later_keys(values, origin))
    except ValidationError as error:
        problems = [describe_problem(problem) for problem in error.errors()]
    raise ParamsError(f"{origin}: " + "\n  ".join(problems))


def _with_later_keys(values: dict[str, Any], origin: str) -> dict[str, Any]:
    """The values of a file that is older than some keys, with what these stood for before there were any."""
    filled, added = dict(values), []
    for section, later in _LATER_KEYS.items():
        if isinstance(found := values.get(section), dict) and (absent := later.keys() - found.keys()):
            filled[section] = {**found, **{key: later[key] for key in absent}}
            added += [f"{section}.{key}" for key in later if key in absent]
    if added:
        say(
            f"{origin}: is older than {', '.join(added)}, which are taken as before they existed; "
            "'ferflow profile NAME' writes a file with all keys"
        )
    return filled


def describe_problem(problem: Any) -> str:
    """One wrong key or value of a `ValidationError`: the key, what was found, what is allowed."""
    # A union adds the member it tried to the location, such as `int` or `literal['all']`; the entries of
    # `tune.space` add their kind after their place in the list.
    place = problem["loc"]
    parts = [
        str(part) for before, part in zip(("", *place), place, strict=False) if not _is_kind(before, part)
    ]
    is_unknown = problem["type"] in ("extra_forbidden", "missing")
    key = ".".join(part for part in parts if is_unknown or not _UNION_MEMBER.match(part))
    found = problem["input"]
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key (value {found!r}); remove it or mend its spelling"
    if problem["type"] == "missing":
        return f"{key}: missing; add it, or start from a profile with 'ferflow profile NAME'"
    if problem["type"] == "value_error":
        return f"{key}.{problem['ctx']['error']}"  # The text begins with a key of the section.
    message = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key}: {found!r} found, expected {message}"


def _is_kind(before: str | int, part: str | int) -> bool:
    return isinstance(before, int) and part in ("float", "int", "choice")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

"""Typed, strict settings of the cluster; `pipelines/config.yaml` is their only home."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ferflow.errors import ParamsError
from ferflow.params import describe_problem, read_yaml

# The cure that a missing key of params.yaml has.
_NOT_A_PROFILE = "start from a profile with 'ferflow profile NAME'"
CONFIG = Path(__file__).with_name("config.yaml")


def _like(pattern: str, wanted: str) -> AfterValidator:
    """A check that a text fits a pattern; the error says in words what is wanted."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise PydanticCustomError("unlike", "{wanted}", {"wanted": wanted})
        return text

    return AfterValidator(check)


Name = Annotated[
    str,
    Field(max_length=253),
    _like(
        r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "a name in Kubernetes: small letters, digits, hyphens and full stops",
    ),
]
Variable = Annotated[str, _like(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")]
Cpu = Annotated[str, _like(r"[0-9]+(\.[0-9]+)?m?", 'a number of cores as text, such as "2" or 500m')]
Memory = Annotated[str, _like(r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|K|M|G|T)", "a size such as 16Gi or 512Mi")]
Url = Annotated[str, _like(r"https?://[^/\s]+\S*", "an address such as http://localhost:8080")]
AbsolutePath = Annotated[str, _like(r"/\S+", "an absolute path, such as /data")]
ImageName = Annotated[
    str,
    _like(
        r"[^\s:@]+(:[0-9]+/[^\s:@]+)?([:@]\S+)?",
        "the name of an image, such as registry.example/me/ferflow:0.1.0",
    ),
]
Resource = Annotated[
    str, _like(r"[a-z0-9.-]+(/[A-Za-z0-9._-]+)?", "the name of a resource, such as nvidia.com/gpu")
]
Labels = dict[str, str]
SecretKind = Literal["mlflow", "postgresql", "kaggle", "webhook"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Image(_Section):
    """The image that every step runs in."""

    name: ImageName
    backend: Literal["tensorflow", "jax"]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[Name]


class Server(_Section):
    """Kubeflow Pipelines, and how to be let in."""

    host: Url
    url: Url | None
    namespace: Name | None
    experiment: Annotated[str, Field(min_length=1, max_length=128)]
    authentication: Literal["none", "token", "service_account"]
    token_variable: Variable
    token_file: AbsolutePath
    ca_certificate: str | None
    service_account: Name | None

    @property
    def pages(self) -> str:
        """Address of Kubeflow's pages."""
        return (self.url or self.host).rstrip("/")


class Step(_Section):
    """What a step gets, and how long and how often it may try."""

    cpu: Cpu
    memory: Memory
    gpus: Annotated[int, Field(ge=0, le=64)]
    cache: bool
    retries: Annotated[int, Field(ge=0, le=100)]
    timeout: Annotated[int, Field(ge=1)]
    secrets: list[SecretKind]


class Steps(_Section):
    """All steps, by name."""

    check_parameters: Step
    download: Step
    face_filter: Step
    split: Step
    train: Step
    tune_worker: Step
    tune_best: Step
    evaluate: Step
    register_: Annotated[Step, Field(alias="register")]
    report_end: Step

    def of(self, name: str) -> Step:
        """The settings of a step."""
        step: Step = getattr(self, "register_" if name == "register" else name)
        return step


class Retry(_Section):
    """How long to wait between tries, in seconds."""

    wait: Annotated[int, Field(ge=0)]
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    longest_wait: Annotated[int, Field(ge=1)]


class Toleration(_Section):
    """A taint that pods put up with."""

    key: str | None = None
    operator: Literal["Equal", "Exists"]
    value: str | None = None
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] | None = None

    @model_validator(mode="after")
    def _value_fits_operator(self) -> Self:
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError(
                f"value is {self.value!r} with operator {self.operator}; Equal needs one, Exists has none"
            )
        return self


class Gpu(_Section):
    """What steps with GPUs get besides."""

    resource: Resource
    node_selector: Labels
    tolerations: list[Toleration]
    shared_memory: Memory | None


class Spot(_Section):
    """Nodes that may be taken away, for train and tune_worker."""

    enabled: bool
    node_selector: Labels
    tolerations: list[Toleration]


class Volume(_Section):
    """A volume claim, and where pods see it."""

    claim: Name
    path: AbsolutePath


class Volumes(_Section):
    """Where checkpoints outlive a pod, and where an archive lies."""

    work: Volume | None
    data: Volume | None


class Secret(_Section):
    """A secret by name, whether pods start without it, and which of its keys becomes which variable."""

    name: Name
    optional: bool
    keys: Annotated[dict[str, Variable], Field(min_length=1)]


class Secrets(_Section):
    """The secrets that the cluster has."""

    mlflow: Secret | None
    postgresql: Secret | None
    kaggle: Secret | None
    webhook: Secret | None


class Sweep(_Section):
    """How wide a sweep is."""

    workers: Annotated[int, Field(ge=1, le=1024)]


class Settings(_Section):
    """All settings of a cluster."""

    image: Image
    server: Server
    steps: Steps
    retry: Retry
    gpu: Gpu
    spot: Spot
    volumes: Volumes
    secrets: Secrets
    sweep: Sweep

    @model_validator(mode="after")
    def _backend_shares_batches(self) -> Self:
        most = max(self.steps.train.gpus, self.steps.tune_worker.gpus)
        if most > 1 and self.image.backend != "jax":
            raise ValueError(
                f"image.backend is {self.image.backend}, which trains on one GPU, but a step has {most}; set "
                "jax, or one GPU"
            )
        return self

    @model_validator(mode="after")
    def _spot_has_a_volume(self) -> Self:
        if self.spot.enabled and self.volumes.work is None:
            raise ValueError(
                "spot.enabled is true, but volumes.work is null: an evicted training would start anew; name "
                "a claim or set spot.enabled: false"
            )
        return self


def load_settings(path: Path = CONFIG) -> Settings:
    """Read and check the settings.

    Raises:
        ParamsError: The file is missing, is not YAML, or a key or value is wrong.
    """
    if not path.exists():
        raise ParamsError(
            f"{path}: not found; give --config a copy of pipelines/config.yaml, or leave it out"
        )
    return check_settings(read_yaml(path), origin=str(path))


def changed(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Settings with other values of some keys, checked.

    Args:
        settings: The settings.
        changes: Dotted key to value; None changes nothing.

    Raises:
        ParamsError: A value is wrong.
    """
    content = settings.model_dump(by_alias=True)
    given = {key: value for key, value in changes.items() if value is not None}
    for key, value in given.items():
        *sections, last = key.split(".")
        place = content
        for section in sections:
            place = place[section]
        place[last] = value
    return check_settings(content, origin=f"settings with another {', '.join(given) or 'nothing'}")


def check_settings(values: object, *, origin: str) -> Settings:
    """Check settings.

    Args:
        values: Nested plain values.
        origin: What the error calls the place they came from.

    Raises:
        ParamsError: Names every wrong key with its value and what is allowed.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [describe_problem(problem) for problem in error.errors()]
    shown = [text.removeprefix(".").replace(_NOT_A_PROFILE, "take it from git") for text in problems]
    raise ParamsError(f"{origin}: " + "\n  ".join(shown))

"""The sections of `pipelines/config.yaml`, typed and strict."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipelines.kinds import (
    AbsolutePath,
    Claim,
    Cpu,
    Header,
    ImageName,
    Labels,
    Memory,
    Name,
    Resource,
    SecretKind,
    Url,
    Variable,
)


class Section(BaseModel):
    """What all sections have in common: no unknown key, no other type, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Image(Section):
    """The image that every step runs in."""

    name: ImageName
    backend: Literal["tensorflow", "jax"]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[Name]


class Server(Section):
    """Kubeflow Pipelines, and how to be let in."""

    host: Url
    url: Url | None
    namespace: Name | None
    experiment: Annotated[str, Field(min_length=1, max_length=128)]
    authentication: Literal["none", "token", "service_account", "cookie", "headers"]
    token_variable: Variable
    token_file: AbsolutePath
    cookie_variable: Variable
    headers: dict[Header, Variable]
    insecure: bool
    proxy: Url | None
    ca_certificate: str | None
    service_account: Name | None

    @property
    def pages(self) -> str:
        """Address of Kubeflow's pages."""
        return (self.url or self.host).rstrip("/")

    @field_validator("host", "url", "proxy")
    @classmethod
    def _address_holds_no_password(cls, address: str | None) -> str | None:
        if address is not None and "@" in address:
            raise PydanticCustomError(
                "secret",
                "an address without user and password: the file and what is compiled from it are read by "
                "many; use authentication cookie or headers, whose values come from variables",
            )
        return address

    @model_validator(mode="after")
    def _headers_are_named(self) -> Self:
        if self.authentication == "headers" and not self.headers:
            raise ValueError(
                "authentication is headers, but headers names none; give some, such as "
                "{Proxy-Authorization: IAP_HEADER}"
            )
        return self


class Step(Section):
    """What a step gets, and how long and how often it may try."""

    cpu: Cpu
    memory: Memory
    gpus: Annotated[int, Field(ge=0, le=64)]
    cache: bool
    retries: Annotated[int, Field(ge=0, le=100)]
    timeout: Annotated[int, Field(ge=1)]
    secrets: list[SecretKind]


class Steps(Section):
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


class Retry(Section):
    """When a step is tried again; waits are in seconds.

    Argo reads the factor as a whole number. What kfp calls the longest duration of the backoff is Argo's
    `maxDuration`: the time from the start of the first try after which none is begun and a running one
    is ended. So it follows from what the tries of a step may need, see `window`.
    """

    wait: Annotated[int, Field(ge=0)]
    factor: Annotated[int, Field(ge=1)]
    queueing: Annotated[int, Field(ge=0)]

    @model_validator(mode="before")
    @classmethod
    def _longest_wait_is_gone(cls, values: Any) -> Any:
        if isinstance(values, dict) and "longest_wait" in values:
            raise ValueError(
                "longest_wait is no setting any more: Kubeflow took it for the time after which nothing is "
                "tried again; take it out and set queueing, the seconds that the tries of a step may wait "
                "for a node in all, such as 86400"
            )
        return values

    def window(self, step: Step) -> int:
        """Seconds from the start of a step's first try to the end of its last one, at the most.

        Every try may take its whole timeout, every wait comes on top, and so does the time in which pods
        wait for a node.
        """
        waits = sum(self.wait * self.factor**number for number in range(step.retries))
        return (step.retries + 1) * step.timeout + waits + self.queueing


class Toleration(Section):
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


class Gpu(Section):
    """What steps with GPUs get besides."""

    resource: Resource
    node_selector: Labels
    tolerations: list[Toleration]
    shared_memory: Memory | None


class Spot(Section):
    """Nodes that may be taken away, for train and tune_worker."""

    enabled: bool
    node_selector: Labels
    tolerations: list[Toleration]


class Volume(Section):
    """A volume claim, and where pods see it."""

    claim: Claim
    path: AbsolutePath


class Volumes(Section):
    """Where checkpoints outlive a pod, and where an archive lies."""

    work: Volume | None
    data: Volume | None


class Secret(Section):
    """A secret by name, whether pods start without it, and which of its keys becomes which variable."""

    name: Name
    optional: bool
    keys: Annotated[dict[str, Variable], Field(min_length=1)]


class Secrets(Section):
    """The secrets that the cluster has."""

    mlflow: Secret | None
    postgresql: Secret | None
    kaggle: Secret | None
    webhook: Secret | None


class Sweep(Section):
    """How wide a sweep is."""

    workers: Annotated[int, Field(ge=1, le=1024)]
    parallelism: Annotated[int, Field(ge=1, le=1024)] | None


class Security(Section):
    """As whom containers run; None leaves a key out of the pipeline."""

    run_as_non_root: bool | None
    run_as_user: Annotated[int, Field(ge=0)] | None
    run_as_group: Annotated[int, Field(ge=0)] | None


class Notifications(Section):
    """Which ends the webhook is told of, besides failures."""

    success: bool

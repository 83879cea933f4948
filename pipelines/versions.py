"""What needs which version of Kubeflow Pipelines, and which one a server has.

The versions are those whose backend first knows a field of the compiled pipelines (kubeflow/pipelines,
`kubernetes_platform/proto` and `backend/src/v2`); older ones refuse unknown fields, or pass over them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.sections import Secret
from pipelines.settings import Settings

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Feature:
    """Something that only newer versions know.

    Attributes:
        name: For people, with the key of `pipelines/config.yaml`.
        least: The first version that knows it.
        without: What an older one does.
        is_used: Whether settings use it.
    """

    name: str
    least: Version
    without: str
    is_used: Callable[[Settings], bool]


def _secrets(settings: Settings) -> list[Secret]:
    kinds = type(settings.secrets).model_fields
    return [secret for kind in kinds if (secret := getattr(settings.secrets, kind)) is not None]


FEATURES = (
    Feature(
        "cpu, memory and GPUs of steps, /dev/shm (gpu.shared_memory)",
        (2, 3, 0),
        "refuses the pipeline",
        lambda _: True,
    ),
    Feature(
        "retries, secrets and claims by name",
        (2, 5, 0),
        "retries nothing or refuses the pipeline",
        lambda _: True,
    ),
    Feature(
        "the state of a run in the exit handler",
        (2, 14, 0),
        "tells the webhook 'unclear' of every run",
        lambda settings: settings.secrets.webhook is not None,
    ),
    Feature(
        "secrets that may be absent (optional: true)",
        (2, 15, 0),
        "refuses the pipeline",
        lambda settings: any(secret.optional for secret in _secrets(settings)),
    ),
    Feature(
        "the user of containers (security)",
        (2, 16, 0),
        "refuses the pipeline",
        lambda settings: bool(settings.security.model_dump(exclude_none=True)),
    ),
    Feature(
        "a sweep whose end is not told as 'unclear'",
        (2, 17, 0),
        "tells the webhook 'unclear' of a sweep that went well",
        lambda settings: settings.secrets.webhook is not None,
    ),
)
# From here on the stock installation retries a step whose pod is lost, and not one that fails by itself.
RETRIES_ERRORS_ALONE: Version = (2, 17, 0)


def parse_version(text: str) -> Version | None:
    """The version in a text such as `2.14.3` or `v2.5.0-rc.1`; None where there is none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def warnings(settings: Settings, version: Version) -> list[str]:
    """What a server of a version will not do as the settings want it, a line each."""
    shown = ".".join(map(str, version))
    lines = [
        f"Kubeflow Pipelines {shown} does not know {feature.name}, which needs "
        f"{'.'.join(map(str, feature.least))}: it {feature.without}"
        for feature in FEATURES
        if version < feature.least and feature.is_used(settings)
    ]
    if version >= RETRIES_ERRORS_ALONE:
        lines.append(
            f"Kubeflow Pipelines {shown}, as it is installed, tries a step again when its pod was lost, but "
            "not when the step failed or ran out of memory; docs/cluster.md names the setting that changes "
            "this (retryPolicy: Always)"
        )
    return lines

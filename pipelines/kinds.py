"""Kinds of values in the settings of a cluster; each error says in words what is wanted."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


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
# Claims become names of volumes, which are labels of DNS: no full stops, and shorter.
Claim = Annotated[
    str,
    _like(
        r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        "a claim whose name can name a volume: at most 63 small letters, digits and hyphens, no full stops; "
        "make a claim of such a name",
    ),
]
Header = Annotated[str, _like(r"[A-Za-z0-9-]+", "the name of an HTTP header")]
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

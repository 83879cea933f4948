"""Section `download`: where images and the face detector come from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from ferflow.labels import IMAGE_SIZE
from ferflow.params.entries import OpenSection, registry
from ferflow.params.section import PathText, PositiveInt, Sha256, Share


class DownloadParams(OpenSection):
    """Where the images and the face detector come from, and what is too much or too bad."""

    packages: ClassVar = ("ferflow.data.origins",)

    source: str
    path: PathText | None
    votes: PathText | None
    map: list[str]
    sha256: Sha256 | None
    detector: PathText
    max_bad_share: Share
    max_members: PositiveInt
    max_member_bytes: PositiveInt
    max_total_bytes: PositiveInt
    max_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    max_image_pixels: Annotated[int, Field(ge=IMAGE_SIZE**2)]
    fetch_attempts: Annotated[int, Field(ge=1, le=10)]
    fetch_timeout: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]

    @field_validator("map", mode="before")
    @classmethod
    def _map_as_entries(cls, value: Any) -> Any:
        """A mapping, `{1: surprise, contempt: null}`, is the same as its entries."""
        if isinstance(value, dict):
            return [f"{name}={'' if target is None else target}" for name, target in value.items()]
        return value

    @model_validator(mode="after")
    def _path_fits_source(self) -> Self:
        sources = registry(self.packages[0])
        has_path = sources.get(self.source).has_path
        if has_path and not self.path:
            raise ValueError(f"path is null, but source {self.source} needs the path of the {self.source}")
        if not has_path and self.path is not None:
            others = " or ".join(name for name, entry in sources.entries().items() if entry.has_path)
            raise ValueError(f"path is {self.path!r}, but source {self.source} has none; set source {others}")
        if not has_path and self.sha256 is not None:
            raise ValueError(f"sha256 is set, but source {self.source} has no file to check; set it to null")
        if self.votes is not None and self.source != "csv":
            raise ValueError(
                f"votes is {self.votes!r}, but the votes of FER+ label the rows of a table by their order, "
                f"and source {self.source} has none; set source csv with path to fer2013.csv, or votes null"
            )
        return self

    @property
    def source_options(self) -> Any:
        """The keys that the source reads."""
        return self.options(registry(self.packages[0]).get(self.source).options)

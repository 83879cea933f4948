"""Which model answers: one rule for the command line, the service, the page and Python.

The folder that was named, else the folder `export/` where there is an export in it, else the network
that comes with ferflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferflow.paths import BUILT_IN, EXPORT
from ferflow.serving.export_folder import DESCRIPTION, Description, read_description

# What `export.json` calls the faces that ferflow draws itself.
DRAWN = "the drawn sample"


@dataclass(frozen=True)
class Answering:
    """The model that answers.

    Attributes:
        folder: Its export folder.
        description: Its `export.json`.
    """

    folder: Path
    description: Description

    @property
    def is_built_in(self) -> bool:
        """Whether it is the network that comes with ferflow."""
        return self.folder == BUILT_IN

    @property
    def knows_people(self) -> bool:
        """Whether it was trained on more than drawn faces, as far as that is known."""
        return self.description.trained_on != DRAWN

    @property
    def warning(self) -> str | None:
        """What must be said beside its answers; None where nothing must."""
        if self.knows_people:
            return None
        return "this model was trained on drawn faces and knows nothing of people"

    def as_json(self) -> dict[str, Any]:
        """What answers in JSON say of it."""
        found = self.description
        return {
            "name": found.name,
            "version": found.version,
            "sha256": found.model_sha256,
            "source": "built-in" if self.is_built_in else "export",
            "trained_on": found.trained_on,
            "warning": self.warning,
        }

    def in_words(self) -> str:
        """Such as `the built-in network compact` or `export: fer2013 version 3`."""
        found = self.description
        if self.is_built_in:
            return f"the built-in network {found.name}"
        version = f"version {found.version}" if found.version else f"sha256 {found.model_sha256[:12]}"
        return f"{self.folder}: {found.name} {version}"


def choose_model(folder: str | Path | None = None) -> Answering:
    """The model that answers.

    Args:
        folder: What `ferflow export` wrote; None: `export/`, or the built-in network where there is none.

    Raises:
        ModelError: The folder is no export, or its `export.json` is damaged.
    """
    if folder is not None:
        place = Path(folder)
    elif (EXPORT / DESCRIPTION).exists():
        place = EXPORT
    else:
        place = BUILT_IN
    return Answering(place, read_description(place))

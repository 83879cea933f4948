"""Which extra of ferflow brings a package that is not installed.

`pip install ferflow` brings what reads faces; the extras of pyproject.toml bring the rest. They are read from
the installed package, so that they are written down once.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from traceback import walk_tb

# The extra that the code of a part of ferflow belongs to, where it has another name than the part.
_EXTRAS = {
    "exporting": "export",
    "model": "train",
    "serving": "serve",
    "reporting": "train",
    "stages": "train",
}
# They load for others.
_LOADERS = ("heavy", "late")
# Modules whose package has another name; elsewhere they are alike, but for capitals, '-' and '_'.
_PACKAGES = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn"}
_REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+).*?(?:extra\s*==\s*["'](?P<extra>[\w-]+)["'])?\s*$""")


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Say what brings a package that an import did not find.

    Args:
        error: What the import raised.

    Returns:
        A message that names the package and the cure; None where ferflow does not depend on it by name.
    """
    module = (error.name or "").partition(".")[0]
    package = _PACKAGES.get(module, _plain(module))
    places = _places_of(package)
    if not places:
        return None
    # Many extras bring SciPy: the one of the code that wants it brings all that it will want next.
    part = _importing_part(error)
    wanted = _EXTRAS.get(part, part)
    extra = wanted if wanted in places else places[0]
    what = f"ferflow[{extra}]" if extra else "ferflow anew, with all that it depends on"
    command = f"pip install '{what}'" if extra else "pip install --force-reinstall ferflow"
    return f"the package {package} is not installed, and this needs it; install {what} ({command})"


def _places_of(package: str) -> list[str | None]:
    """The extras that bring a package, in their order; None stands for ferflow itself."""
    try:
        lines = requires("ferflow") or []
    except PackageNotFoundError:
        return []
    found = [match for line in lines if (match := _REQUIREMENT.match(line))]
    return [match["extra"] for match in found if _plain(match["name"]) == package]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _importing_part(error: ModuleNotFoundError) -> str:
    """The part of ferflow whose import failed, such as `data`; empty for none."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    names = [frame.f_globals.get("__name__", "").split(".") for frame in frames]
    parts = [name[1] for name in names if name[0] == "ferflow" and len(name) > 1]
    return next((part for part in reversed(parts) if part not in _LOADERS), "")

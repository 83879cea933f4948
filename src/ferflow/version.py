"""Which version this is: of the git tag where the code lies in a checkout, else what was installed."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

UNKNOWN = "0.0"

_CHECKOUT = Path(__file__).resolve().parents[2]
_DESCRIBE = ("git", "describe", "--tags", "--long", "--dirty", "--always", "--match", "v[0-9]*")
_DESCRIBED = re.compile(
    r"(?:v(?P<tag>\d+(?:\.\d+)*)-(?P<distance>\d+)-g)?(?P<commit>[0-9a-f]{7,40})(?P<dirty>-dirty)?"
)


@cache
def version() -> str:
    """The version, as pip writes it.

    In a checkout it is worked out anew, since an editable install does not learn of later commits: the tag
    `v1.2.3` itself is 1.2.3, five commits on is 1.2.4.dev5 with the commit behind a plus. That is
    setuptools-scm's rule, which a build follows.

    Returns:
        For example "0.1.0", "0.1.1.dev5+g0a09e06"; "0.0" where neither git nor an installation says.
    """
    if (_CHECKOUT / ".git").exists() and (_CHECKOUT / "pyproject.toml").is_file():
        described = _git(*_DESCRIBE)
        found = _DESCRIBED.fullmatch(described)
        if found:
            return _of_description(found)
    try:
        return metadata.version("ferflow")
    except metadata.PackageNotFoundError:
        return UNKNOWN


def _of_description(found: re.Match[str]) -> str:
    """From what `git describe` says."""
    dirty = bool(found["dirty"])
    if found["tag"] is None:
        return f"0.1.dev{_git('git', 'rev-list', '--count', 'HEAD')}+g{found['commit']}{'.dirty' * dirty}"
    distance = int(found["distance"])
    if distance == 0 and not dirty:
        return found["tag"]
    *first, last = found["tag"].split(".")
    following = ".".join([*first, str(int(last) + 1)])
    return f"{following}.dev{distance}+g{found['commit']}{'.dirty' * dirty}"


def _git(*command: str) -> str:
    """What a git command prints in the checkout; nothing where git cannot say."""
    try:
        done = subprocess.run(command, cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    print(version())  # noqa: T201 -- for the Makefile, which has no environment yet.

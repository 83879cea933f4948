"""`python -m ferflow.path_hook`: programs of this environment are found without activating it.

DVC runs a stage by a shell, which looks for `ferflow` on the PATH. Where the environment is not activated,
`.venv/bin/dvc repro` would end with `ferflow: not found`. A line that Python reads when it starts in this
environment adds the environment's folder of programs to the end of the PATH; an activated one stays as it is.
The commands in `dvc.yaml`, and with them `dvc.lock`, stay the same on every machine.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from ferflow.files import atomic_file
from ferflow.progress import say

NAME = "ferflow_path.pth"
# One line, as `site` asks for. Without PATH a shell has a default of its own, which is not lost.
LINE = (
    "import os, sys; os.environ['PATH'] = os.pathsep.join(dict.fromkeys("
    "[*os.environ.get('PATH', os.defpath).split(os.pathsep), os.path.dirname(sys.executable)]))\n"
)


def place() -> Path:
    """The file of this environment."""
    return Path(sysconfig.get_path("purelib")) / NAME


def is_installed() -> bool:
    """Whether this environment has the line."""
    try:
        return place().read_text(encoding="utf-8") == LINE
    except (OSError, ValueError):
        return False


def install() -> bool:
    """Write the line; not into a Python that is no environment of its own, such as the system's.

    Raises:
        OutputError: It cannot be written.
    """
    if sys.prefix == sys.base_prefix:
        say(f"{sys.prefix} is no virtual environment: its PATH stays as it is")
        return False
    with atomic_file(place()) as fresh:
        fresh.write_text(LINE, encoding="utf-8")
    return True


if __name__ == "__main__":
    install()

"""The core with every Python that is at hand: `python scripts/versions.py` (make test-versions).

For each of 3.11, 3.12 and 3.13 that is found the package alone is installed into a fresh environment, in the
versions of the lock, and reads the faces of a picture by the network that comes with it. The answers must be
the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from locked import LOCK, ROOT, pip_settings, uv_environment

VERSIONS = ("3.11", "3.12", "3.13")
_PICTURE = ROOT / "docs" / "results" / "sample_faces.png"


def main() -> int:
    """Try each version; the exit code is 0 when all that are at hand give the same answers."""
    found = {version: python for version in VERSIONS if (python := find(version)) is not None}
    answers: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for version, python in found.items():
            started = time.monotonic()
            answers[version] = answer(python, Path(folder) / version)
            faces, seconds = answers[version].count('"emotion"'), time.monotonic() - started
            print(f"Python {version}: {faces} faces, {seconds:.0f} s")
    for version in VERSIONS:
        if version not in found:
            print(f"Python {version}: not at hand")
    if len(set(answers.values())) != 1 or '"emotion"' not in next(iter(answers.values())):
        print("the answers differ, or there are none")
        return 1
    return 0


def find(version: str) -> str | None:
    """The interpreter of a version: on the PATH, or among pyenv's; None where there is none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [shutil.which(f"python{version}"), *root.glob(f"versions/{version}.*/bin/python{version}")]
    for place in places:
        if place and subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(place)
    return None


def answer(python: str, environment: Path) -> str:
    """What `ferflow predict --json` of a fresh environment prints for the picture."""
    variables = uv_environment(pip_settings(), os.environ)
    uv = Path(sys.executable).with_name("uv")
    target = environment / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", python, environment],
        [uv, "pip", "install", "--quiet", "--python", target, "--constraint", LOCK, ROOT],
    ):
        subprocess.run(list(map(str, command)), env=variables, check=True)
    # Without network for the detector, so that every version looks with the same one.
    offline = {**os.environ, "FERFLOW_CACHE": str(environment / "cache"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = [str(target), "-m", "ferflow", "predict", str(_PICTURE), "--json"]
    done = subprocess.run(command, env=offline, cwd=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{python}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

"""The core with every Python that is at hand: `python -m scripts.versions` (make test-versions).

For each of 3.11, 3.12 and 3.13 that is found the package alone is installed into a fresh environment, in the
versions of the lock, and reads the faces of a picture by the network that comes with it. The answers must be
the same bytes, the packages may not take more of the disk than docs/installation.md says, and a command that
needs more than the core must name the extra.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.locked import LOCK, ROOT, pip_settings, uv_environment

VERSIONS = ("3.11", "3.12", "3.13")
# Of the folder of packages, without bytecode; three quarters of it are OpenCV, ONNX Runtime and NumPy.
MOST_MEGABYTES = 345
_PICTURE = ROOT / "docs" / "results" / "sample_faces.png"


def main() -> int:
    """Try each version; the exit code is 0 when all that are at hand give the same answers."""
    return 0 if compare(ROOT) else 1


def compare(package: Path) -> bool:
    """Install a package with each Python at hand and print what came of it.

    Args:
        package: A wheel, or a folder with its source.

    Returns:
        Whether all answered, with faces, and alike.
    """
    found = {version: python for version in VERSIONS if (python := find(version)) is not None}
    answers: dict[str, str] = {}
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for version, python in found.items():
            started = time.monotonic()
            environment = Path(folder) / version
            install(package, python, environment)
            size = megabytes(environment)
            answers[version] = answer(environment)
            faces, seconds = answers[version].count('"emotion"'), time.monotonic() - started
            print(f"Python {version}: {size:.0f} MB of packages, {faces} faces, {seconds:.0f} s")
            if size > MOST_MEGABYTES:
                complaints.append(f"Python {version}: the core takes {size:.0f} MB, not {MOST_MEGABYTES}")
            if "pip install 'ferflow[data]'" not in (said := without_extra(environment)):
                complaints.append(f"Python {version}: 'ferflow split' does not name its extra: {said}")
    for version in VERSIONS:
        if version not in found:
            print(f"Python {version}: not at hand")
    if len(set(answers.values())) != 1 or '"emotion"' not in next(iter(answers.values())):
        complaints.append("the answers differ, or there are none")
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return not complaints


def find(version: str) -> str | None:
    """The interpreter of a version: on the PATH, or among pyenv's; None where there is none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [shutil.which(f"python{version}"), *root.glob(f"versions/{version}.*/bin/python{version}")]
    for place in places:
        if place and subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(place)
    return None


def install(package: Path, python: str, environment: Path) -> None:
    """The package alone, into a fresh environment."""
    variables = uv_environment(pip_settings(), os.environ)
    uv = Path(sys.executable).with_name("uv")
    target = environment / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", python, environment],
        [uv, "pip", "install", "--quiet", "--python", target, "--constraint", LOCK, package],
    ):
        subprocess.run(list(map(str, command)), env=variables, check=True)


def megabytes(environment: Path) -> float:
    """What the packages take of the disk, as `du -m` counts."""
    files = (path.lstat() for path in environment.glob("lib/python*/site-packages/**/*"))
    return sum(status.st_blocks * 512 for status in files) / 2**20


def answer(environment: Path) -> str:
    """What `ferflow predict --json` prints for the picture."""
    done = ferflow(environment, "predict", str(_PICTURE), "--json")
    if done.returncode:
        sys.exit(f"{environment.name}: {done.stderr}")
    return done.stdout


def without_extra(environment: Path) -> str:
    """What a stage says whose packages the core does not bring."""
    (environment / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return ferflow(environment, "split").stderr


def ferflow(environment: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, without network for the detector, so that every version looks with the same one."""
    offline = {**os.environ, "FERFLOW_CACHE": str(environment / "cache"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = [str(environment / "bin" / "python"), "-m", "ferflow", *words]
    return subprocess.run(command, env=offline, cwd=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())

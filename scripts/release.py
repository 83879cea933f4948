"""Build what is published, from the commit, into dist/: `python -m scripts.release` (make release).

The source archive and the wheel are built twice and must be the same bytes; then they are checked, the wheel
is installed with each Python at hand and reads a picture, and the packages of the lock are listed (SBOM).
On a tag (v1.2.3) all files must speak of that version; on any other commit it is a rehearsal of the steps.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from scripts.locked import LOCK, RELEASE_LOCK, ROOT, pip_settings, uv_environment
from scripts.versions import compare

_DIST = ROOT / "dist"
_UNRELEASED = "Unreleased"


class NotReadyError(Exception):
    """The tree cannot be released; the message says what is missing and the cure."""


def main() -> int:
    """Build, check and write dist/; the exit code is 0 when everything held."""
    try:
        version, tagged = version_of_commit()
        print(f"ferflow {version}{'' if tagged else ', a rehearsal: this commit has no tag v...'}")
        notes = changelog_section(
            (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version if tagged else _UNRELEASED
        )
        if tagged:
            check_places(version)
        with tempfile.TemporaryDirectory() as folder:
            build_all(Path(folder), version, notes)
    except NotReadyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build_all(folder: Path, version: str, notes: str) -> None:
    """Every step after the first look, in a scratch folder; dist/ is replaced at the end."""
    tools = make_tools(folder / "tools")
    # The branch may move on meanwhile.
    commit = git("rev-parse", "HEAD")
    first, second = (build(tools, folder / name, version, commit) for name in ("first", "second"))
    files = same_bytes(first, second)
    run([tools, "-m", "twine", "check", "--strict", *files])
    (wheel,) = (path for path in files if path.suffix == ".whl")
    check_licences(wheel)
    bill = bill_of_materials(tools, first / f"ferflow-{version}.cdx.json")
    if not compare(wheel):
        raise NotReadyError("the wheel does not answer alike on each Python (above)")
    (first / "NOTES.md").write_text(notes, encoding="utf-8")
    sums = "".join(f"{digest(path)}  {path.name}\n" for path in [*files, bill])
    (first / "SHA256SUMS").write_text(sums, encoding="utf-8")
    if _DIST.exists():
        shutil.rmtree(_DIST)
    shutil.copytree(first, _DIST)
    print(sums, end="")


def version_of_commit() -> tuple[str, bool]:
    """The version of HEAD, and whether it is that of a tag."""
    tags = [tag for tag in git("tag", "--points-at", "HEAD").split() if re.fullmatch(r"v\d+(\.\d+)*", tag)]
    if len(tags) > 1:
        raise NotReadyError(
            f"this commit has the tags {', '.join(tags)}, expected one: delete the wrong ones"
        )
    if tags:
        return tags[0].removeprefix("v"), True
    command = [sys.executable, "-m", "setuptools_scm", "--root", str(ROOT)]
    return run(command).strip().partition("+")[0], False


def changelog_section(text: str, name: str) -> str:
    """What a version's section of the changelog says.

    Raises:
        NotReadyError: There is no such section, or nothing in it.
    """
    found = re.search(rf"^## \[?{re.escape(name)}\]?(?: - [^\n]*)?\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None:
        raise NotReadyError(f"CHANGELOG.md: no section '## {name}': name what changed under it")
    if not re.search(r"^- ", found[1], re.M):
        raise NotReadyError(
            f"CHANGELOG.md: the section '## {name}' has no line that begins with '- ': say what changed"
        )
    return found[1].strip() + "\n"


def check_places(version: str) -> None:
    """What else names the version must name this one."""
    for name, pattern in (
        ("CITATION.cff", r"^version: (.*)$"),
        ("Makefile", r"ferflow:(\d[\w.]*)"),
        ("pipelines/config.yaml", r"^  name: ferflow:(\S+)"),
    ):
        found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M)
        if found is None or found[1] != version:
            says = found[1] if found else "none"
            raise NotReadyError(
                f"{name}: version {says}, expected {version} as the tag says: change it and tag anew"
            )


def make_tools(folder: Path) -> Path:
    """The Python of an environment with what builds and checks, in the versions of its lock."""
    python = folder / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    variables = uv_environment(pip_settings(), os.environ)
    run([uv, "venv", "--quiet", "--python", sys.executable, folder], variables)
    run(
        [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", RELEASE_LOCK],
        variables,
    )
    return python


def build(tools: Path, folder: Path, version: str, commit: str) -> Path:
    """The folder with the source archive of the commit, and with the wheel that is built from it.

    Args:
        tools: The Python that builds.
        folder: Where.
        version: What both are called.
        commit: What is built; its time is that of every file.
    """
    source, output = folder / "source", folder / "out"
    epoch = int(git("log", "-1", "--format=%ct", commit))
    source.mkdir(parents=True)
    archive = git_bytes("-c", "tar.umask=0022", "archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        members.extractall(source, filter="data")
    variables = {
        **os.environ,
        "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FERFLOW": version,
        "SOURCE_DATE_EPOCH": str(epoch),
        "PYTHONHASHSEED": "0",
    }
    command = [tools, "-m", "build", "--no-isolation", "--outdir", output]
    run([*command, "--sdist", source], variables)
    (sdist,) = output.glob("*.tar.gz")
    sdist.write_bytes(in_fixed_form(sdist.read_bytes(), epoch))
    with tarfile.open(sdist) as members:
        members.extractall(folder, filter="data")
    run([*command, "--wheel", folder / f"ferflow-{version}"], variables)
    return output


def in_fixed_form(packed: bytes, epoch: int) -> bytes:
    """A .tar.gz again, its members sorted, of one owner and time: equal content is equal bytes."""
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(packed)) as before,
        gzip.GzipFile(filename="", mode="wb", fileobj=written, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for member in sorted(before.getmembers(), key=lambda entry: entry.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.mtime = member.type, member.size, epoch
            plain.mode = 0o755 if member.isdir() else 0o644
            after.addfile(plain, before.extractfile(member) if member.isfile() else None)
    return written.getvalue()


def same_bytes(first: Path, second: Path) -> list[Path]:
    """The files of the first folder; those of the second must be the same.

    Raises:
        NotReadyError: They are not.
    """
    digests = [{path.name: digest(path) for path in folder.iterdir()} for folder in (first, second)]
    if digests[0] != digests[1]:
        differing = sorted(set(digests[0].items()) ^ set(digests[1].items()))
        raise NotReadyError(f"two builds of one commit differ: {differing}")
    print(f"built twice, the same bytes: {', '.join(sorted(digests[0]))}")
    return sorted(first.iterdir())


def check_licences(wheel: Path) -> None:
    """The wheel has the licence, and NOTICE says of every file that is not Python code whose it is."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        notices = [name for name in names if name.endswith(".dist-info/licenses/NOTICE")]
        if not notices or not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
            raise NotReadyError(
                f"{wheel.name}: LICENSE or NOTICE is missing in it: see license-files of pyproject.toml"
            )
        places = re.findall(r"^  (ferflow/\S+)", archive.read(notices[0]).decode(), re.M)
    for name in names:
        known = name.endswith((".py", "/py.typed")) or ".dist-info/" in name
        if not known and not any(name.startswith(place) for place in places):
            raise NotReadyError(
                f"NOTICE: does not say whose {name} is: add a line with its place and its licence"
            )


def bill_of_materials(tools: Path, path: Path) -> Path:
    """The packages of the lock with versions and hashes, as CycloneDX; the same bytes each time."""
    run([tools, "-m", "cyclonedx_py", "requirements", LOCK, "--output-reproducible", "--output-file", path])
    held = json.loads(path.read_text(encoding="utf-8"))["components"]
    wanted = len(re.findall(r"^[\w.-]+==", LOCK.read_text(encoding="utf-8"), re.M))
    if len(held) != wanted:
        raise NotReadyError(f"{path.name}: lists {len(held)} packages, expected the {wanted} of {LOCK.name}")
    print(f"{path.name}: {len(held)} packages")
    return path


def digest(path: Path) -> str:
    """A file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git(*arguments: str) -> str:
    """What a git command prints."""
    return git_bytes(*arguments).decode().strip()


def git_bytes(*arguments: str) -> bytes:
    """What a git command writes."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise NotReadyError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def run(command: Sequence[str | Path], variables: dict[str, str] | None = None) -> str:
    """What a command prints; files that it writes have modes that do not depend on whose shell this is.

    Raises:
        NotReadyError: It failed; with what it said.
    """
    words = list(map(str, command))
    done = subprocess.run(
        words, env=variables, cwd=ROOT, capture_output=True, text=True, check=False, umask=0o022
    )
    if done.returncode:
        raise NotReadyError(
            f"{' '.join(words[1:4])} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

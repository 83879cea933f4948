"""The lock, installed into this Python's environment or made anew: `python scripts/locked.py install|lock`.

uv does it. uv reads none of pip's configuration, so that an index, a proxy or a
certificate that is set for pip is handed on to it here. Where uv cannot be had or fails, pip installs.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, UV_LOCK = ROOT / "requirements.txt", ROOT / "requirements-uv.txt"
# What builds and checks a release; an environment of its own, so that nobody else installs it.
RELEASE_LOCK = ROOT / "requirements-release.txt"
_RELEASE_TOOLS = "build\ncyclonedx-bom\npip-audit\nsetuptools\nsetuptools-scm\ntwine\n"

# What pip calls it, and uv's variable for it; constraints are not among them, since the lock pins all.
_SAME = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
_COMPILE = (
    "compile",
    "--universal",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--python-version",
    "3.11",
)
# The slowest to import, in two halves that take about as long.
_IMPORTS = ("tensorflow, sklearn, matplotlib.pyplot", "mlflow, kfp, optuna, dvc.cli, onnxruntime, cv2")


def main() -> int:
    """Run the command; the exit code is 0 when it did its work."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["install", "lock"])
    parser.add_argument("--upgrade", action="store_true", help="lock the newest versions that fit")
    arguments = parser.parse_args()
    if arguments.command == "lock":
        return 0 if lock(upgrade=arguments.upgrade) else 1
    if not install():
        return 1
    compile_imports()
    return 0


def lock(*, upgrade: bool) -> bool:
    """Resolve pyproject.toml for all Pythons and systems, uv and a release's tools; True if it went well."""
    command = [*_COMPILE, *(["--upgrade"] if upgrade else [])]
    everything = [*command, "--all-extras", "pyproject.toml", "--output-file", LOCK.name]
    others = ((UV_LOCK, "uv"), (RELEASE_LOCK, _RELEASE_TOOLS))
    settings = for_every_machine(pip_settings())
    return uv(*everything, settings=settings) and all(
        uv(*command, "-", "--output-file", path.name, entered=names, settings=settings)
        for path, names in others
    )


def install() -> bool:
    """Install the lock, then ferflow itself, by uv or else by pip; True if it went well."""
    locked = ("--require-hashes", "--requirement", str(LOCK))
    itself = ("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if (
        pip("--require-hashes", "--requirement", str(UV_LOCK))
        and uv("install", *locked)
        and uv("install", *itself)
    ):
        return True
    print("uv could not install: pip does it, which takes some minutes", file=sys.stderr)
    return pip(*locked) and pip(*itself)


def pip(*arguments: str) -> bool:
    """Run `pip install`; True if it went well."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=False).returncode == 0


def uv(*arguments: str, entered: str = "", settings: dict[str, str] | None = None) -> bool:
    """Run `uv pip` with pip's settings; True if it went well.

    Args:
        arguments: Its command and options.
        entered: What it reads from its standard input.
        settings: pip's; None: as `pip_settings` finds them.
    """
    executable = Path(sysconfig.get_path("scripts")) / f"uv{sysconfig.get_config_var('EXE') or ''}"
    command = [str(executable), "pip", *arguments, "--quiet", "--python", sys.executable]
    environment = uv_environment(pip_settings() if settings is None else settings, os.environ)
    done = subprocess.run(command, env=environment, input=entered, cwd=ROOT, text=True, check=False)
    return done.returncode == 0


def pip_settings() -> dict[str, str]:
    """The settings of pip on this machine, from its files and variables: name without section, and value."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    # As in pip: what is set for `install` counts more than what is set for all, and variables count most.
    settings = {}
    for section in ("global", "install", ":env:"):
        for line in lines:
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                settings[key.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return settings


def for_every_machine(settings: dict[str, str]) -> dict[str, str]:
    """The settings of pip without packages that lie on this machine.

    They are of its own Python and system: a lock of their hashes alone is refused by every other one.
    """
    indexes = settings.get("extra-index-url", "").split()
    elsewhere = " ".join(index for index in indexes if not index.startswith(("file:", "/", ".")))
    kept = {name: value for name, value in settings.items() if name not in ("find-links", "extra-index-url")}
    return kept | ({"extra-index-url": elsewhere} if elsewhere else {})


def uv_environment(settings: dict[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables for uv.

    Args:
        settings: pip's.
        environment: The variables of this process; what the user has set for uv stays.
    """
    wanted = {_SAME[key]: " ".join(value.split()) for key, value in settings.items() if key in _SAME}
    # As pip does: of all indexes, the version that is wanted. What counts in the end are the lock's hashes.
    wanted["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return wanted | dict(environment)


def compile_imports() -> None:
    """Import what is slow to import once, so that its bytecode is there for all later processes.

    uv compiles nothing, and compiling all of the 20,000 files takes longer than installing them.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c"]
    processes = [
        subprocess.Popen(
            [*command, f"import {names}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for names in _IMPORTS
    ]
    for process in processes:
        process.wait()


if __name__ == "__main__":
    sys.exit(main())

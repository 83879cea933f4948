"""Run the notebooks and see that they do what is kept in them: `make notebooks`.

Each runs as a whole in a fresh kernel and in a folder of its own. With `--keep` the outputs are written into
the notebooks; otherwise no cell may end with an error, and where the words are not those that are kept a note
says so (`--strict`: that is a fault). Numbers and pixels may differ, as they do between processors.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from scripts.locked import ROOT

FOLDER = ROOT / "notebooks"
_SECONDS_A_CELL = 600
# Lines of progress come and go with the speed of the machine; ids and folders differ from run to run.
_PASSING = re.compile(r"^.*( left| done)$|^\s*$", re.MULTILINE)
_ERROR = re.compile(r"^error: ", re.MULTILINE)
_BAR = re.compile(r"^.*\u2501.*\n", re.MULTILINE)
_DIFFERING = re.compile(r"/[\w/.+-]*tmp[\w/.+-]*|\b[0-9a-f]{8}\b|[-+]?\d[\d.,:]*")
_MOST_BYTES = 1_000_000


def main() -> int:
    """Run all notebooks; the exit code is 0 when they do what is kept in them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="write the outputs into the notebooks")
    parser.add_argument(
        "--strict", action="store_true", help="other words than those that are kept are a fault"
    )
    parser.add_argument("names", nargs="*", help="such as quickstart; without one all")
    arguments = parser.parse_args()
    complaints: list[str] = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        if arguments.names and path.stem not in arguments.names:
            continue
        started = time.monotonic()
        kept = nbformat.read(path, as_version=4)
        done = executed(kept)
        print(f"{path.name}: {len(done.cells)} cells, {time.monotonic() - started:.0f} s")
        if arguments.keep:
            nbformat.write(done, path)
        else:
            found = differences(kept, done)
            complaints += [f"{path.name}: {line}" for line in found if arguments.strict]
            print(*(f"note: {path.name}: {line}" for line in found if not arguments.strict), sep="\n", end="")
            complaints += [f"{path.name}: {line}" for line in faults(kept, path)]
        complaints += [f"{path.name}, run now: {line}" for line in faults(done, path)]
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if complaints else 0


def executed(notebook: Any) -> Any:
    """A copy with the outputs of a run, without times and without what only a terminal shows."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # In a scratch folder below the repository's copy of the notebooks, where they look for the profiles.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "profiles").symlink_to(ROOT / "profiles")
        os.environ |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "dumb",
            "COLUMNS": "110",
        }
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            copy,
            timeout=_SECONDS_A_CELL,
            kernel_name="python3",
            resources=resources,
            coalesce_streams=True,
            # It warns of a port without encryption, which is open to this machine alone.
            extra_arguments=["--IPKernelApp.log_level=40"],
        ).execute()
    for cell in copy.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", output.text)
                output.text = _BAR.sub("", text).replace(str(Path.home()), "~")
    return copy


def differences(kept: Any, done: Any) -> list[str]:
    """Where the kept outputs are not those of the run, in kind or in words; empty where they agree."""
    found = []
    for number, (before, now) in enumerate(zip(kept.cells, done.cells, strict=True), start=1):
        if before.cell_type == "code" and (said := shape(before)) != (says := shape(now)):
            found.append(
                f"cell {number} keeps {said}, its run gives {says}: make notebooks KEEP=1, and look at it"
            )
    return found


def shape(cell: Any) -> list[str]:
    """The outputs of a cell without what differs from run to run and from machine to machine."""
    found: list[str] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            words = _DIFFERING.sub("#", _PASSING.sub("", output.text))
            found.append(" ".join(words.split()))
        else:
            found.append(f"{output.output_type} {sorted(output.get('data', {}))}")
    return [part for part in found if part]


def faults(notebook: Any, path: Path) -> list[str]:
    """What a kept notebook may not be: not whole, out of order, without pictures, large."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = []
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("its cells were not run once each, from top to bottom")
    kinds = [kind for cell in code for output in cell.outputs for kind in output.get("data", {})]
    if "image/png" not in kinds:
        found.append("it keeps no picture")
    outputs = [output for cell in code for output in cell.outputs]
    if any(output.output_type == "error" or _ERROR.search(output.get("text", "")) for output in outputs):
        found.append("a cell ends with an error")
    if (size := path.stat().st_size) > _MOST_BYTES:
        found.append(f"it takes {size:,} bytes, more than {_MOST_BYTES:,}: show smaller pictures")
    return found


if __name__ == "__main__":
    sys.exit(main())

"""Seconds and peak memory of download, face-filter and split on FER-2013, from one or more sources.

    python -m benchmarks.data_stages fer2013.tar.xz fer2013.zip folder/ fer2013.csv --detector yunet.onnx

Each stage runs in a process of its own, in a temporary folder, with the numbers of profile cpu. The
figures of all sources are compared: the same pictures must give the same figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ferflow.profiles import write_profile

_STAGES = ("download", "face-filter", "split")
_PROFILES = Path(__file__).resolve().parents[1] / "profiles"


def main() -> None:
    """Measure every source and print one line a stage, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path, help="archives, folders or CSV files of FER-2013")
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's ONNX file")
    arguments = parser.parse_args()
    results = {
        str(source): measure(source.resolve(), arguments.detector.resolve()) for source in arguments.sources
    }
    digests = {result["figures"] for result in results.values()}
    print(json.dumps({"same_figures": len(digests) == 1, "sources": results}))
    sys.exit(len(digests) != 1)


def measure(source: Path, detector: Path) -> dict[str, object]:
    """Run the three stages on a source.

    Returns:
        Seconds and peak MiB of each stage, total seconds, and a digest of all figures.
    """
    kind = "csv" if source.suffix == ".csv" else "archive"
    stages = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = [f"download.source={kind}", f"download.path={source}", f"download.detector={detector}"]
        write_profile("cpu", changes, profiles=_PROFILES, target=folder / "params.yaml")
        for stage in _STAGES:
            seconds, memory = _run(stage, folder)
            stages[stage] = {"seconds": round(seconds, 1), "peak_mib": round(memory)}
            print(f"{source.name:<20} {stage:<12} {seconds:6.1f} s {memory:6.0f} MiB", flush=True)
        figures = _figures(folder)
    total = sum(stage["seconds"] for stage in stages.values())
    print(f"{source.name:<20} {'total':<12} {total:6.1f} s", flush=True)
    return {"stages": stages, "seconds": round(total, 1), "figures": figures}


def _run(stage: str, folder: Path) -> tuple[float, float]:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "ferflow", stage], cwd=folder, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{stage} failed; run it by hand to see why")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def _figures(folder: Path) -> str:
    """One digest over all that the stages found: data, drops, duplicates, leaks, subsets."""
    download, faces, split = (
        json.loads((folder / "reports" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("download", "face_filter", "data")
    )
    # The manifest's digest covers file names, which a CSV does not have.
    split.pop("manifest_sha256", None)
    parts = [download["data_sha256"], download["images"], faces, split]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    main()

"""Rebuild `train|val|test.npz` of a split from the archive and the split's manifest, in seconds.

    python -m benchmarks.gpu_split fer2013.tar.xz manifest.csv.gz data/split

For a machine without the packages of the data stages. The arrays are those of `ferflow split`, byte for byte:
rows stand in the manifest's order within each subset.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import tarfile
from pathlib import Path

import cv2
import numpy as np

from ferflow.data.store import write_arrays
from ferflow.labels import EMOTIONS


def main() -> None:
    """Read the two files and write the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("archive", "manifest", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    rebuild_split(arguments.archive, arguments.manifest, arguments.output)


def rebuild_split(archive: Path, manifest: Path, output: Path) -> None:
    """Write the subsets.

    Args:
        archive: Of FER-2013, a tar file of any compression.
        manifest: `manifest.csv` that the split stage wrote, gzipped.
        output: Folder of the three files.
    """
    packed: dict[str, bytes] = {}
    with tarfile.open(archive) as members:
        for member in members:
            content = members.extractfile(member) if member.isfile() else None
            if content is not None:
                packed["/".join(member.name.split("/")[-3:])] = content.read()
    with gzip.open(manifest, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for subset in ("train", "val", "test"):
        own = [row for row in rows if row["subset"] == subset]
        images = [
            cv2.imdecode(np.frombuffer(packed[row["file"]], np.uint8), cv2.IMREAD_GRAYSCALE) for row in own
        ]
        arrays = {
            "images": np.stack(images),
            "labels": np.array([list(EMOTIONS).index(row["label"]) for row in own], np.uint8),
        }
        if subset == "test":
            arrays["leaked"] = np.array([row["leaked"] != "none" for row in own])
        write_arrays(output / f"{subset}.npz", arrays)


if __name__ == "__main__":
    main()

"""Write the packaged model anew where the form of the file has changed and its answers have not.

    python -m benchmarks.built_in_again weights.f16 --repository .

The figures of the packaged network stay, since the new file repeats the answers of the old one to the last
bit; that is tried on validation images, and where one differs nothing is written: then score the network by
`python -m benchmarks.built_in`. The repository has the split that the network was trained on and its reports.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.built_in import MODEL, TRAINING, Material, describe, load_weights, read_material
from benchmarks.runs import errors_for_people, positive
from ferflow.data.store import Images
from ferflow.errors import ModelError
from ferflow.exporting.model_card import CARD
from ferflow.files import atomic_directory, write_json
from ferflow.paths import BUILT_IN
from ferflow.serving.export_folder import DESCRIPTION, read_description

_BATCH = 32


def main() -> None:
    """Write the folder of the package anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .keras file, or a .f16 file")
    parser.add_argument("--repository", type=Path, default=Path(), help="where the split is")
    parser.add_argument(
        "--images", type=positive, default=256, help="validation images to compare (default: 256)"
    )
    arguments = parser.parse_args()
    with errors_for_people():
        material = read_material(arguments.repository, BUILT_IN / TRAINING, Path())
        network = load_weights(arguments.weights, material.reports[TRAINING])
        write_again(
            network, material, folder=BUILT_IN, weights=arguments.weights, num_images=arguments.images
        )


def write_again(network: Any, material: Material, *, folder: Path, weights: Path, num_images: int) -> None:
    """Replace the model of a folder, with what `export.json` and the card say of the file.

    Args:
        network: The network that was packed there.
        material: Its validation images and reports.
        folder: The folder, which stays as it is until the new one is whole.
        weights: The file that the network was read from.
        num_images: Validation images on which the files are compared.

    Raises:
        ModelError: An answer or a map differs.
    """
    from ferflow.model.packing import write_packed

    former = read_description(folder)
    with tempfile.TemporaryDirectory(prefix="ferflow-") as scratch:
        write_packed(network, Path(scratch), test_time_augmentation=former.test_time_augmentation)
        content = (Path(scratch) / MODEL).read_bytes()
    rows = np.linspace(0, len(material.validation.images) - 1, num_images).astype(int)
    compare((folder / MODEL).read_bytes(), content, material.validation.images[rows])
    with atomic_directory(folder) as fresh:
        for name in former.files:
            if name not in (MODEL, CARD):
                shutil.copy(folder / name, fresh)
        (fresh / MODEL).write_bytes(content)
        checks = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["checks"]
        views = former.test_time_augmentation
        write_json(fresh / DESCRIPTION, asdict(describe(fresh, checks, material, views, weights)))


def compare(before: bytes, after: bytes, images: Images) -> None:
    """See that two models give the same for each of (N, 48, 48) uint8 images.

    Raises:
        ModelError: They do not.
    """
    from ferflow.serving.network import start_session

    old, new = (start_session(content, None, "cpu")[0] for content in (before, after))
    outputs = ["probabilities", "maps"]
    for start in range(0, len(images), _BATCH):
        batch = {"images": images[start : start + _BATCH]}
        for name, expected, found in zip(
            outputs, old.run(outputs, batch), new.run(outputs, batch), strict=True
        ):
            if not np.array_equal(expected, found):
                raise ModelError(
                    f"{MODEL}: {name} of the new file differ from those of the old one by up to "
                    f"{np.abs(expected - found).max():.2g}; score it: python -m benchmarks.built_in"
                )


if __name__ == "__main__":
    main()

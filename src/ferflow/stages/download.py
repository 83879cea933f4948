"""Stage download: every image of the source decoded, checked and indexed, and the face detector.

Reads the source that `download.source` names. Writes `data/raw/` (images.npz, index.csv with
file, label, usage, sha256, and detector.onnx unless the detector is haar) and
`reports/download.json`. Uses the section `download` and `seed`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ferflow.data.faces.detector import Detector, load_detector
from ferflow.data.schemes import SCHEMES, missing_usages
from ferflow.data.sources.path_labels import remarks_on
from ferflow.data.sources.reading import BadImage
from ferflow.data.sources.sources import SourceContent, check_path, read_source
from ferflow.data.store import ImageTable
from ferflow.errors import DataError
from ferflow.files import atomic_directory, write_json
from ferflow.labels import EMOTIONS, USAGES
from ferflow.params import DownloadParams
from ferflow.progress import say

_NUM_NAMED = 5


@dataclass(frozen=True)
class DownloadReport:
    """What came in.

    Attributes:
        source: `download.source`.
        num_images: Usable images.
        images: Number of images by emotion and usage.
        data_sha256: The SHA-256 of the sorted pixel hashes: equal for the same pictures from any source.
        bad_images: Those that were left out, with the reason.
        passed_over: Number of files that are no part of the data: no images by their names, outside the
            class folders, litter of operating systems; and of images that `download.map` leaves out.
        detector: `yunet` or `haar`.
        detector_sha256: The SHA-256 of its file; None for haar.
    """

    source: str
    num_images: int
    images: dict[str, dict[str, int]]
    data_sha256: str
    bad_images: tuple[BadImage, ...]
    passed_over: dict[str, int]
    detector: str
    detector_sha256: str | None

    def line(self) -> str:
        """The counts in one line."""
        usages = {
            usage: sum(by_usage[usage] for by_usage in self.images.values())
            for usage in self.images[EMOTIONS[0]]
        }
        shares = ", ".join(f"{usage} {number:,}" for usage, number in usages.items() if number)
        bad = f"; {len(self.bad_images):,} cannot be used" if self.bad_images else ""
        return f"read {self.num_images:,} images ({self.source}): {shares}{bad}; detector {self.detector}"


def run(params: DownloadParams, *, seed: int, output_dir: Path, report_path: Path) -> DownloadReport:
    """Bring images and detector.

    Args:
        params: The section `download`.
        seed: The seed of the sample.
        output_dir: Folder that is replaced by images.npz, index.csv and detector.onnx.
        report_path: JSON file for the report.

    Returns:
        The report that was written.

    Raises:
        SourceError: The source cannot be found, read or trusted.
        DataError: Too many images are bad, or an emotion has none.
        DetectorError: The detector is missing or not the pinned one.
        OutputError: The result cannot be written.
    """
    # What is quick first: to miss the detector after reading 36,000 images would be a pity.
    check_path(params)
    detector = load_detector(params.detector, attempts=params.fetch_attempts, timeout=params.fetch_timeout)
    content = read_source(params, seed=seed)
    origin = params.path or f"source {params.source}"
    check_bad_share(content, max_bad_share=params.max_bad_share, origin=origin)
    counts = count_images(content.table)
    check_classes(counts, origin=origin)
    _say_how_it_was_read(content, counts)
    report = DownloadReport(
        source=params.source,
        num_images=len(content.table),
        images=counts,
        data_sha256=data_digest(content.table),
        bad_images=content.bad_images,
        passed_over=count_passed_over(content),
        detector=detector.kind,
        detector_sha256=detector.sha256,
    )
    _write(content.table, detector, output_dir)
    write_json(report_path, dataclasses.asdict(report))
    say(report.line())
    return report


def check_bad_share(content: SourceContent, *, max_bad_share: float, origin: str) -> None:
    """See that not too many images are bad.

    Raises:
        DataError: Over `max_bad_share`; names the first few.
    """
    num_bad = len(content.bad_images)
    num_all = num_bad + len(content.table)
    if num_bad <= max_bad_share * num_all:
        return
    named = "\n".join(f"  {bad.name}: {bad.reason}" for bad in content.bad_images[:_NUM_NAMED])
    more = f"\n  and {num_bad - _NUM_NAMED:,} more" if num_bad > _NUM_NAMED else ""
    raise DataError(
        f"{origin}: {num_bad:,} of {num_all:,} images cannot be used, more than the share "
        f"{max_bad_share:g} of download.max_bad_share; correct them, take them out, or raise the "
        f"key:\n{named}{more}"
    )


def count_images(table: ImageTable) -> dict[str, dict[str, int]]:
    """Number of images by emotion and usage, zeros included, in the order of the paper's tables."""
    counts = Counter(zip(table["label"].tolist(), table["usage"].tolist(), strict=True))
    return {emotion: {usage: counts[emotion, usage] for usage in USAGES} for emotion in EMOTIONS}


def check_classes(counts: dict[str, dict[str, int]], *, origin: str) -> None:
    """See that every emotion can be learnt.

    Raises:
        DataError: An emotion has no image or none for training, or nothing is for training.
    """
    empty = [emotion for emotion in EMOTIONS if not any(counts[emotion].values())]
    untrained = [emotion for emotion in EMOTIONS if not counts[emotion]["Training"]]
    if len(untrained) == len(EMOTIONS) and len(empty) < len(EMOTIONS):
        raise DataError(
            f"{origin}: every image is of a test or validation folder, and those never train; give the "
            "folder that holds the training images too, or score these with 'ferflow evaluate --data'"
        )
    if untrained:
        kind = "image" if empty else "training image"
        raise DataError(
            f"{origin}: no {kind} of {', '.join(empty or untrained)}; "
            "every emotion needs images: add them to the source"
        )


def count_passed_over(content: SourceContent) -> dict[str, int]:
    """Why files are no part of the data, to their number."""
    found = content.layout
    if found is None:
        return {}
    return {
        "no_image_name": len(found.others),
        "outside_classes": len(found.outside),
        "litter": len(found.litter),
        "left_out_by_map": len(found.left_out),
    }


def _say_how_it_was_read(content: SourceContent, counts: dict[str, dict[str, int]]) -> None:
    if content.layout is not None:
        for remark in remarks_on(content.layout):
            say(remark)
    present = {usage for by_usage in counts.values() for usage, count in by_usage.items() if count}
    fitting = [scheme for scheme in SCHEMES if not missing_usages(present, scheme)]
    if "kaggle" not in fitting:
        usages = " and ".join(sorted(present))
        say(f"all images are of usage {usages}: only split.scheme {' or '.join(fitting)} fits")


def data_digest(table: ImageTable) -> str:
    """SHA-256 over the sorted pixel hashes, one a line: of the pictures, not of names or order."""
    return hashlib.sha256(
        "".join(f"{value}\n" for value in sorted(table["sha256"].tolist())).encode()
    ).hexdigest()


def _write(table: ImageTable, detector: Detector, output_dir: Path) -> None:
    with atomic_directory(output_dir) as fresh:
        table.write(fresh / "images.npz", fresh / "index.csv")
        if detector.content is not None:
            (fresh / "detector.onnx").write_bytes(detector.content)

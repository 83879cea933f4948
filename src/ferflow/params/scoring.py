"""How a folder is scored where no parameter file lies: as `profiles/base.yaml` has it.

That file is no part of the installed package, and `ferflow evaluate --data` is for people without a
repository, too. A test holds the values here and there equal.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from ferflow.params.download import DownloadParams
from ferflow.params.evaluate import EvaluateParams
from ferflow.params.reading import load_params
from ferflow.paths import PARAMS

_DOWNLOAD: dict[str, object] = {
    "source": "kaggle",
    "path": None,
    "votes": None,
    "map": [],
    "sha256": None,
    "detector": "auto",
    "sample_images": 1400,
    "max_bad_share": 0.001,
    "max_members": 200_000,
    "max_member_bytes": 16_777_216,
    "max_total_bytes": 2_147_483_648,
    "max_ratio": 100.0,
    "max_image_pixels": 200_000_000,
    "fetch_attempts": 3,
    "fetch_timeout": 30.0,
}
_EVALUATE = EvaluateParams(
    batch_size=256, test_time_augmentation="ten_crop", confidence_level=0.95, calibration_bins=15
)


class ScoringParams(NamedTuple):
    """The sections that scoring a folder reads."""

    download: DownloadParams
    evaluate: EvaluateParams


@cache
def usual_bounds() -> DownloadParams:
    """The section `download` of `profiles/base.yaml`, for what is too many, too large or packed too well."""
    return DownloadParams.model_validate(_DOWNLOAD)


def scoring_params(path: Path) -> ScoringParams:
    """Those of a parameter file; of `profiles/base.yaml` where `params.yaml` is asked for and is not there.

    Raises:
        ParamsError: The file is missing and has another name, or cannot be used.
    """
    if path == PARAMS and not path.exists():
        return ScoringParams(usual_bounds(), _EVALUATE)
    values = load_params(path)
    return ScoringParams(values.download, values.evaluate)

"""The parameters of a run as a whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SerializeAsAny

from ferflow.params.augment import AugmentParams
from ferflow.params.download import DownloadParams
from ferflow.params.evaluate import EvaluateParams
from ferflow.params.export import ExportParams
from ferflow.params.face_filter import FaceFilterParams
from ferflow.params.model import ModelParams
from ferflow.params.registry import RegistryParams
from ferflow.params.section import Section
from ferflow.params.split import SplitParams
from ferflow.params.train import TrainParams
from ferflow.params.tune import TuneParams


class Params(Section):
    """All parameters of one run.

    Attributes:
        profile: Name of the profile that the values started from; a label, nothing reads it.
        seed: Seed of the sample, the split, the initial weights, the shuffling and the augmentation.
    """

    profile: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    download: SerializeAsAny[DownloadParams]
    face_filter: FaceFilterParams
    split: SplitParams
    model: SerializeAsAny[ModelParams]
    augment: SerializeAsAny[AugmentParams]
    train: SerializeAsAny[TrainParams]
    evaluate: EvaluateParams
    registry: RegistryParams
    export: ExportParams
    tune: SerializeAsAny[TuneParams]

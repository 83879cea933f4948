"""Typed, strict parameters of all sections; `params.yaml` is their only home.

An unknown key, a wrong type or a value out of range is one error that names the key, the value
and what is allowed. Defaults live in the YAML files, not here: a missing key is an error too.
"""

from ferflow.params.augment import AugmentParams
from ferflow.params.differences import whole_text
from ferflow.params.download import DownloadParams
from ferflow.params.evaluate import EvaluateParams
from ferflow.params.export import ExportParams
from ferflow.params.face_filter import FaceFilterParams, HaarLook, YuNetLook
from ferflow.params.model import BUILT_IN_WEIGHTS, ModelParams
from ferflow.params.reading import check_params, describe_problem, load_params, read_yaml
from ferflow.params.registry import RegistryParams
from ferflow.params.split import SplitParams
from ferflow.params.train import TrainParams, Unfreezing
from ferflow.params.tune import TuneParams
from ferflow.params.whole import Params

__all__ = [
    "BUILT_IN_WEIGHTS",
    "AugmentParams",
    "DownloadParams",
    "EvaluateParams",
    "ExportParams",
    "FaceFilterParams",
    "HaarLook",
    "ModelParams",
    "Params",
    "RegistryParams",
    "SplitParams",
    "TrainParams",
    "TuneParams",
    "Unfreezing",
    "YuNetLook",
    "check_params",
    "describe_problem",
    "load_params",
    "read_yaml",
    "whole_text",
]

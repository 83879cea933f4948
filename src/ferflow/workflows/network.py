"""How large the network of the parameters is."""

from __future__ import annotations

from ferflow import paths
from ferflow.model.network import ParameterCounts, parameter_counts
from ferflow.params import Params
from ferflow.profiles import load_profile


def count_parameters(params: Params) -> ParameterCounts:
    """Count the parameters of the network: total, trainable and frozen.

    Args:
        params: Section `model`.

    Raises:
        ModelError: The network cannot be built.
    """
    return parameter_counts(params.model)


def count_parameters_of(profile: str) -> ParameterCounts:
    """The same for a profile of the repository.

    Args:
        profile: Its name.

    Raises:
        ParamsError: There is no such profile.
        ModelError: The network cannot be built.
    """
    return count_parameters(load_profile(profile, profiles=paths.PROFILES))

"""The figures of the last run, in a few lines."""

from __future__ import annotations

from ferflow import paths
from ferflow.params import Params
from ferflow.reporting.summary import summarise


def summary(params: Params) -> str:
    """Say in a few lines how the last run went and where to look next.

    Args:
        params: The parameters of now; it is said if the run had others.

    Raises:
        DataError: A report is missing or damaged.
    """
    return summarise(paths.REPORTS, params)

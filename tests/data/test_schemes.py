"""Schemes of the split and the usages that they need."""

from __future__ import annotations

import pytest

from ferflow.data.schemes import check_scheme
from ferflow.errors import DataError


@pytest.mark.parametrize(
    ("scheme", "found"),
    [
        ("random", {"Training"}),
        ("paper", {"Training", "PrivateTest"}),
        ("paper", {"Training", "PublicTest"}),
        ("kaggle", {"Training", "PublicTest", "PrivateTest"}),
    ],
)
def test_usages_that_fit_a_scheme_are_taken(scheme, found):
    check_scheme(found, scheme)


@pytest.mark.parametrize(
    ("scheme", "found", "message"),
    [
        (
            "random",
            ["Training", "PublicTest"],
            "draws .* from all, but some are PublicTest; .*paper",
        ),
        ("random", ["Training", "PrivateTest"], "draws .*some are PrivateTest; .*use split.scheme paper"),
        ("kaggle", ["Training", "PrivateTest"], "needs images of usage PublicTest; .*use split.scheme paper"),
        (
            "kaggle",
            ["Training", "Training"],
            "needs .* PublicTest and PrivateTest.*scheme random",
        ),
        ("paper", ["Training", "Training"], "needs .* PublicTest or PrivateTest.*scheme random"),
        ("paper", ["PublicTest", "PrivateTest"], "needs training images .*: bring the images"),
    ],
)
def test_usages_that_do_not_fit_a_scheme_are_refused_with_those_that_do(scheme, found, message):
    with pytest.raises(DataError, match=rf"split.scheme {scheme}: {message}"):
        check_scheme(found, scheme)

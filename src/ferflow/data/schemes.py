"""Which published usages a scheme of the split needs, and which it must not have."""

from __future__ import annotations

from collections.abc import Collection

from ferflow.errors import DataError

SCHEMES = ("paper", "kaggle", "random")
_TESTED = ("PublicTest", "PrivateTest")


def missing_usages(present: Collection[str], scheme: str) -> str:
    """What is wrong with these usages for a scheme, or "".

    Scheme random draws training images from all: images that were published for tests must not be there.
    """
    tested = [usage for usage in _TESTED if usage in present]
    if scheme == "random":
        return f"draws training images from all, but some are {' and '.join(tested)}" if tested else ""
    if "Training" not in present:
        return "needs training images (usage Training)"
    if scheme == "kaggle" and len(tested) < len(_TESTED):
        absent = [usage for usage in _TESTED if usage not in present]
        return f"needs images of usage {' and '.join(absent)}"
    if not tested:
        return "needs images of usage PublicTest or PrivateTest"
    return ""


def check_scheme(present: Collection[str], scheme: str) -> None:
    """See that a scheme fits the usages of the images.

    Raises:
        DataError: It does not; names the schemes that do.
    """
    problem = missing_usages(present, scheme)
    if not problem:
        return
    fitting = [other for other in SCHEMES if not missing_usages(present, other)]
    cure = f"use split.scheme {' or '.join(fitting)}, or bring" if fitting else "bring"
    raise DataError(
        f"split.scheme {scheme}: {problem}; the source has {', '.join(sorted(present))} (folders train, val "
        f"and test are Training, PublicTest and PrivateTest): {cure} the images that are missing"
    )

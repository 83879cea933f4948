"""Which image goes to which subset, and which test images are known from training.

Everything here is keyed to the pixels' hashes and not to rows or file names: the same images make
the same split from an archive, a folder or a CSV.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferflow.data.duplicates import Groups
from ferflow.data.schemes import check_scheme
from ferflow.data.store import Column
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS, USAGES
from ferflow.params import SplitParams

# The subsets, in the order in which reports list them; DROPPED marks rows that an option removed.
SUBSETS = ("train", "val", "test")
DROPPED = "dropped"

# Where a test (or validation) image has a copy on a side that was used to fit or select.
LEAKS = ("none", "near", "exact")

Mask = NDArray[np.bool_]


def label_indices(labels: Column) -> NDArray[np.uint8]:
    """The index of each label in `EMOTIONS`, (N,) uint8.

    Raises:
        DataError: A label is not one of the seven.
    """
    matches = labels[:, np.newaxis] == np.array(EMOTIONS)
    wrong = ~matches.any(axis=1)
    if wrong.any():
        raise DataError(
            f"label {str(labels[wrong][0])!r} found, expected one of {', '.join(EMOTIONS)}; "
            "rename the class folders or correct the index and run the download stage again"
        )
    return np.asarray(matches.argmax(axis=1), dtype=np.uint8)


def assign_subsets(
    usage: Column, labels: NDArray[np.uint8], groups: Groups, *, params: SplitParams, seed: int
) -> Column:
    """Assign each image to train, val or test.

    Scheme `paper` draws validation images from usage Training and tests on PublicTest and
    PrivateTest. Scheme `kaggle` follows the published usages. Scheme `random` draws test images
    from all, then validation images from the rest, and takes no images that were published for tests: none
    of those may come to be trained on. A draw never divides a group.

    Args:
        usage: (N,) published subset of each image; only scheme `random` takes any other value.
        labels: (N,) uint8 index into `EMOTIONS`.
        groups: (N,) numbers from `near_groups`.
        params: Section `split`.
        seed: The seed of the draws.

    Returns:
        (N,) of "train", "val" or "test".

    Raises:
        DataError: The scheme does not fit the usages.
    """
    if params.scheme == "random":
        check_scheme(set(usage.tolist()), params.scheme)  # whoever calls: test images never train
    else:
        _check_usages(usage, params.scheme)
    generator = np.random.default_rng(seed)
    subsets = np.full(len(usage), "train", dtype="<U7")
    if params.scheme == "random":
        subsets[draw_groups(labels, groups, share=params.test_share, generator=generator)] = "test"
    else:
        subsets[usage == "PublicTest"] = "val" if params.scheme == "kaggle" else "test"
        subsets[usage == "PrivateTest"] = "test"
    if params.scheme != "kaggle":
        rest = np.flatnonzero(subsets == "train")
        drawn = draw_groups(labels[rest], groups[rest], share=params.validation_share, generator=generator)
        subsets[rest[drawn]] = "val"
    return subsets


def draw_groups(
    labels: NDArray[np.uint8], groups: Groups, *, share: float, generator: np.random.Generator
) -> Mask:
    """Draw whole groups at random until each class has given its share of images.

    A group counts for the class that most of its images carry. Groups are taken in random order
    while they still fit into what their class has left to give, so that a share is missed by less
    than one image where single images abound.

    Args:
        labels: (N,) uint8 index into `EMOTIONS`.
        groups: (N,) group numbers.
        share: The share of the images that is drawn, 0-1.
        generator: Source of the order.

    Returns:
        (N,) bool: drawn.
    """
    numbers, rows = np.unique(groups, return_inverse=True)
    votes = np.zeros((len(numbers), len(EMOTIONS)), dtype=np.int64)
    np.add.at(votes, (rows, labels), 1)
    sizes, classes = votes.sum(axis=1), votes.argmax(axis=1)
    left = np.rint(share * np.bincount(classes, weights=sizes, minlength=len(EMOTIONS))).astype(np.int64)
    drawn = np.zeros(len(numbers), dtype=np.bool_)
    for group in generator.permutation(len(numbers)):
        if sizes[group] <= left[classes[group]]:
            drawn[group] = True
            left[classes[group]] -= sizes[group]
    return drawn[rows]


def find_leaks(exact: Groups, near: Groups, *, seen: Mask, scored: Mask) -> Column:
    """Mark the scored images that have a copy among the seen ones.

    Args:
        exact: (N,) numbers from `exact_groups`.
        near: (N,) numbers from `near_groups`.
        seen: (N,) bool: used to fit or to select.
        scored: (N,) bool: to be scored.

    Returns:
        (N,) of `LEAKS`: "exact" with the same pixels among the seen, otherwise "near" with the same
        photograph among them, otherwise "none"; always "none" for images that are not scored.
    """
    leaks = np.full(len(exact), "none", dtype="<U5")
    leaks[scored & np.isin(near, near[seen])] = "near"
    leaks[scored & np.isin(exact, exact[seen])] = "exact"
    return leaks


def find_contradictions(exact: Groups, labels: NDArray[np.uint8]) -> Mask:
    """Mark the images whose exact copies carry another label, (N,) bool.

    Args:
        exact: (N,) numbers from `exact_groups`.
        labels: (N,) uint8 index into `EMOTIONS`.
    """
    numbers, rows = np.unique(exact, return_inverse=True)
    lowest = np.full(len(numbers), len(EMOTIONS), dtype=np.int64)
    highest = np.zeros(len(numbers), dtype=np.int64)
    np.minimum.at(lowest, rows, labels)
    np.maximum.at(highest, rows, labels)
    marked: Mask = (lowest < highest)[rows]
    return marked


def apply_options(
    subsets: Column, labels: NDArray[np.uint8], exact: Groups, near: Groups, *, params: SplitParams
) -> tuple[Column, Column]:
    """Drop contradictory and leaked images where the parameters ask for it.

    Contradictions are judged among train and val alone: a test label never decides what trains.
    Every row of such a group leaves train and val. Leaks are marked afterwards, against what is
    left: test images against train and val, validation images against train.

    Args:
        subsets: (N,) from `assign_subsets`.
        labels: (N,) uint8 index into `EMOTIONS`.
        exact: (N,) numbers from `exact_groups`.
        near: (N,) numbers from `near_groups`.
        params: Section `split`.

    Returns:
        (N,) subsets, with "dropped" for the removed rows, and (N,) leaks.
    """
    subsets = subsets.copy()
    if params.contradictory == "drop":
        fitting = np.flatnonzero(subsets != "test")
        subsets[fitting[find_contradictions(exact[fitting], labels[fitting])]] = DROPPED
    in_train, in_val, in_test = (subsets == name for name in SUBSETS)
    leaks = find_leaks(exact, near, seen=in_train | in_val, scored=in_test)
    known = find_leaks(exact, near, seen=in_train, scored=in_val)
    leaks[in_val] = known[in_val]
    if params.leaked == "drop":
        subsets[in_test & (leaks != "none")] = DROPPED
    return subsets, leaks


def check_subsets(subsets: Column, labels: NDArray[np.uint8], *, params: SplitParams) -> None:
    """Check that every subset holds images, and train every class.

    Raises:
        DataError: A subset is empty or a class has no training image.
    """
    for name in SUBSETS:
        if not (subsets == name).any():
            raise DataError(
                f"split.scheme {params.scheme}: subset {name} is empty; choose another split.scheme, raise "
                "its share, or bring more images (profiles and sources are told in docs/split.md)"
            )
    counts = np.bincount(labels[subsets == "train"], minlength=len(EMOTIONS))
    if missing := [EMOTIONS[index] for index in np.flatnonzero(counts == 0)]:
        raise DataError(
            f"split.scheme {params.scheme}: no training image of class {', '.join(missing)}; the network "
            "needs all seven: bring images of it, or lower split.validation_share and split.test_share"
        )


def _check_usages(usage: Column, scheme: str) -> None:
    unknown = ~np.isin(usage, USAGES)
    if unknown.any():
        raise DataError(
            f"split.scheme {scheme}: usage {str(usage[unknown][0])!r} found, expected one of "
            f"{', '.join(USAGES)}; use split.scheme random for data without published subsets"
        )

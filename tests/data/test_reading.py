"""Layouts as people have them, read by the stage download and by evaluate --data alike."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferflow.data.schemes import SCHEMES, missing_usages
from ferflow.data.sources.class_folder import read_class_folder
from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.inspection import inspect_source
from ferflow.data.sources.path_labels import read_layout
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.sources import read_source
from ferflow.data.sources.subset_names import SUBSETS
from ferflow.data.split import assign_subsets, label_indices
from ferflow.errors import DataError
from tests.data.layouts import LAYOUTS, UNREADABLE, Tree
from tests.source_files import encoded, write_folder, write_tar, write_zip

pytestmark = pytest.mark.usefixtures("one_decode_box")


@cache
def picture(number: int) -> tuple[np.ndarray, bytes]:
    """A grey picture of its own for each number, and its file."""
    image = np.full((48, 48), 128, np.uint8)
    image.flat[:16] = [255 * (number >> bit & 1) for bit in range(16)]
    return image, encoded(image, ".png")


def files_of(tree: Tree) -> dict[str, bytes]:
    files = {path: picture(number)[1] for number, path in enumerate(tree.images)}
    return files | {
        path: picture(9999)[1] if path.endswith(".png") else b"no image" for path in tree.passed_over
    }


def write(folder: Path, files: dict[str, bytes], kind: int) -> Path:
    """As a folder, a zip or a tar, in turn."""
    name, writer = (("data", write_folder), ("data.zip", write_zip), ("data.tar", write_tar))[kind]
    return writer(folder / name, files)


@pytest.fixture
def bounds(sample_params):
    def bounds(path: Path, *entries: str):
        return sample_params.download.model_copy(
            update={"source": "archive", "path": str(path), "map": list(entries)}
        )

    return bounds


def found_in(table) -> dict[bytes, tuple[str, str]]:
    rows = zip(table.images, table["label"].tolist(), table["usage"].tolist(), strict=True)
    return {image.tobytes(): (label, usage) for image, label, usage in rows}


def test_there_are_enough_layouts():
    assert len(LAYOUTS) + len(UNREADABLE) >= 100


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_rightly_and_alike(name, tmp_path, bounds):
    tree = LAYOUTS[name]
    path = write(tmp_path, files_of(tree), list(LAYOUTS).index(name) % 3)
    params = bounds(path, *tree.map)
    expected = {picture(number)[0].tobytes(): what for number, what in enumerate(tree.images.values())}

    downloaded = read_source(params, seed=1)
    scored = read_class_folder(path, params, mapping=parse_map(tree.map), cut=None)

    assert found_in(downloaded.table) == expected
    assert found_in(scored.table) == expected
    assert downloaded.table["file"].tolist() == scored.table["file"].tolist()
    assert downloaded.bad_images == scored.bad_images == ()
    layout = downloaded.layout
    counted = layout.num_passed_over + len(layout.litter) + len(layout.left_out)
    assert counted >= len(tree.passed_over) - sum(
        "MACOSX" in path or ".ipynb" in path for path in tree.passed_over
    )


@pytest.mark.parametrize("link", ["file", "folder", "hard"])
def test_no_link_brings_an_image_of_another_subset_into_training(link, tmp_path, bounds):
    names = [f"{subset}/sad/{subset}.png" for subset in SUBSETS]
    root = write_folder(tmp_path / "data", {name: picture(n)[1] for n, name in enumerate(names)})
    if link == "file":
        (root / "train/sad/link.png").symlink_to("../../test/sad/test.png")
    elif link == "folder":
        (root / "train/sadness").symlink_to("../val/sad")
    else:
        (root / "train/sad/link.png").hardlink_to(root / "test/sad/test.png")
    for read in (
        lambda: read_source(bounds(root), seed=1),
        lambda: read_class_folder(root, bounds(root), mapping={}, cut=None),
    ):
        with pytest.raises(DataError, match=r"are links to one file, of usage .*; an image that tests"):
            read()


def test_a_line_that_would_not_help_is_not_given(tmp_path, bounds):
    root = write_folder(tmp_path / "data", {"test/train/sad/1.png": picture(1)[1]})
    with pytest.raises(
        DataError, match=r"names more than one subset \(test, train\).*so rename one of them$"
    ):
        inspect_source(root, bounds(root), entries=[])
    names = [f"{part}/{name}/1.png" for part in ("a", "b") for name in ("wut", "angst")]
    root = write_folder(tmp_path / "others", {name: picture(n)[1] for n, name in enumerate(names)})
    with pytest.raises(DataError, match="no known class"):  # Not that a map leaves out every image.
        inspect_source(root, bounds(root), entries=[])


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_one_error_for_both(name, tmp_path, bounds):
    paths, says = UNREADABLE[name]
    path = write(tmp_path, {file: picture(1)[1] for file in paths}, list(UNREADABLE).index(name) % 3)

    with pytest.raises(DataError) as downloaded:
        read_source(bounds(path), seed=1)
    with pytest.raises(DataError) as scored:
        read_class_folder(path, bounds(path), mapping={}, cut=None)

    for part in says:
        assert part in str(downloaded.value)
        if "download.map" not in part:
            assert part in str(scored.value)


def shared_parts(paths: list[list[str]]) -> list[str]:
    """The parts that all paths begin with."""
    return [
        parts[0]
        for parts in itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    ]


_TRAIN_WORDS = ("train", "Training", "train_set", "FER2013Train")
_HELD_OUT_WORDS = (
    *("val", "valid", "Validation", "dev", "PublicTest", "test", "Testing", "PRIVATE_TEST", "test-images"),
    *("FER2013Test", "my_test", "holdout", "kaggle_val"),
)
_CLASSES = ("angry", "Disgust", "fear", "HAPPY", "joy", "neutral", "sadness", "1")
_OTHER = ("S01", "fer2013", "images", "extra", "trainval", "SA")
_PARTS = st.sampled_from((*_TRAIN_WORDS, *_HELD_OUT_WORDS, *_CLASSES, *_CLASSES, *_OTHER))
_FILES = st.sampled_from(("a.png", "b.jpg", "Training_1.jpg", "PublicTest_2.jpg", "PrivateTest_3.jpg"))
_PATHS = st.lists(
    st.tuples(st.lists(_PARTS, min_size=0, max_size=4), _FILES).map(
        lambda path: "/".join((*path[0], path[1]))
    ),
    min_size=1,
    max_size=12,
    unique=True,
)
_ORDERLY = st.tuples(
    st.sampled_from(("", "fer2013/", "my_test/", "train/", "a/b/")),
    st.sampled_from(_TRAIN_WORDS),
    st.sampled_from(_HELD_OUT_WORDS),
    st.booleans(),
    _FILES,
).map(
    lambda tree: [
        f"{tree[0]}{f'{subset}/{name}' if tree[3] else f'{name}/{subset}'}/{tree[4]}"
        for subset in tree[1:3]
        for name in ("angry", "sad")
    ]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=_PATHS | _ORDERLY, seed=st.integers(0, 5))
def test_no_image_of_a_test_or_validation_folder_ever_trains(paths, seed, sample_params):
    """Whatever the tree and the scheme: what is accepted keeps them out of training."""
    try:
        layout = read_layout(paths, source=Path("data"), mapping={}, wording=Wording())
    except DataError:
        return
    places = list(layout.places.items())
    usage = np.array([place.usage for _, place in places])
    labels = label_indices(np.array([place.label for _, place in places]))
    held_out = np.array([any(part in _HELD_OUT_WORDS for part in name.split("/")) for name, _ in places])
    named = np.array(
        [name.rpartition("/")[2].startswith(("PublicTest_", "PrivateTest_")) for name, _ in places]
    )
    # `my_test/train/`: the name of a project that all of it lies in, not of a subset.
    shared = shared_parts([name.split("/")[:-1] for name, _ in places])
    if "my_test" in shared or "kaggle_val" in shared:
        held_out &= np.array(
            [any(part in _HELD_OUT_WORDS for part in name.split("/")[len(shared) :]) for name, _ in places]
        )
    for scheme in SCHEMES:
        if missing_usages(set(usage.tolist()), scheme):
            continue
        params = sample_params.split.model_copy(update={"scheme": scheme, "test_share": 0.3})
        subsets = assign_subsets(usage, labels, np.arange(len(places)), params=params, seed=seed)
        assert not ((held_out | named) & (subsets == "train")).any()

"""What a path says: emotion, usage, and what is no part of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferflow.data.layout import Place, check_places, place_of
from ferflow.errors import DataError

SOURCE = Path("data.zip")


@pytest.mark.parametrize(
    ("name", "file", "label", "usage"),
    [
        ("train/angry/Training_1.jpg", "train/angry/Training_1.jpg", "angry", "Training"),
        ("test/sad/PublicTest_1.jpg", "test/sad/PublicTest_1.jpg", "sad", "PublicTest"),
        ("test/sad/PrivateTest_1.jpg", "test/sad/PrivateTest_1.jpg", "sad", "PrivateTest"),
        ("fer/2013/train/happy/x.png", "train/happy/x.png", "happy", "Training"),
        ("test/happy/x.png", "test/happy/x.png", "happy", "PrivateTest"),
        ("./Test/Happy/x.png", "Test/Happy/x.png", "happy", "PrivateTest"),
        ("mine/fear/x.bmp", "fear/x.bmp", "fear", "Training"),
        ("fear/PublicTest_3.jpg", "fear/PublicTest_3.jpg", "fear", "PublicTest"),
    ],
)
def test_place_of_reads_emotion_and_usage(name, file, label, usage) -> None:
    place = place_of(name, source=SOURCE)
    assert place is not None
    assert (place.file, place.label, place.usage) == (file, label, usage)


@pytest.mark.parametrize(
    "name",
    [
        "readme.txt",
        "train/angry/.DS_Store",
        "__MACOSX/train/angry/._1.jpg",
        "train/angry/Thumbs.db",
        ".git/x.jpg",
    ],
)
def test_place_of_passes_over_what_is_no_image_of_the_data(name) -> None:
    assert place_of(name, source=SOURCE) is None


@pytest.mark.parametrize("name", ["train/angre/1.jpg", "train/1.jpg", "1.PNG", "train/angry/inner/1.jpg"])
def test_place_of_refuses_images_outside_the_emotions_folders(name) -> None:
    with pytest.raises(DataError, match=r"data\.zip: .*which is no emotion; expected.*surprise"):
        place_of(name, source=SOURCE)


@pytest.mark.parametrize("name", ["train/sad/PublicTest_1.jpg", "test/sad/Training_1.jpg"])
def test_place_of_refuses_a_name_that_contradicts_its_folder(name) -> None:
    with pytest.raises(DataError, match=r"is named .* but lies in"):
        place_of(name, source=SOURCE)


def test_check_places_accepts_one_layout() -> None:
    check_places([Place("train/sad/1.jpg", "sad", "Training", "train")], source=SOURCE)
    check_places([Place("sad/1.jpg", "sad", "Training", "")], source=SOURCE)

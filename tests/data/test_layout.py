"""What the paths of a source say together: emotions, usages, and what is no part of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.path_labels import read_layout, remarks_on
from ferflow.data.sources.reading_errors import LayoutError, Wording
from ferflow.errors import DataError, SourceError

SOURCE = Path("data.zip")


def read(*names, mapping=(), source=SOURCE):
    return read_layout(names, source=source, mapping=parse_map(mapping), wording=Wording())


@pytest.mark.parametrize(
    ("name", "file", "label", "usage"),
    [
        ("train/angry/Training_1.jpg", "train/angry/Training_1.jpg", "angry", "Training"),
        ("test/sad/PublicTest_1.jpg", "test/sad/PublicTest_1.jpg", "sad", "PublicTest"),
        ("test/sad/PrivateTest_1.jpg", "test/sad/PrivateTest_1.jpg", "sad", "PrivateTest"),
        ("fer/2013/train/happy/x.png", "train/happy/x.png", "happy", "Training"),
        ("test/happy/x.png", "test/happy/x.png", "happy", "PrivateTest"),
        ("./Test//Happy/x.png", "Test/Happy/x.png", "happy", "PrivateTest"),
        ("mine/fear/x.bmp", "fear/x.bmp", "fear", "Training"),
        ("fear/PublicTest_3.jpg", "fear/PublicTest_3.jpg", "fear", "PublicTest"),
        ("PublicTest/Anger/x", "PublicTest/Anger/x", "angry", "PublicTest"),
        ("sadness/val/x.png", "sadness/val/x.png", "sad", "PublicTest"),
        ("my_test_project/train/3_Happy/x.png", "train/3_Happy/x.png", "happy", "Training"),
        ("test/PublicTest/happy/x.png", "PublicTest/happy/x.png", "happy", "PublicTest"),
    ],
)
def test_a_path_says_emotion_and_usage(name, file, label, usage):
    [place] = read(name).places.values()
    assert (place.file, place.label, place.usage) == (file, label, usage)


def test_what_is_no_image_of_the_data_is_counted_by_kind():
    layout = read(
        "set/train/sad/1.jpg",
        "set/train/sad/notes.txt",
        "set/logo.png",
        "set/train/sad/.DS_Store",
        "__MACOSX/set/train/sad/._1.jpg",
        "set/train/sad/Thumbs.db",
        ".git/x.jpg",
    )
    assert [place.file for place in layout.places.values()] == ["train/sad/1.jpg"]
    assert (layout.others, layout.outside) == (("set/train/sad/notes.txt",), ("set/logo.png",))
    assert len(layout.litter) == 4
    assert len(remarks_on(layout)) == 2


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ("train/angre/1.jpg", "train/sad/1.jpg"),
            "angre (1 image): no known class; expected <subset>/",
        ),
        (("train/1.jpg", "train/sad/2.jpg"), "1 images lie in no class folder, such as train/1.jpg"),
        (("1.PNG",), "lie in no class folder, such as 1.PNG"),
        (("train/sad/1.jpg", "heldback/sad/2.jpg"), "heldback (1 image) lies outside train/"),
        (("a/sad/1.jpg", "b/sad/1.jpg"), "lie above the classes and name neither a subset nor a class"),
        (("train/test/sad/1.jpg", "x/sad/1.jpg"), "train/test/sad names more than one subset (train, test)"),
        (("kaggle_test/sad/1.jpg",), "kaggle_test/sad may name a subset, which cannot be told"),
        (("sad/happy/1.jpg",), "sad/happy names 2 classes, sad, happy"),
        (("sad/Training_1.jpg", "happy/1.jpg"), "some images are named after a usage"),
        (("sad/Training_1.jpg", "sad/1.jpg"), "sad/1.jpg is not named after a usage"),
        (("notes.txt", "fer2013.csv"), "holds no image (found: 1 .txt, 1 .csv)"),
        (("train/sad/1.jpg", "train/sad/1.jpg"), "holds train/sad/1.jpg twice"),
    ],
)
def test_what_cannot_be_told_is_one_error_that_names_what_was_found(names, says):
    with pytest.raises(DataError) as caught:
        read(*names)
    assert says in str(caught.value)
    assert str(caught.value).startswith("data.zip: ")


@pytest.mark.parametrize(
    "names",
    [
        ("train/contempt/1.jpg", "train/sad/1.jpg"),
        ("1/1.jpg", "2/1.jpg"),
        ("0/1.jpg", "6/1.jpg"),
        ("train/sad/1.jpg", "heldback/sad/2.jpg"),
        ("ann/sad/1.jpg", "bob/sad/1.jpg"),
        ("train/sad/1.jpg", "Eval_set/sad/1.jpg", "test/sad/1.jpg"),
        ("kaggle_test/sad/1.jpg",),
        ("train/co: #n/1.jpg", "train/sad/1.jpg"),
    ],
)
def test_the_entries_that_an_error_gives_read_the_source(names):
    with pytest.raises(LayoutError) as caught:
        read(*names)
    assert caught.value.entries
    assert Wording().line(caught.value.entries) in str(caught.value)
    assert read(*names, mapping=caught.value.entries).places


def test_eval_tests_alone_and_is_asked_for_beside_test():
    alone = read("train/sad/1.jpg", "eval/sad/2.jpg")
    assert alone.places["eval/sad/2.jpg"].usage == "PrivateTest"
    names = ("train/sad/1.jpg", "eval/sad/2.jpg", "test/sad/3.jpg")
    with pytest.raises(LayoutError, match="eval lies beside test, so whether it validates or tests"):
        read(*names)
    for entry, usage in (("eval=val", "PublicTest"), ("eval=test", "PrivateTest")):
        told = read(*names, mapping=[entry])
        assert told.places["eval/sad/2.jpg"].usage == usage


@pytest.mark.parametrize("name", ["train/sad/PublicTest_1.jpg", "val/sad/PrivateTest_1.jpg"])
def test_a_name_that_contradicts_its_folder_is_refused(name):
    with pytest.raises(DataError, match=r"is named .* but lies in"):
        read(name)


def test_an_image_of_a_validation_folder_validates_whatever_its_name():
    layout = read("train/sad/Training_1.jpg", "val/sad/Training_2.jpg", "test/sad/PublicTest_3.jpg")
    assert [place.usage for place in layout.places.values()] == ["PrivateTest", "Training", "PublicTest"]
    assert "1 images in val/sad are named Training_: the folder counts" in remarks_on(layout)


def test_the_depth_that_all_share_tells_a_class_from_a_person_of_that_name():
    layout = read("angry/SA/1.jpg", "angry/KM/1.jpg", "sad/AN/1.jpg")
    assert [place.label for place in layout.places.values()] == ["angry", "angry", "sad"]


def test_a_class_a_folder_above_it_and_a_subset_can_be_left_out():
    names = ("train/sad/1.jpg", "valid/sad/1.jpg", "train/contempt/1.jpg", "plots/curve.png")
    layout = read(*names, mapping=["valid=", "contempt=", "plots="])
    assert [place.file for place in layout.places.values()] == ["train/sad/1.jpg"]
    assert len(layout.left_out) == 3


def test_the_name_of_the_source_counts_where_nothing_inside_says_a_subset():
    [place] = read("sad/1.jpg", source=Path("fer/PublicTest")).places.values()
    assert place.usage == "PublicTest"
    [place] = read("train/sad/1.jpg", source=Path("fer/test")).places.values()
    assert place.usage == "Training"


def test_a_map_may_not_make_test_images_train():
    with pytest.raises(SourceError, match="names test or validation images, which must not train"):
        parse_map(["PrivateTest=train"])


def test_a_map_of_a_folder_that_is_not_there_names_those_that_are():
    with pytest.raises(SourceError, match=r"download\.map names contemt, but its subfolders are sad, train"):
        read("train/sad/1.jpg", mapping=["contemt="])

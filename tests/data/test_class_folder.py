"""Tests of folders of classes: names, mapping, what is read and what is said of the rest."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from ferflow.data.images import to_grey_face
from ferflow.data.sources.class_folder import check_usable, count_by_folder, read_class_folder
from ferflow.data.sources.class_names import ALIASES, emotion_of, parse_map
from ferflow.data.store import pixel_hashes
from ferflow.errors import DataError, SourceError
from ferflow.labels import EMOTIONS
from tests.data.pictures import draw_pictures

pytestmark = pytest.mark.usefixtures("one_decode_box")


def write(path, picture=None):
    """Write a picture; the name's end says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = draw_pictures(1)[0] if picture is None else picture
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


@pytest.fixture
def read(sample_params):
    def read(path, mapping=(), *, cut=None, max_pixels=10**6, max_bytes=10**6):
        bounds = sample_params.download.model_copy(
            update={"max_image_pixels": max_pixels, "max_member_bytes": max_bytes}
        )
        return read_class_folder(path, bounds, mapping=parse_map(mapping), cut=cut)

    return read


def test_classes_are_known_in_any_case_by_any_usual_name(tmp_path, read):
    for emotion, names in ALIASES.items():
        for number, name in enumerate((emotion, *names)):
            write(tmp_path / (name.upper() if number % 2 else name.capitalize()) / "1.png")
    classes = read(tmp_path).layout.classes

    assert len(classes) == 7 + sum(map(len, ALIASES.values()))
    assert {folder.lower(): emotion for folder, emotion in classes.items()} == {
        name: emotion for emotion, names in ALIASES.items() for name in (emotion, *names)
    }
    assert list(ALIASES) == list(EMOTIONS)


@pytest.mark.parametrize("name", ["3_Happy", "happy faces", "HAPPINESS", "06-joy", "Happy (12)"])
def test_numbers_and_filling_words_do_not_hide_a_class(name):
    assert emotion_of(name) == "happy"


@pytest.mark.parametrize("name", ["3", "not_happy", "happy_surprised", "contempt", "ha ha", "unhappy"])
def test_other_names_say_no_class(name):
    assert emotion_of(name) is None


def test_names_of_classes_are_told_apart():
    names = [name for emotion, others in ALIASES.items() for name in (emotion, *others)]
    assert len(set(names)) == len(names)


def test_faces_are_read_from_nested_folders_of_any_size_and_kind(tmp_path, read):
    small, large = draw_pictures(1)[0], draw_pictures(1, seed=1, side=90)[0]
    colour = np.random.default_rng(2).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    write(tmp_path / "Happiness" / "S010" / "002" / "b.png", small)
    write(tmp_path / "Happiness" / "a.TIFF", large)
    write(tmp_path / "sad" / "c.bmp", colour)
    content = read(tmp_path)

    assert content.table["file"].tolist() == ["Happiness/S010/002/b.png", "Happiness/a.TIFF", "sad/c.bmp"]
    assert content.table["label"].tolist() == ["happy", "happy", "sad"]
    assert content.table["folder"].tolist() == ["Happiness", "Happiness", "sad"]
    expected = np.stack([small, to_grey_face(large), to_grey_face(colour)])
    assert np.array_equal(content.table.images, expected)
    assert content.table["sha256"].tolist() == pixel_hashes(expected).tolist()
    assert content.median_side == 60
    assert content.bad_images == ()


def test_a_class_can_be_counted_as_another_emotion_or_left_out(tmp_path, read):
    for name in ("Contempt", "joy", "Annoyed"):
        write(tmp_path / name / "1.png")
    content = read(tmp_path, ["contempt=", "ANNOYED=anger", "joy=neutral"])

    assert content.layout.classes == {"Annoyed": "angry", "Contempt": None, "joy": "neutral"}
    assert content.table["label"].tolist() == ["angry", "neutral"]
    assert count_by_folder(content) == {
        "Annoyed": {"emotion": "angry", "files": 1, "scored": 1},
        "Contempt": {"emotion": "left out", "files": 1, "scored": 0},
        "joy": {"emotion": "neutral", "files": 1, "scored": 1},
    }


def test_unknown_classes_are_one_error_with_the_cure(tmp_path, read):
    for name in ("contempt", "happy", "Bored"):
        write(tmp_path / name / "1.png")

    with pytest.raises(DataError) as caught:
        read(tmp_path)
    message = str(caught.value)
    assert "Bored (1 image), contempt (1 image): no known class" in message
    assert "happy (happiness, joy" in message
    assert "--map 'Bored=EMOTION'" in message
    assert "--map 'Bored=' --map 'contempt='" in message


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["contempt"], "expected NAME=EMOTION, or NAME= to leave"),
        (["=sad"], "expected NAME=EMOTION"),
        (["contempt=bored"], "'bored' is no emotion; expected one of angry, disgust"),
        (["Contempt=", "contempt=sad"], "names 'contempt' twice"),
    ],
)
def test_a_wrong_map_says_what_is_expected(entries, message):
    with pytest.raises(SourceError, match=message):
        parse_map(entries)


def test_a_map_of_a_class_that_is_not_there_names_those_that_are(tmp_path, read):
    write(tmp_path / "Happy" / "1.png")

    with pytest.raises(SourceError, match="--map names contemt, but its subfolders are Happy"):
        read(tmp_path, ["contemt="])


def test_hidden_files_and_litter_do_not_count_and_other_files_are_counted(tmp_path, read):
    write(tmp_path / "sad" / "1.png")
    for name in (".git/x.png", "sad/.hidden.png", "sad/Thumbs.db", "__MACOSX/sad/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("litter")
    for name in ("README.txt", "outside.png", "sad/landmarks.txt"):
        (tmp_path / name).write_text("other")
    content = read(tmp_path)

    assert content.table["file"].tolist() == ["sad/1.png"]
    assert content.layout.num_passed_over == 3
    assert len(content.layout.litter) == 4


def test_bad_images_are_named_with_the_reason(tmp_path, read):
    write(tmp_path / "sad" / "good.png")
    write(tmp_path / "sad" / "huge.png", np.zeros((200, 200), np.uint8))
    (tmp_path / "sad" / "cut.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((50, 50), np.uint8))[1][:-40])
    (tmp_path / "sad" / "empty.png").write_bytes(b"")
    (tmp_path / "sad" / "long.png").write_bytes(b"x" * 5000)
    (tmp_path / "sad" / "film.gif").write_bytes(b"GIF89a...")
    (tmp_path / "sad" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    content = read(tmp_path, max_pixels=10_000, max_bytes=4000)
    reasons = {bad.name.removeprefix("sad/"): bad.reason for bad in content.bad_images}

    assert content.table["file"].tolist() == ["sad/good.png"]
    assert list(reasons) == ["cut.jpg", "empty.png", "film.gif", "gone.png", "huge.png", "long.png"]
    assert "cut short" in reasons["cut.jpg"]
    assert "cut short" in reasons["film.gif"]
    assert "No such file" in reasons["gone.png"]
    assert "200x200" in reasons["huge.png"]
    assert "more than download.max_member_bytes 4,000" in reasons["long.png"]


def test_a_share_of_bad_images_that_is_too_large_is_an_error_that_names_some(tmp_path, read):
    for number in range(18):
        write(tmp_path / "sad" / f"{number:02}.png")
    for number in range(2):
        (tmp_path / "sad" / f"x{number}.png").write_bytes(b"")
    content = read(tmp_path)

    check_usable(content, max_bad_share=0.1)
    with pytest.raises(DataError, match=r"2 of 20 images .* share 0.05 of --max-bad-share") as caught:
        check_usable(content, max_bad_share=0.05)
    assert "sad/x0.png: empty (0 bytes)" in str(caught.value)


def test_pictures_without_a_face_are_named_and_are_not_bad(tmp_path, read):
    pictures = draw_pictures(2, side=80)
    write(tmp_path / "sad" / "face.png", pictures[0])
    write(tmp_path / "sad" / "wall.png", pictures[1])
    content = read(
        tmp_path, cut=lambda picture: picture[:48, :48] if (picture == pictures[0]).all() else None
    )

    assert np.array_equal(content.table.images, pictures[:1, :48, :48])
    assert content.without_face == ("sad/wall.png",)
    assert content.bad_images == ()
    nothing = read(tmp_path, cut=lambda picture: None)
    with pytest.raises(DataError, match=r"no face was found in any of 2 pictures.*--faces whole"):
        check_usable(nothing, max_bad_share=0.05)


def test_names_that_are_no_utf_8_are_escaped(tmp_path, read):
    write(tmp_path / "sad" / os.fsdecode(b"\xff.png"))

    assert read(tmp_path).table["file"].tolist() == ["sad/\\xff.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"holds no image \(found: no file\)"),
        (["1.png"], "1 images lie in no class folder"),
        (["sad/notes.txt"], r"holds no image \(found: 1 .txt\)"),
        (["train/contempt/1.png"], r"contempt \(1 image\): no known class"),
    ],
)
def test_a_folder_that_cannot_be_scored_says_why(tmp_path, read, names, message):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_missing_folder_says_what_is_expected(tmp_path, read):
    with pytest.raises(SourceError, match="absent: not found; give --data a folder"):
        read(tmp_path / "absent")


def test_links_inside_the_folder_are_followed_and_others_refused(tmp_path, read):
    write(tmp_path / "in" / "all" / "1.png")
    (tmp_path / "in" / "sad").mkdir()
    (tmp_path / "in" / "sad" / "1.png").symlink_to("../all/1.png")
    (tmp_path / "in" / "happy").symlink_to("all")
    assert read(tmp_path / "in", ["all="]).table["file"].tolist() == ["happy/1.png", "sad/1.png"]

    write(tmp_path / "out" / "1.png")
    (tmp_path / "in" / "fear").symlink_to(tmp_path / "out")
    with pytest.raises(SourceError, match=r"fear is a link that leads out of the folder.*cp -rL"):
        read(tmp_path / "in", ["all="])


def test_a_link_to_a_folder_that_holds_it_is_refused(tmp_path, read):
    write(tmp_path / "sad" / "1.png")
    (tmp_path / "sad" / "more").symlink_to("..")
    with pytest.raises(SourceError, match="sad/more is a link to a folder that holds it"):
        read(tmp_path)

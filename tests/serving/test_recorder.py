"""`ferflow predict`: CSV, JSON, output files, quiet, merged classes."""

from __future__ import annotations

import csv
import io
import json

import pytest
from PIL import Image

from ferflow.errors import OutputError, SourceError
from ferflow.labels import EMOTIONS
from tests.data.picture_files import saved
from tests.serving.pictures import photo_of, write_photo

pytestmark = pytest.mark.usefixtures("one_decode_box")

_TWO = [(40, 60, 144), (280, 150, 144)]


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "album"
    write_photo(folder / 'one,"a".png', photo_of(_TWO[1:]))
    write_photo(folder / "two.png", photo_of(_TWO))
    write_photo(folder / "wall.png", photo_of([]))
    return folder


def test_csv_has_a_line_a_face_and_one_for_a_picture_without(predict, album):
    result = predict(album, "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["path"].removeprefix(f"{album}/"), row["face"]) for row in rows] == [
        ('one,"a".png', "1"),
        ("two.png", "1"),
        ("two.png", "2"),
        ("wall.png", ""),
    ]
    pictures = [json.loads(line) for line in predict(album, "--json").stdout.splitlines()]
    faces = [face for picture in pictures for face in picture["faces"]]
    for row, face in zip(rows, faces, strict=False):
        assert [int(row[name]) for name in ("left", "top", "width", "height")] == face["box"]
        assert row["emotion"] == face["emotion"]
        assert float(row["confidence"]) == pytest.approx(face["confidence"])
        assert (row["is_tiny"], row["is_unsure"]) == ("false", "false")
        for name in EMOTIONS:
            assert float(row[f"p_{name}"]) == pytest.approx(face["probabilities"][name])
    assert set(rows[-1].values()) == {rows[-1]["path"], ""}


@pytest.mark.parametrize(
    ("name", "option", "form"),
    [
        ("a.csv", (), "--csv"),
        ("a.jsonl", (), "--json"),
        ("a.json", (), "--json"),
        ("a.txt", ("--csv",), "--csv"),
    ],
)
def test_an_output_file_holds_what_would_be_printed(predict, album, tmp_path, name, option, form):
    printed = predict(album, form).stdout
    result = predict(album, "--output", tmp_path / "out" / name, *option)
    assert result.stdout == ""
    assert (tmp_path / "out" / name).read_text(encoding="utf-8") == printed
    assert f"answers: {tmp_path}/out/{name}" in result.stderr


def test_an_output_file_of_another_name_holds_the_table(predict, album, tmp_path):
    predict(album, "--output", tmp_path / "answers.txt")
    assert (tmp_path / "answers.txt").read_text(encoding="utf-8") == predict(album).stdout


def test_the_old_output_stays_when_nothing_can_be_read_or_a_result_cannot_be_written(
    predict, album, tmp_path
):
    output = tmp_path / "answers.csv"
    output.write_text("old")
    (album / "notes.txt").write_text("no picture")
    assert predict(album / "notes.txt", "--output", output).exit_code == 1
    assert output.read_text() == "old"
    with pytest.raises(OutputError, match="is the picture itself"):
        predict(album / "two.png", "--output", output, "--annotate", album)
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "answers.csv"]


@pytest.mark.parametrize("name", ["two.png", "link.csv", "wall.png"])
def test_no_answer_replaces_a_picture_that_is_read(predict, album, name):
    (album / "link.csv").symlink_to("two.png")
    before = (album / name).read_bytes()
    with pytest.raises(
        OutputError, match=f"{name}: is the picture itself; choose another place for --output"
    ):
        predict(album, "--output", album / name)
    assert (album / name).read_bytes() == before


def test_no_annotated_copy_replaces_another_picture_that_is_read(predict, album):
    (album / "a.webp").write_bytes(saved(Image.new("RGB", (64, 64)), "WEBP"))
    (album / "sub").mkdir()
    (album / "sub" / "a.webp.png").write_bytes((album / "two.png").read_bytes())
    (album / "a.webp.png").symlink_to("sub/a.webp.png")
    with pytest.raises(OutputError, match=r"a.webp.png: is the picture itself; .* --annotate"):
        predict(album / "a.webp", album / "sub" / "a.webp.png", "--whole", "--annotate", album)
    assert (album / "sub" / "a.webp.png").read_bytes() == (album / "two.png").read_bytes()


def test_the_output_is_written_and_the_code_is_1_where_a_named_file_cannot_be_read(predict, album, tmp_path):
    result = predict(album / "two.png", album / "missing.png", "--output", tmp_path / "a.csv")
    assert result.exit_code == 1
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3


def test_a_place_that_takes_no_file_is_one_error(predict, album):
    with pytest.raises(OutputError, match=r"^/proc/a.csv: cannot be written"):
        predict(album / "two.png", "--output", "/proc/a.csv")


def test_quiet_says_errors_alone(predict, album):
    (album / "notes.txt").write_text("no picture")
    quiet = predict(album, "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert quiet.stdout == predict(album).stdout
    assert predict(album / "notes.txt", "--quiet").stderr.startswith(f"error: {album}/notes.txt")


def test_one_form_at_a_time(predict, album):
    with pytest.raises(SourceError, match="--json and --csv: the lines have one form; choose one"):
        predict(album, "--json", "--csv")


def test_merged_classes_are_in_every_output(predict, album, tmp_path):
    (picture,) = [json.loads(line) for line in predict(album / "two.png", "--json").stdout.splitlines()]
    result = predict(album / "two.png", "--json", "--classes", "valence", "--annotate", tmp_path / "seen")
    (merged,) = [json.loads(line) for line in result.stdout.splitlines()]
    for face, full in zip(merged["faces"], picture["faces"], strict=True):
        p = full["probabilities"]
        assert face["probabilities"] == pytest.approx(
            {
                "positive": p["happy"],
                "neutral": p["neutral"] + p["surprise"],
                "negative": p["angry"] + p["disgust"] + p["fear"] + p["sad"],
            },
            abs=1e-5,
        )
        assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)
    header = predict(album / "two.png", "--csv", "--map", "angry=bad", "--classes", "bad,sad").stdout.split(
        "\n"
    )[0]
    assert header.endswith("is_tiny,p_bad,p_sad")
    assert (tmp_path / "seen" / "two.png").is_file()


def test_answers_are_in_the_order_of_the_pictures_and_do_not_depend_on_threads(
    predict, tmp_path, monkeypatch
):
    from ferflow.serving import pipeline

    for number in range(24):
        # Of very different sizes, so that they are done in another order.
        side = 1400 if number % 5 == 0 else 300
        write_photo(tmp_path / f"{number}.png", photo_of([(20, 20, 144)] * (number % 3), shape=(side, side)))
    printed = predict(tmp_path, "--json").stdout
    names = [json.loads(line)["path"] for line in printed.splitlines()]
    assert names == [f"{tmp_path}/{number}.png" for number in range(24)]
    monkeypatch.setattr(pipeline, "threads_for", lambda sources: 5)
    assert predict(tmp_path, "--json").stdout == printed

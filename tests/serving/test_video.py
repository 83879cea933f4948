"""`ferflow predict` on videos: numbers of faces, annotated MP4, timeline, which frames."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from ferflow.errors import OutputError, SourceError
from ferflow.labels import EMOTIONS
from ferflow.serving import clip
from ferflow.serving.clip import writing
from ferflow.serving.frames import Every, open_file, parse_every
from tests.serving.browser import opened
from tests.serving.videos import SIZE, crossing, write_frames

pytestmark = pytest.mark.usefixtures("one_decode_box")

_FPS = 20


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two faces that cross, 2 s."""
    path = tmp_path_factory.mktemp("video") / "walk.avi"
    return write_frames(path, crossing(40), fps=_FPS)


@pytest.fixture
def predict(predict):
    def run(*arguments: object):
        result = predict(*arguments)
        assert result.exit_code == 0, result.output
        return result

    return run


def _play(page) -> dict:
    return page.locator("video").evaluate(
        """async video => {
            if (video.error) return {error: video.error.message};
            await video.play();
            await new Promise(done => { video.ontimeupdate = () => { if (video.currentTime > 0.3) done(); };
                                        video.onended = done; video.onerror = done; });
            return {error: video.error && video.error.message, width: video.videoWidth,
                    height: video.videoHeight, time: video.currentTime, duration: video.duration};
        }"""
    )


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_the_annotated_video_plays_in_chromium(predict, video, tmp_path, monkeypatch, codec):
    if codec == "vp9":
        monkeypatch.setattr(clip, "has_h264", lambda: False)
    predict(video, "--every", 4, "--annotate", tmp_path, "--quiet")
    written = tmp_path / "walk.mp4"
    page = tmp_path / "page.html"
    page.write_text('<video src="walk.mp4" muted></video>', encoding="utf-8")
    with opened(page.as_uri(), complaints=[]) as tab:
        seen = _play(tab)
    assert seen["error"] is None
    assert (seen["width"], seen["height"]) == (SIZE[1], SIZE[0])
    assert seen["time"] > 0.3
    assert seen["duration"] == pytest.approx(2.0, abs=0.15)
    # All frames are there, with boxes on those between two looks, too; while the faces meet none is found.
    frames = [frame.pixels for frame in open_file(written, name="walk.mp4").frames(Every(frames=1))]
    assert len(frames) == 40
    colourful = [float((np.ptp(frame.astype(int), axis=2) > 60).mean()) for frame in frames]
    assert sum(share > 0.002 for share in colourful) >= 32


def test_faces_that_cross_keep_their_number_in_all_outputs(predict, video, tmp_path):
    looks = [json.loads(line) for line in predict(video, "--every", 2, "--json").stdout.splitlines()]
    assert {face["track"] for look in looks for face in look["faces"]} == {1, 2}
    first = [face["box"][0] for look in looks for face in look["faces"] if face["track"] == 1]
    assert first[0] < 60 < 400 < first[-1]
    table = predict(video, "--every", 39).stdout.splitlines()
    # Only two looks: at the start and at the end, when the places are changed.
    assert [line.split()[3] for line in table[1:3]] == ["1", "2"]


def test_pictures_have_no_track(predict, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), crossing(2)[0])
    (look,) = [json.loads(line) for line in predict(tmp_path / "a.png", "--json").stdout.splitlines()]
    assert ["track" in face for face in look["faces"]] == [False, False]


def test_a_timeline_is_a_table_and_a_plot(predict, video, tmp_path):
    predict(video, "--every", 4, "--timeline", tmp_path / "times", "--quiet")
    with (tmp_path / "times" / "walk.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["face"] for row in rows} == {"1", "2"}
    assert [float(row["seconds"]) for row in rows if row["face"] == "1"] == pytest.approx(np.arange(10) / 5)
    for row in rows:
        assert sum(float(row[f"p_{emotion}"]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-4)
    plot = cv2.imread(str(tmp_path / "times" / "walk.png"))
    assert plot.shape[1] > 800
    assert len(np.unique(plot.reshape(-1, 3), axis=0)) > 7


def test_the_same_video_gives_the_same_files(predict, video, tmp_path):
    for name in ("one", "two"):
        predict(video, "--every", 8, "--annotate", tmp_path / name, "--timeline", tmp_path / name, "--quiet")
    for name in ("walk.mp4", "walk.csv", "walk.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_video_itself_is_not_overwritten(predict, video, tmp_path):
    own = tmp_path / "walk.mp4"
    own.write_bytes(video.read_bytes())
    with pytest.raises(OutputError, match="is the picture itself"):
        predict(own, "--annotate", tmp_path)
    assert own.read_bytes() == video.read_bytes()


@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_a_clip_that_is_given_up_leaves_the_old_one(tmp_path, monkeypatch, codec):
    if codec == "vp9":
        monkeypatch.setattr(clip, "has_h264", lambda: False)
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")

    def write():
        with writing(path, rate=25) as target:
            target.add(np.zeros((64, 65, 3), np.uint8), 0.0)
            raise ValueError("given up")

    with pytest.raises(ValueError, match="given up"):
        write()
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("codec", ["h264", "vp9"])
@pytest.mark.parametrize("shape", [(101, 203, 3), (1, 1, 3), (480, 640, 3)])
def test_clips_take_frames_of_any_size_and_a_change_of_it(tmp_path, monkeypatch, codec, shape):
    if codec == "vp9":
        monkeypatch.setattr(clip, "has_h264", lambda: False)
    path = tmp_path / "clip.mp4"
    with writing(path, rate=25) as target:
        target.add(np.full(shape, 200, np.uint8), 0.0)
        target.add(np.full((300, 400, 3), 100, np.uint8), 0.04)
    frames = [frame.pixels for frame in open_file(path, name="clip").frames(Every(frames=1))]
    assert len(frames) == 2
    assert [abs(int(frame.mean()) - shade) <= 6 for frame, shade in zip(frames, (200, 100), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", Every(frames=10)),
        ("0.5s", Every(seconds=0.5)),
        (" 2 s", Every(seconds=2)),
        (".25s", Every(seconds=0.25)),
    ],
)
def test_every_is_frames_or_seconds(text, expected):
    assert parse_every(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "0s", "x", "", "1e999s", "\N{SUPERSCRIPT TWO}", "1 m"])
def test_every_that_is_neither_says_what_it_may_be(text):
    with pytest.raises(SourceError, match=r"--every .*: expected a number of frames.*such as 10 or 0\.5s"):
        parse_every(text)


@pytest.mark.parametrize(
    ("every", "expected"), [("0.5s", [0, 10, 20, 30]), ("0.33s", [0, 7, 14, 20, 27, 33]), ("0.01s", 40)]
)
def test_a_look_each_so_many_seconds(predict, video, every, expected):
    looks = [
        json.loads(line)["frame"] for line in predict(video, "--every", every, "--json").stdout.splitlines()
    ]
    assert looks == (list(range(expected)) if isinstance(expected, int) else expected)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_is_a_video_where_that_is_asked_for(predict, tmp_path, kind):
    path = tmp_path / f"walk.{kind}"
    frames = [Image.fromarray(frame) for frame in crossing(9)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    looks = [json.loads(line) for line in predict(path, "--json").stdout.splitlines()]
    assert [("frame" in look, len(look["faces"])) for look in looks] == [(False, 2)]
    arguments = (path, "--json", "--animated", "--every", "0.4s", "--annotate", tmp_path / "seen")
    looks = [json.loads(line) for line in predict(*arguments).stdout.splitlines()]
    assert [(look["frame"], look["seconds"]) for look in looks] == [(0, 0.0), (4, 0.4), (8, 0.8)]
    assert [face["track"] for face in looks[0]["faces"]] == [1, 2]
    assert len(list(open_file(tmp_path / "seen" / "walk.mp4", name="x").frames(Every(frames=1)))) == 9

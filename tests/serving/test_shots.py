"""What `ferflow predict` looks at: folders, names, videos."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferflow import Predictor
from ferflow.data.images import BadImageError
from ferflow.errors import SourceError
from ferflow.serving.frames import Every, open_webcam
from ferflow.serving.shots import Source, list_sources, read_frames, read_picture
from tests.serving.pictures import photo_of, write_photo


def _names(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def write_video(path: Path, *, num_frames: int, fps: float) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (480, 360))
    for _ in range(num_frames):
        video.write(np.dstack([photo_of([(40, 60, 144)])] * 3))
    video.release()
    return path


def test_folders_are_walked_in_natural_order_without_hidden_files(tmp_path):
    _names(tmp_path, "face10.png", "face2.png", "sub/b.jpg", "a.txt", ".hidden.png", ".git/c.png")
    sources, complaints = list_sources([tmp_path])
    assert complaints == []
    assert [str(source.path.relative_to(tmp_path)) for source in sources] == [
        "a.txt", "face2.png", "face10.png", "sub/b.jpg",
    ]  # fmt: skip
    assert not any(source.is_named for source in sources)


def test_a_name_that_is_nothing_is_a_complaint_and_the_rest_is_kept(tmp_path):
    _names(tmp_path, "a.png")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    sources, complaints = list_sources(
        [tmp_path / name for name in ("a.png", "missing.png", "empty", "pipe")]
    )
    assert [source.path.name for source in sources] == ["a.png"]
    assert sources[0].is_named
    assert [complaint.rsplit(": ", 1)[1] for complaint in complaints] == [
        "not found",
        "the folder holds no file",
        "is neither a file nor a folder",
    ]


def test_files_of_one_name_get_places_of_their_own(tmp_path):
    _names(tmp_path, "one/a.png", "two/a.png", "two/b.webp")
    sources, _ = list_sources([tmp_path / "one" / "a.png", tmp_path / "two"])
    assert [str(source.place) for source in sources] == ["a.png", "a-2.png", "b.webp.png"]


def test_a_video_gives_every_nth_frame_with_its_time(tmp_path):
    path = write_video(tmp_path / "clip.avi", num_frames=11, fps=5)
    (source,), _ = list_sources([path])
    shots = list(read_frames(source, Every(frames=5), max_pixels=10**6))
    assert [(shot.frame, round(shot.seconds, 3), str(shot.place)) for shot in shots] == [
        (0, 0.0, "clip.mp4"),
        (5, 1.0, "clip.mp4"),
        (10, 2.0, "clip.mp4"),
    ]
    assert shots[0].pixels.shape == (360, 480, 3)
    assert shots[1].name == f"{path} 1.00 s"
    assert shots[1].rate == 5


def test_a_file_that_is_no_video_is_named(tmp_path):
    _names(tmp_path, "clip.mp4")
    source = Source(tmp_path / "clip.mp4", Path("clip.mp4"), is_named=True)
    with pytest.raises(BadImageError, match=r"clip\.mp4: cannot be opened as a video"):
        list(read_frames(source, Every(frames=1), max_pixels=10**6))


def test_a_webcam_that_is_not_there_is_one_error():
    with pytest.raises(SourceError, match="webcam 97 cannot be opened; see that it is plugged in"):
        open_webcam(97)


def test_a_name_that_is_no_utf8_can_be_read_and_printed(export_folder, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    write_photo(path, photo_of([(40, 60, 144)]))
    (source,), _ = list_sources([path])
    shot = read_picture(source, Predictor(export_folder))
    assert shot.path.encode() == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.png".encode()


def test_a_video_whose_name_is_no_utf8_is_an_error(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_bytes(b"x")
    (source,), _ = list_sources([path])
    with pytest.raises(BadImageError, match=r"mp4: its name is not UTF-8, as videos need; rename it"):
        list(read_frames(source, Every(frames=1), max_pixels=10**6))

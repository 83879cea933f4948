"""What `ferflow predict` looks at: folders, names, videos."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferflow import Predictor
from ferflow.data.archives.archives import known_names
from ferflow.data.sources.path_labels import is_candidate
from ferflow.errors import BadImageError, ParamsError, SourceError
from ferflow.params.scoring import usual_bounds
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
    sources, complaints, _ = list_sources([tmp_path])
    assert complaints == []
    assert [str(source.path.relative_to(tmp_path)) for source in sources] == [
        "face2.png", "face10.png", "sub/b.jpg",
    ]  # fmt: skip
    assert not any(source.is_named for source in sources)


def test_a_name_that_is_nothing_is_a_complaint_and_the_rest_is_kept(tmp_path):
    _names(tmp_path, "a.png")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    sources, complaints, _ = list_sources(
        [tmp_path / name for name in ("a.png", "missing.png", "empty", "pipe")]
    )
    assert [source.path.name for source in sources] == ["a.png"]
    assert sources[0].is_named
    for complaint, found in zip(
        complaints, ("not found", "(found: no file)", "is neither a file nor a folder"), strict=True
    ):
        assert f"{found}; name pictures, folders of them, videos" in complaint


def test_a_folder_is_read_by_the_rule_of_download(tmp_path):
    """What `download` and `evaluate --data` take for an image is a picture here, too, and nothing else."""
    _names(tmp_path, "a.JPG", "b.heic", "c.mp4", "d.pgm")
    _names(tmp_path, "notes.txt", "Thumbs.db", "__MACOSX/x.png", "index.csv")
    (tmp_path / "no_ending").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "LICENSE").write_bytes(b"text")
    (tmp_path / "link").symlink_to(tmp_path / "a.JPG")
    sources, complaints, remarks = list_sources([tmp_path])
    assert complaints == []
    taken = {source.path.name for source in sources}
    assert taken == {"a.JPG", "b.heic", "c.mp4", "d.pgm", "no_ending"}
    assert remarks == [
        f"{tmp_path}: 4 files are no images by their names and were passed over, such as LICENSE"
    ]

    names = known_names(tmp_path, usual_bounds())
    assert {name for name in names if is_candidate(name)} - {"LICENSE", "link"} == taken - {"c.mp4"}


def test_a_folder_without_pictures_names_what_it_holds(tmp_path):
    _names(tmp_path, "index.csv")
    _, (complaint,), _ = list_sources([tmp_path])
    assert "holds no picture and no video (found: 1 other, such as index.csv); name" in complaint


def test_a_path_may_begin_with_a_tilde_or_a_variable(tmp_path, monkeypatch):
    _names(tmp_path, "a.png", "$literal.png")
    monkeypatch.setenv("PICTURES", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sources, complaints, _ = list_sources(["~/a.png", "$PICTURES/a.png", "$literal.png"])
    assert complaints == []
    assert [source.path for source in sources] == [*[tmp_path / "a.png"] * 2, Path("$literal.png")]
    with pytest.raises(ParamsError, match=r"PATH: '\$NOT_SET/a\.png' names the variable NOT_SET"):
        list_sources(["$NOT_SET/a.png"])


def test_files_of_one_name_get_places_of_their_own(tmp_path):
    _names(tmp_path, "one/a.png", "two/a.png", "two/b.webp")
    sources, *_ = list_sources([tmp_path / "one" / "a.png", tmp_path / "two"])
    assert [str(source.place) for source in sources] == ["a.png", "a-2.png", "b.webp.png"]


def test_a_video_gives_every_nth_frame_with_its_time(tmp_path):
    path = write_video(tmp_path / "clip.avi", num_frames=11, fps=5)
    (source,), *_ = list_sources([path])
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
    (source,), *_ = list_sources([path])
    shot = read_picture(source, Predictor(export_folder))
    assert shot.path.encode() == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.png".encode()


def test_a_video_whose_name_is_no_utf8_is_an_error(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_bytes(b"x")
    (source,), *_ = list_sources([path])
    with pytest.raises(BadImageError, match=r"mp4: its name is not UTF-8, as videos need; rename it"):
        list(read_frames(source, Every(frames=1), max_pixels=10**6))

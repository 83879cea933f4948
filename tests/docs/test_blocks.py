"""Every command block of README and tutorials runs on drawn faces and prints what the page shows."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path

import cv2
import pytest

from ferflow.data.drawn.sample import draw_sample
from ferflow.profiles import write_profile
from tests.conftest import REPOSITORY
from tests.docs.blocks import Block, blocks_of, shape
from tests.serving.pictures import photo_of, write_photo
from tests.working_copy import copy_working_tree

_PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"))]
# What the pages run in hours, in seconds: the commands stay the same.
_SMALLER = {
    "sample": ("download.sample_images=210", "train.epochs=3"),
    "cpu": ("train.epochs=3", "evaluate.test_time_augmentation=none"),
}
_SMALL_NETWORK = ("model.widths=[8, 16]", "model.depths=[1, 1]", "download.detector=haar")
# After three epochs a network misses classes.
_NO_FLOOR = "registry.class_floor=0.0"
# They stay until Ctrl-C: seen to answer, then ended.
_SERVERS = ("ferflow app", "ferflow serve", "ferflow ui")
_SECONDS = 280


def _blocks() -> list[Block]:
    return [block for page in _PAGES for block in blocks_of(page)]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A checkout with the files that the pages name; profiles are made smaller, .venv is the one at hand."""
    folder = copy_working_tree(tmp_path_factory.mktemp("pages") / "ferflow")
    for profile, changes in _SMALLER.items():
        target = folder / "profiles" / f"{profile}.yaml"
        write_profile(
            profile, [*_SMALL_NETWORK, _NO_FLOOR, *changes], profiles=REPOSITORY / "profiles", target=target
        )
    write_profile("sample", [], profiles=folder / "profiles", target=folder / "params.yaml")
    _link_environment(folder)
    for name in ("photo.jpg", "holiday/beach.jpg"):
        write_photo(folder / name, photo_of([(40, 60, 120), (260, 100, 160)]))
    _write_faces(folder)
    for command in (
        ("git", "add", "--all", "."),
        ("git", "-c", "user.name=a", "-c", "user.email=a@example", "commit", "--quiet", "-m", "all"),
        ("git", "tag", "start"),
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def _link_environment(folder: Path) -> None:
    """Make .venv a view of the environment of the tests, which counts as installed."""
    (folder / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith(".installed"):
            (folder / ".venv" / entry.name).symlink_to(entry)
    for name in ("requirements.txt", "requirements-uv.txt", "pyproject.toml"):
        os.utime(folder / name, (0, 0))
    (folder / ".venv" / f".installed-{sys.version_info[0]}.{sys.version_info[1]}").touch()


def _write_faces(folder: Path) -> None:
    """`fer2013.zip` in Kaggle's layout, and `my-faces/` with a class of another name."""
    table = draw_sample(210, seed=3)
    with zipfile.ZipFile(folder / "fer2013.zip", "w") as archive:
        for name, image in zip(table["file"], table.images, strict=True):
            archive.writestr(str(name), cv2.imencode(".jpg", image)[1].tobytes())
    for number, (label, image) in enumerate(zip(table["label"][:80], table.images, strict=False)):
        name = {"happy": "joy"}.get(str(label), str(label))
        path = folder / "my-faces" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


@pytest.fixture(scope="module")
def environment(project) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    kept.pop("FERFLOW_TRACKING", None)
    return kept | {
        "PATH": f"{project / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        # Those who make a commit.
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example",
    }


def _run(line: str, folder: Path, environment: dict[str, str]) -> str:
    """What a command prints, which must succeed."""
    command = ["bash", "-c", line]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _serve(line: str, folder: Path, environment: dict[str, str]) -> str:
    """Start a server, ask it for its first page, and end it; returns what it printed."""
    server = subprocess.Popen(
        ["bash", "-c", f"exec {line}"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(_SECONDS, server.kill)
    watchdog.start()
    printed = ""
    try:
        while not (address := re.search(r"http://(127\.0\.0\.1:\d+)", printed)):
            more = server.stdout.readline()
            assert more, f"{line}: ended before it said its address"
            printed += more
        with closing(http.client.HTTPConnection(address[1], timeout=60)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        server.stdout.close()
        watchdog.cancel()
    return printed


def _printed(block: Block, folder: Path, environment: dict[str, str]) -> str:
    if block.kind == "python":
        code = subprocess.run(
            [sys.executable, "-c", block.body], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert code.returncode == 0, code.stderr
        return code.stdout
    parts = []
    for line in block.commands():
        how = _serve if line.startswith(_SERVERS) else _run
        parts.append(how(line, folder, environment))
    return "".join(parts)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_block_runs_and_prints_what_the_page_shows(page, project, environment):
    # Each page begins with a new checkout's parameters; what was trained with them is in DVC's cache.
    subprocess.run(["git", "checkout", "--quiet", "start", "--", "params.yaml"], cwd=project, check=True)
    printed = None
    for block in blocks_of(page):
        if block.is_left_out:
            continue
        if block.kind == "text":
            assert printed is not None, f"{block.place}: shows what no block printed"
            # The pages show a machine that has fetched YuNet; here there is no network for that.
            shown = printed.replace(" --set download.detector=haar", "")
            assert shape(block.body) == shape(shown), block.place
            continue
        printed = _printed(block, project, environment)


@pytest.mark.parametrize("block", _blocks(), ids=lambda block: block.place)
def test_what_is_not_run_says_why(block):
    assert all(len(reason.split()) >= 2 for reason in block.marked.values()), block.marked
    # A whole block is marked once, or line by line, so that none is marked that could run.
    assert not (block.is_left_out and len(block.marked) > 1)
    assert block.kind != "" or block.marked or block.commands()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```sh\nferflow models\n```\n", r"page.md:1: a block of 'sh'"),
        (
            "text\n\n<!-- not run: `ferflow serve`: needs a port -->\n```\nferflow app\n```\n",
            r"page.md:4: marks 'ferflow serve', which is no line of the block",
        ),
    ],
)
def test_a_block_that_is_not_understood_is_an_error(tmp_path, text, wrong):
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=wrong):
        blocks_of(tmp_path / "page.md")


def test_a_comment_takes_out_its_block_or_its_line_and_no_other(tmp_path):
    page = "<!-- not run: needs a cluster -->\n```\na\n```\n\n```\nb\nc  # why\n```\n"
    page += "<!-- not run: `d`: asks the network -->\n```\nd\ne\n```\n"
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    first, second, third = blocks_of(tmp_path / "page.md")
    assert (first.is_left_out, second.is_left_out, third.is_left_out) == (True, False, False)
    assert (second.commands(), third.commands()) == (["b", "c"], ["e"])


@pytest.mark.parametrize(
    ("shown", "is_same"),
    [
        ("photo.jpg  1  sad     71%   4, 6, 119x119   0.5", True),
        ("photo.jpg  1  happy   94%   40, 63, 119x119", False),
        ("holiday.jpg  1  happy  94%  40, 63, 119x119  0.91", False),
        ("", False),
    ],
)
def test_figures_and_classes_may_differ_from_what_a_page_shows_and_words_may_not(shown, is_same):
    printed = "photo.jpg     1  happy            94%  40, 63, 119x119          0.91\n"
    assert (shape(shown) == shape(printed)) is is_same

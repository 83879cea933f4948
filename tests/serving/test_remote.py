"""Pictures and videos from the web, streams, standard input."""

from __future__ import annotations

import http.server
import json
import socket
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import BadImageError, FerflowError, SourceError
from ferflow.serving import remote
from tests.local_server import listening
from tests.serving.pictures import photo_of, write_photo
from tests.serving.test_shots import write_video

_PHOTO = [(40, 60, 144)]


class _Pages(http.server.BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.seen.append((path, self.headers.get("Authorization")))
        if path in ("/away", "/file", "/loop"):
            self.send_response(302)
            self.send_header(
                "Location", {"/away": "/a.png", "/file": "file:///etc/hostname", "/loop": "/loop"}[path]
            )
            self.end_headers()
            return
        content = self.files.get(path)
        self.send_response(404 if content is None else 200)
        if path != "/unsaid.png":
            self.send_header("Content-Length", str(len(content or b"") + (path == "/short.png")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Nothing: it would go to stderr."""


@pytest.fixture
def web(tmp_path):
    photo = write_photo(tmp_path / "a.png", photo_of(_PHOTO)).read_bytes()
    clip = write_video(tmp_path / "clip.avi", num_frames=4, fps=2).read_bytes()
    _Pages.files = {
        "/a.png": photo,
        "/unsaid.png": photo,
        "/short.png": photo,
        "/clip": clip,
        "/clip.avi": clip,
    }
    _Pages.files["/x.html"] = b"<html>"
    _Pages.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    with listening(server) as address:
        yield address


@pytest.fixture
def predict(export_folder):
    def run(*arguments: object, stdin: bytes | None = None):
        arguments = ["predict", "--export", str(export_folder), *map(str, arguments)]
        result = CliRunner().invoke(app, arguments, input=stdin)
        if isinstance(result.exception, FerflowError):
            raise result.exception
        return result

    return run


def test_a_picture_from_the_web_is_read(predict, web, tmp_path):
    address = f"http://{web}/a.png"
    result = predict(f"{address}?key=secret", "--json", "--annotate", tmp_path / "seen")
    (look,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert look["path"] == address
    assert len(look["faces"]) == 1
    assert "secret" not in result.output
    assert (tmp_path / "seen" / "a.png").is_file()


@pytest.mark.parametrize("name", ["clip", "clip.avi"])
def test_a_video_from_the_web_is_read_whatever_its_address_ends_in(predict, web, name):
    looks = [
        json.loads(line)
        for line in predict(f"http://{web}/{name}", "--json", "--every", 1).stdout.splitlines()
    ]
    assert [look["frame"] for look in looks] == [0, 1, 2, 3]
    assert {look["path"] for look in looks} == {f"http://{web}/{name}"}


def test_a_password_is_sent_and_not_printed(predict, web):
    result = predict(f"http://joe:s3cret@{web}/a.png", "--json")
    assert json.loads(result.stdout)["path"] == f"http://{web}/a.png"
    assert _Pages.seen == [("/a.png", "Basic am9lOnMzY3JldA==")]
    assert "s3cret" not in predict(f"http://joe:s3cret@{web}/none.png").output


def test_a_redirect_is_followed_without_the_password(predict, web):
    assert predict(f"http://joe:s3cret@{web}/away").exit_code == 0
    assert _Pages.seen[1] == ("/a.png", None)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("none.png", "the server answers 404"),
        ("short.png", "ended after|cannot be fetched"),
        ("file", "cannot be fetched|answers 302"),
        ("loop", "answers 302|infinite loop"),
        ("x.html", "/x.html: "),
    ],
)
def test_what_cannot_be_had_is_one_error_that_names_it(predict, web, page, reason):
    import re

    result = predict(f"http://{web}/{page}", f"http://{web}/a.png")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: http://{web}/{page}: ")
    assert re.search(reason, line), line
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize("page", ["a.png", "unsaid.png"])
def test_more_bytes_than_the_limit_are_refused(web, tmp_path, page):
    with pytest.raises(BadImageError, match=r"more than the limit of 1,000"):
        remote.fetch(f"http://{web}/{page}", tmp_path / "x", bounds=(1000, 5.0))


def test_more_time_than_the_limit_is_refused(web, tmp_path):
    with pytest.raises(BadImageError, match=r"took longer than the limit of 0 s"):
        remote.fetch(f"http://{web}/a.png", tmp_path / "x", bounds=(10**9, 0.0))


def test_an_answer_that_is_an_error_leaves_no_socket_open(web, tmp_path):
    with pytest.raises(BadImageError, match="answers 404") as raised:
        remote.fetch(f"http://{web}/absent.png", tmp_path / "file", bounds=(1000, 5.0))
    assert raised.value.__cause__.fp.closed


def test_a_server_that_is_not_there_is_one_error(predict):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = predict(f"http://127.0.0.1:{port}/a.png")
    assert result.exit_code == 1
    assert f"error: http://127.0.0.1:{port}/a.png: cannot be fetched" in result.stderr


def test_a_camera_that_is_not_there_is_one_error_without_its_password(predict):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = predict(f"rtsp://joe:s3cret@127.0.0.1:{port}/live")
    assert result.exit_code == 1
    assert f"error: rtsp://127.0.0.1:{port}/live: the stream cannot be opened" in result.stderr
    assert "s3cret" not in result.output


@pytest.mark.parametrize("address", ["ftp://x/a.png", "file:///etc/hostname", "s3://bucket/a.png"])
def test_other_kinds_of_addresses_are_refused(predict, address):
    with pytest.raises(SourceError, match="addresses of this kind cannot be read; expected one that begins"):
        predict(address)


def test_standard_input_is_a_picture_or_a_video(predict, tmp_path):
    photo = write_photo(tmp_path / "a.png", photo_of(_PHOTO)).read_bytes()
    (look,) = [json.loads(line) for line in predict("-", "--json", stdin=photo).stdout.splitlines()]
    assert (look["path"], len(look["faces"])) == ("standard input", 1)
    clip = write_video(tmp_path / "clip.avi", num_frames=4, fps=2).read_bytes()
    looks = predict("-", "--json", "--every", "1s", stdin=clip).stdout.splitlines()
    assert [json.loads(line)["frame"] for line in looks] == [0, 2]


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_standard_input_that_is_no_picture_is_named(predict, content):
    result = predict("-", stdin=content)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: standard input: ")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://joe:x@host/a/b%20c.png?q=1", "b c.png"),
        ("https://host/", "host"),
        ("https://host/..%2F..%2Fetc", "_.._etc"),
        ("https://host/.hidden", "hidden"),
    ],
)
def test_the_name_of_a_copy_stays_in_its_folder(address, name):
    assert remote.file_name(address) == name
    assert Path(remote.file_name(address)).name == name

"""A command ends with one message and an exit code, whatever is raised inside of it."""

from __future__ import annotations

import builtins
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ferflow.cli.app import main
from ferflow.endings import MAX_MESSAGE, TRACEBACKS, cut, exit_code_of
from ferflow.errors import FerflowError
from tests.conftest import REPOSITORY

SECRET = "Pl4nted-Secret"  # noqa: S105 (made for these tests)


class _Mute(Exception):  # noqa: N818
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["--version", "inspect /nowhere", "predict - --whole"])
def test_a_stream_that_the_caller_closed_costs_no_traceback(command, closed, tmp_path):
    program = f"{sys.executable} -m ferflow {command} {closed}"
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "fault of ferflow" not in done.stderr
    assert done.returncode == (0 if command == "--version" else 1)


def test_a_folder_that_is_gone_is_named(tmp_path):
    program = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -m ferflow predict x.jpg --output y.csv"
    program += f"; {sys.executable} -m ferflow doctor"
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the folder in which this was started is gone; go to one" in done.stderr
    assert "fault of ferflow" not in done.stderr


class _NoFriend(BaseException):
    """An error outside of `Exception`."""


def _all_errors() -> list[BaseException]:
    arguments = {
        UnicodeDecodeError: ("utf-8", b"\xff", 0, 1, "invalid"),
        UnicodeEncodeError: ("utf-8", "\udcff", 0, 1, "invalid"),
        UnicodeTranslateError: ("\udcff", 0, 1, "invalid"),
        ExceptionGroup: ("two", [ValueError("a"), OSError("b")]),
        BaseExceptionGroup: ("two", [ValueError("a"), KeyboardInterrupt()]),
    }
    kinds = [
        kind
        for kind in vars(builtins).values()
        if isinstance(kind, type) and issubclass(kind, BaseException) and kind is not SystemExit
    ]
    built = [kind(*arguments.get(kind, ("it broke",))) for kind in dict.fromkeys(kinds)]
    return [*built, _Mute(), _NoFriend("x"), ValueError("line\nline\n" * 1000), ValueError("\udcff")]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ferflow"])


def _raise(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize("error", _all_errors(), ids=lambda error: type(error).__name__)
def test_every_error_ends_as_at_most_one_line(error, capsys):
    code = exit_code_of(_raise(error))
    captured = capsys.readouterr()
    assert captured.out == ""
    if isinstance(error, KeyboardInterrupt):
        assert (code, captured.err) == (130, "")
    elif isinstance(error, BrokenPipeError):
        assert code == 1
    else:
        assert code == 1
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        kept = re.search(r"the traceback is in (\S+\.txt);", captured.err)
        assert kept is not None
        assert type(error).__name__ in Path(kept[1]).read_text(encoding="utf-8")
        assert "in command" in Path(kept[1]).read_text(encoding="utf-8")


def test_the_command_line_has_the_net(monkeypatch, capsys):
    monkeypatch.setattr("ferflow.cli.app.app", _raise(LookupError("nobody foresaw this")))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "LookupError: nobody foresaw this" in capsys.readouterr().err


def test_an_error_of_the_user_is_its_text(capsys):
    assert exit_code_of(_raise(FerflowError("a.csv: no; mend it"))) == 1
    assert capsys.readouterr().err == "error: a.csv: no; mend it\n"
    assert not TRACEBACKS.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_a_readable_error(number, capsys):
    assert exit_code_of(_raise(OSError(number, os.strerror(number), "reports/a.json"))) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: reports/a.json: cannot be written ({os.strerror(number)}); ")
    assert told.count("\n") == 1


def test_ctrl_c_in_a_command_ends_with_130(capsys):
    program = typer.Typer()
    program.command()(_raise(KeyboardInterrupt()))
    assert exit_code_of(program) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("raised", "code"), [(None, 0), (0, 0), (3, 3), ("no good", 1)])
def test_an_exit_keeps_its_code(raised, code):
    assert exit_code_of(_raise(SystemExit(raised))) == code


def test_secrets_are_in_neither_message_nor_traceback(monkeypatch, capsys):
    monkeypatch.setenv("SOME_PASSWORD", SECRET)
    url = f"postgresql://me:{SECRET}/x@host/db"
    monkeypatch.setattr(sys, "argv", ["ferflow", "tune", "--storage", url])
    exit_code_of(_raise(ValueError(f"{url} said {SECRET}/x")))
    told = capsys.readouterr().err
    [kept] = TRACEBACKS.iterdir()
    for text in (told, kept.read_text(encoding="utf-8")):
        assert "postgresql://me:***@host/db said ***" in text
        assert SECRET not in text


def test_the_last_tracebacks_are_kept(capsys):
    TRACEBACKS.mkdir(parents=True)
    for number in range(30):
        (TRACEBACKS / f"20260101-0000{number:02}-1.txt").write_text("old")
    exit_code_of(_raise(ValueError("x")))
    assert len(list(TRACEBACKS.iterdir())) == 20
    assert "ValueError" in max(TRACEBACKS.iterdir()).read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_sends_the_traceback_elsewhere(tmp_path, monkeypatch, capsys):
    Path(".ferflow").write_text("a file")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "scratch"))
    exit_code_of(_raise(ValueError("x")))
    assert str(tmp_path / "scratch") in capsys.readouterr().err
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / ".ferflow"))
    exit_code_of(_raise(ValueError("x")))
    assert "the traceback could not be kept" in capsys.readouterr().err


def test_a_very_long_name_is_cut(capsys):
    exit_code_of(_raise(FerflowError(f"a.tar: {'n' * 60_000} is a link; take it out")))
    told = capsys.readouterr().err
    assert len(told) < 300
    assert "[60,000 characters]" in told
    assert told.endswith("is a link; take it out\n")
    assert len(cut("word " * 10_000)) == MAX_MESSAGE
    assert cut("short enough") == "short enough"


def _run(*, closed: bool) -> subprocess.CompletedProcess[str]:
    """`ferflow --help` with a stdout that nobody reads, or that is full."""
    read, write = os.pipe()
    os.close(read)
    out = write if closed else os.open("/dev/full", os.O_WRONLY)
    try:
        return subprocess.run(
            [sys.executable, "-m", "ferflow", "profile", "sample"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": ""},
        )
    finally:
        for descriptor in {write, out}:
            os.close(descriptor)


@pytest.fixture
def project(tmp_path):
    for name in ("params.yaml", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path


def test_a_reader_that_goes_away_is_no_fault(project):
    done = _run(closed=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_full_stdout_is_one_message(project):
    done = _run(closed=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output: cannot be written (No space left on device); ")
    assert done.stderr.count("\n") == 1

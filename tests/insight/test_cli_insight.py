"""The command insight: words on stdout, an error as one message."""

from __future__ import annotations

import sys

import pytest

from ferflow.cli import app


def _ferflow(monkeypatch, folder, *arguments):
    """Run the command line in a folder; gives the exit code."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["ferflow", *arguments])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code


def test_insight_says_in_words_what_it_found(repository, monkeypatch, capsys):
    assert _ferflow(monkeypatch, repository, "insight") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("likely label errors among 204 images out of sample; 16 leaked ones left out")
    assert "There are too few copies out of sample to judge the ranking by them." in lines
    assert any(line.startswith("left out: turn and tilt of the head") for line in lines)
    assert lines[-1] == "page: reports/insight/index.html"
    assert (repository / "reports" / "insight" / "index.html").is_file()


def test_an_error_is_one_message_and_exit_code_1(tmp_path, repository, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    assert _ferflow(monkeypatch, tmp_path / "empty", "insight") == 1
    assert capsys.readouterr().err.startswith("error: data/split/manifest.csv: not found; run the stage")


def test_without_cleanlab_the_error_comes_first(tmp_path, repository, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    assert _ferflow(monkeypatch, repository, "insight") == 1
    assert capsys.readouterr().err.startswith("error: cleanlab is not installed")
    assert not (repository / "reports").exists()

"""Which detector looks for faces: the named one, the export's, or what is at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ferflow.errors import DetectorError
from ferflow.serving import finder
from ferflow.serving.export_folder import read_description
from ferflow.serving.finder import HaarFinder, YuNetFinder, open_finder


@pytest.fixture
def choose(export_folder):
    description = replace(read_description(export_folder), detector="auto")

    def chosen(detector: Path | None = None) -> object:
        return open_finder(export_folder, description, min_score=0.6, detector=detector)

    return chosen


def test_without_yunet_the_cascade_looks_and_says_so(choose, capsys):
    assert isinstance(choose(), HaarFinder)
    assert "Haar cascade, as YuNet" in capsys.readouterr().err


def test_a_detector_that_was_named_looks(choose, tmp_path):
    assert isinstance(choose(Path("haar")), HaarFinder)
    with pytest.raises(DetectorError, match=r"absent\.onnx: the face detector cannot be read \(No such file"):
        choose(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(DetectorError, match=r"text\.onnx: OpenCV cannot use it as YuNet"):
        choose(tmp_path / "text.onnx")


@pytest.mark.real_data
def test_yunet_of_the_cache_looks(choose, shared, monkeypatch):
    path = shared / "models" / "face_detection_yunet_2026may.onnx"
    monkeypatch.setattr(finder, "detector_at_hand", lambda: (path, path.read_bytes()))
    assert isinstance(choose(), YuNetFinder)
    assert isinstance(choose(path), YuNetFinder)

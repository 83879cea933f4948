"""The kept notebooks: whole, in order, with pictures; `make notebooks` runs them (in CI)."""

from __future__ import annotations

import nbformat
import pytest

from scripts import notebooks

_PATHS = sorted(notebooks.FOLDER.glob("*.ipynb"))


def test_there_are_the_two_notebooks():
    assert [path.stem for path in _PATHS] == ["own_faces", "quickstart"]


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: path.stem)
def test_a_kept_notebook_was_run_from_top_to_bottom_and_has_pictures(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert notebooks.faults(book, path) == []
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert "%pip install" in code[0].source
    assert book.metadata.kernelspec.name == "python3"


def _cell(*outputs: dict) -> nbformat.NotebookNode:
    made = [nbformat.v4.new_output(**output) for output in outputs]
    return nbformat.v4.new_code_cell("", outputs=made)


def _stream(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_outputs_that_differ_in_numbers_and_progress_are_the_same():
    kept = _cell(
        _stream("epoch 1/5: loss 1.95\ntraining: 5 of 9 steps, 3 s left\nin /tmp/tmpa1b/x.png (0a1b2c3d)\n")
    )
    now = _cell(_stream("epoch 1/5: loss 2.01\nin /tmp/tmpzz9/x.png (99fffc3d)\n"))
    assert notebooks.shape(kept) == notebooks.shape(now)


@pytest.mark.parametrize(
    "now",
    [
        _cell(_stream("error: there is no such key\n")),
        _cell(),
        _cell(_stream("epoch 1/5: loss 2.01\n"), {"output_type": "display_data", "data": {"image/png": ""}}),
    ],
)
def test_outputs_that_differ_in_words_or_kind_are_found(now):
    kept = nbformat.v4.new_notebook(cells=[_cell(_stream("epoch 1/5: loss 1.95\n"))])
    done = nbformat.v4.new_notebook(cells=[now])
    (line,) = notebooks.differences(kept, done)
    assert line.startswith("cell 1 keeps ['epoch #/# loss #'], its run gives")

"""`ferflow inspect` and `download --dry-run`: right counts, and a line that works when pasted."""

from __future__ import annotations

import re
import shlex
import shutil
from collections import Counter

import pytest
from typer.testing import CliRunner

from ferflow import paths
from ferflow.cli.app import app
from ferflow.data.store import read_csv
from ferflow.errors import FerflowError
from tests.conftest import REPOSITORY
from tests.data.foreign_files import write_7z, write_rar5
from tests.data.layouts import LAYOUTS
from tests.data.tables import TABLES
from tests.source_files import encoded, face, write_folder, write_zip

pytestmark = pytest.mark.usefixtures("one_decode_box")

# Trees that need a map, with what the map cannot know made up by the line.
_NUMBERED = ("numbers of RAF-DB", "numbers of FER-2013 in subsets")
_NEED_A_MAP = (*_NUMBERED, "contempt left out")
_READ = (
    *("usages as folders", "val spelt valid", "all strays", "a person above the class", "Kaggle's layout"),
    *("data/FER 2013/images/ class first S01/004/", "contempt counted"),
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command line in a folder with profiles; give what it printed."""
    shutil.copytree(REPOSITORY / "profiles", tmp_path / "project" / "profiles")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("FERFLOW_TRACKING", "off")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        if isinstance(result.exception, FerflowError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def paste(run, printed: str) -> list[tuple[str, str]]:
    """Do what the last line says, then download; label and usage of the images."""
    words = shlex.split(printed.splitlines()[-1])
    assert words[0] == "ferflow"
    run(*words[1:])
    assert run("download", "--dry-run").splitlines()[-1] == printed.splitlines()[-1]
    assert not paths.RAW.exists()
    run("download")
    index = read_csv(paths.RAW / "index.csv", ("label", "usage"))
    return sorted(zip(index["label"].tolist(), index["usage"].tolist(), strict=True))


def files_of(tree) -> dict[str, bytes]:
    files = {path: encoded(face(number), ".png") for number, path in enumerate(tree.images)}
    return files | dict.fromkeys(tree.passed_over, b"no image")


@pytest.mark.parametrize("name", [*_READ, *_NEED_A_MAP])
def test_the_line_that_is_printed_for_a_folder_reads_it(name, tmp_path, run):
    tree = LAYOUTS[name]
    files = files_of(tree) | {
        path: encoded(face(500), ".png") for path in tree.passed_over if path[-3:] == "png"
    }
    path = write_folder(tmp_path / "it's: my #1 data", files)
    entries = () if name in _NEED_A_MAP else [word for entry in tree.map for word in ("--map", entry)]
    printed = run("inspect", str(path), *entries)

    assert f"{len(tree.images):,} images, read as source archive" in printed
    assert ("as it is, it cannot be read" in printed) == (name in _NEED_A_MAP)
    read = paste(run, printed)
    assert len(read) == len(tree.images)
    if name not in _NUMBERED:
        assert read == sorted(tree.images.values())


@pytest.mark.parametrize(
    "name", ["semicolons", "tar.gz", "UTF-16", "one column a pixel", "emotion and pixels alone"]
)
def test_the_line_that_is_printed_for_a_table_reads_it(name, tmp_path, run):
    path = tmp_path / TABLES[name].name
    path.write_bytes(TABLES[name].content())
    printed = run("inspect", str(path))

    assert "21 images, read as source csv" in printed
    assert len(paste(run, printed)) == 21


@pytest.mark.parametrize("write", [write_7z, write_rar5])
def test_the_line_that_is_printed_for_a_7z_or_rar_reads_it(write, tmp_path, run):
    tree = LAYOUTS["usages as folders"]
    path = write(tmp_path / ("data.7z" if write is write_7z else "data.rar"), files_of(tree))
    printed = run("inspect", str(path))

    assert f"{len(tree.images):,} images, read as source archive" in printed
    assert paste(run, printed) == sorted(tree.images.values())


def test_inspect_says_formats_sizes_and_odd_files(tmp_path, run):
    files = {
        "train/angry/a.png": encoded(face(1), ".png"),
        "train/angry/b.jpg": encoded(face(2)),
        "test/joy/c.jpg": encoded(face(3)[:40]),
        "test/joy/d.jpg": b"no image",
        "test/joy/notes.txt": b"notes",
        "test/joy/.DS_Store": b"x",
    }
    printed = run("inspect", str(write_zip(tmp_path / "x.zip", files)))

    for line in (
        "angry                   2            0            0",
        "classes     angry = angry, joy = happy",
        "subsets     test = PrivateTest, train = Training",
        "formats     JPEG (2), PNG (1)",
        "sizes       48x48 (2), 48x40 (1)",
        "odd files   1 passed over, 1 hidden or of a system, 0 images left out, 1 images that cannot be used",
        "such as test/joy/notes.txt",
        "test/joy/d.jpg: ",
        "no image of disgust, fear, neutral, sad, surprise",
        "split.scheme=paper",
    ):
        assert line in printed, printed


def test_inspect_writes_nothing(tmp_path, run):
    path = write_folder(tmp_path / "data", {"sad/1.png": encoded(face(1), ".png")})
    before = sorted(tmp_path.rglob("*"))
    run("inspect", str(path))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_of_the_sample_says_that_there_is_nothing_to_look_at(run):
    assert "download.source sample: has no path to look at" in run("download", "--dry-run")


@pytest.mark.real_data
@pytest.mark.slow
def test_inspect_of_the_real_archive_has_the_counts_of_the_paper(shared, run):
    printed = run("inspect", str(shared / "data" / "fer2013.tar.xz"))
    assert "all                28,709        3,589        3,589" in printed
    assert "disgust               436           56           55" in printed
    assert "JPEG (35,887)" in printed
    assert "split.scheme=kaggle" in printed


# Each case of sources that can be read: images of Training, PublicTest and PrivateTest.
_CASES = {
    "01-usage-folders/data": (14, 7, 7),
    "08-pixels-two-spaces/x.csv": (7, 7, 7),
    "11-csv-emotion-pixels/train.csv": (21, 0, 0),
    "12-csv-packed/fer2013.csv.gz": (7, 7, 7),
    "12-csv-packed/fer2013.csv.zip": (7, 7, 7),
    "12-csv-packed/fer2013.tar.gz": (7, 7, 7),
    "14-csv-values/label_float.csv": (7, 7, 7),
    "14-csv-values/label_name.csv": (7, 7, 7),
    "14-csv-values/semicolon.csv": (7, 7, 7),
    "14-csv-values/usage_lower.csv": (7, 7, 7),
    "14-csv-values/wide.csv": (7, 7, 7),
    "16-train-val-test-folders/data": (14, 7, 7),
    "18-numbered-class-folders/data": (7, 0, 7),
    "19-class-person-image/data": (14, 0, 0),
    "20-text-file-in-class-folder/data": (14, 0, 7),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", _CASES)
def test_each_case_has_its_counts_and_the_line_that_is_printed_reads_it(name, shared, run):
    printed = run("inspect", str(shared / "cases" / name))

    usages = ("Training", "PublicTest", "PrivateTest")
    counts = "".join(f"{count:>13,}" for count in _CASES[name])
    assert f"{'all':<12}{counts}" in printed, printed
    read = Counter(usage for _, usage in paste(run, printed))
    assert tuple(read[usage] for usage in usages) == _CASES[name]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("15-ferplus-labels/fer2013new.csv", "holds the votes of FER+ and no pixels"),
        ("24-7z-and-rar/x.7z", "is a 7z archive that cannot be read"),
        ("24-7z-and-rar/x.rar", "is a RAR archive that cannot be read"),
    ],
)
def test_each_case_that_cannot_be_read_is_named_with_the_way_on(name, says, shared, run):
    with pytest.raises(FerflowError, match=rf"{re.escape(says)}.*; .*(?:download\.votes|repack it as zip)"):
        run("inspect", str(shared / "cases" / name))

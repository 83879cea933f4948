"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import inspect
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock

from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.data.sources.sources import read_source
from ferflow.data.store import ImageTable
from ferflow.params import Params, load_params, read_yaml

REPOSITORY = Path(__file__).resolve().parents[1]

# Table 1 of the paper: images of each class in the folders train and test.
TABLE_1 = {
    "angry": (3995, 958),
    "disgust": (436, 111),
    "fear": (4097, 1024),
    "happy": (7215, 1774),
    "neutral": (4965, 1233),
    "sad": (4830, 1247),
    "surprise": (3171, 831),
    "all": (28709, 7178),
}


def pytest_configure() -> None:
    """Look for garbage a tenth as often: with TensorFlow and MLflow loaded, it took a tenth of all time."""
    gc.set_threshold(50_000, 10, 10)


def pytest_unconfigure() -> None:
    """Let the process end without a last search through all that it holds: it took 10 seconds."""
    gc.freeze()


def lacks(message: str) -> NoReturn:
    """Skip a test for something that `make install` cannot bring; fail it where CI requires all."""
    if os.environ.get("FERFLOW_REQUIRE_REAL_DATA"):
        pytest.fail(message)
    pytest.skip(message)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker of the tests makes that needs it; no test may change it.

    Args:
        factory: The fixture `tmp_path_factory`.
        name: Of the folder.
        make: Called with its path, at which nothing is.
    """
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    folder, mark = place / name, place / f"{name}.made"
    with FileLock(place / f"{name}.lock"):
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            mark.touch()
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_fetching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests fetch nothing, and find nothing that the user fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERFLOW_CACHE", str(tmp_path_factory.mktemp("cache") / "ferflow"))
        patch.setenv("FERFLOW_OFFLINE", "1")
        yield


@pytest.fixture(scope="module", autouse=True)
def import_path() -> Iterator[None]:
    """Loaded models of MLflow put their code on the path of imports, where later tests would find it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


class _LastingBox(DecodeBox):
    """One that serves whoever opens it, and ends with the tests."""

    def close(self) -> None:
        """Leave the process to the next one."""


@pytest.fixture(scope="module")
def one_decode_box() -> Iterator[None]:
    """The same processes decode for all sources and commands: to start one takes longer than a picture."""
    box = _LastingBox(workers=2)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("data.sources.reading", "data.sources.table_reading", "workflows.predict"):
            patch.setattr(f"ferflow.{module}.DecodeBox", lambda **_: box)
        yield
    DecodeBox.close(box)


@pytest.fixture(scope="module")
def coarse_figures() -> Iterator[None]:
    """Figures of a third of the dots, not laid out, for tests of other results: a third of a report's time.

    They are drawn and written all the same; tests/reporting looks at them as they are.
    """
    from ferflow.reporting import figure  # Late: processes that tests start import this module, too.

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "_DOTS_PER_INCH", 40)
        patch.setitem(figure._STYLE, "figure.constrained_layout.use", False)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_stack() -> Iterator[None]:
    """`inspect.stack` without source lines, as kfp asks for it some fifty times a pipeline for one name.

    Where thousands of modules are loaded and pytest is below, finding the lines takes 2 seconds a pipeline.
    """

    def stack(context: int = 1) -> list[inspect.FrameInfo]:
        found, frame = [], inspect.currentframe()
        while frame := frame.f_back:
            code = frame.f_code
            found.append(inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "stack", stack)
        yield


_WITHOUT_LINUX = """
import os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "getuid", "geteuid", "killpg", "fchmod"):
    delattr(os, name)
del signal.SIGHUP
"""


@pytest.fixture
def without_linux(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which a process finds none of what Windows lacks."""
    folder = tmp_path_factory.mktemp("without-linux")
    (folder / "sitecustomize.py").write_text(_WITHOUT_LINUX)
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def sample_values() -> dict:
    """The raw values of profile sample, to change and check."""
    return read_yaml(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session")
def sample_params() -> Params:
    """The checked parameters of profile sample."""
    return load_params(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real archive and the detector; skips, or fails where it is required."""
    folder = Path(os.environ.get("FERFLOW_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "fer2013.tar.xz").is_file():
        lacks(f"no FER-2013 archive at {folder}/data/fer2013.tar.xz; set FERFLOW_SHARED")
    return folder


@pytest.fixture(scope="session")
def fer2013(shared: Path, sample_params: Params, tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    """The real data set, all 35,887 images, read from the archive by one worker of the tests for all."""
    path = str(shared / "data" / "fer2013.tar.xz")
    download = sample_params.download.model_copy(update={"source": "archive", "path": path})

    def make(folder: Path) -> None:
        folder.mkdir()
        table = read_source(download, seed=sample_params.seed).table
        table.write(folder / "images.npz", folder / "index.csv")

    folder = made_once(tmp_path_factory, "fer2013", make)
    return ImageTable.read(folder / "images.npz", folder / "index.csv")

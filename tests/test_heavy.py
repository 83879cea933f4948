"""Packages that take long to load are loaded in the quickest way, once, when they are asked for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import pytest

from ferflow import heavy


@pytest.fixture
def slow_package(tmp_path, monkeypatch):
    """A package that notes what the process was like while it was loaded, and tries to load another one."""
    (tmp_path / "another_one.py").touch()
    (tmp_path / "slow_package.py").write_text(
        "import gc\n\nWAS_SEARCHED = gc.isenabled()\n\ntry:\n    import another_one\nexcept ImportError:\n"
        "    another_one = None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(heavy._MODULES, "slow_package", ("slow_package",))
    for name in ("slow_package", "another_one"):  # What the test loads is forgotten after it.
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    yield
    gc.unfreeze()


def test_what_is_loaded_is_never_searched_for_garbage(slow_package):
    gc.unfreeze()
    assert not heavy.slow_package.WAS_SEARCHED
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    assert frozen > 0
    assert heavy.slow_package is sys.modules["slow_package"]
    assert gc.get_freeze_count() == frozen, "it is loaded once"


@pytest.mark.parametrize("is_hidden", [True, False])
def test_what_a_package_need_not_load_is_found_only_after_it(slow_package, monkeypatch, is_hidden):
    monkeypatch.setitem(heavy._HIDDEN, "slow_package", ("another_one",) if is_hidden else ())
    assert (heavy.slow_package.another_one is None) == is_hidden
    assert __import__("another_one")


@pytest.mark.slow
def test_keras_loads_nothing_that_is_not_used_here():
    code = (
        "import sys\nfrom ferflow.model.backend import load_keras\nload_keras().layers.Dense(1)\n"
        "print(sorted({'jax', 'matplotlib', 'pandas', 'scipy.stats', 'sklearn'} & set(sys.modules)))\n"
        "import sklearn, matplotlib.pyplot, pandas\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_the_collector_works_again_after_a_package_that_fails(slow_package, tmp_path):
    (tmp_path / "slow_package.py").write_text("raise RuntimeError('broken')\n")
    with pytest.raises(RuntimeError, match="broken"):
        _ = heavy.slow_package
    assert gc.isenabled()


@pytest.fixture
def halting_package(slow_package, tmp_path, monkeypatch):
    """A package that another thread has begun to load, and whose part it loads to the end at `go_on`."""
    folder = tmp_path / "halting"
    folder.mkdir()
    (folder / "__init__.py").write_text("from threading import Event\n\nbegun, go_on = Event(), Event()\n")
    (folder / "part.py").write_text(
        "import halting\n\nhalting.begun.set()\nhalting.go_on.wait(30)\nVALUE = 5\n"
    )
    monkeypatch.setitem(heavy._MODULES, "halting", ("halting.part",))
    monkeypatch.setitem(heavy._HIDDEN, "halting", ("another_one",))
    halting = __import__("halting")
    loader = threading.Thread(target=lambda: heavy.halting)
    loader.start()
    assert halting.begun.wait(30)
    yield halting
    halting.go_on.set()
    loader.join()
    for name in ("halting", "halting.part"):
        sys.modules.pop(name, None)


def test_who_asks_for_a_package_while_another_thread_loads_it_waits_for_all_of_it(halting_package):
    found = []
    asker = threading.Thread(target=lambda: found.append(heavy.halting.part.VALUE))
    asker.start()
    asker.join(0.2)
    assert asker.is_alive()
    halting_package.go_on.set()
    asker.join(30)
    assert found == [5]


def test_what_is_hidden_from_a_package_is_found_by_other_threads(halting_package):
    assert __import__("another_one")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of any fork beside threads.
def test_a_fork_does_not_wait_for_a_thread_that_it_has_not(halting_package):
    child = os.fork()
    if not child:
        os._exit(0 if heavy.loading.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0

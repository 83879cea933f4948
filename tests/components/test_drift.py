"""dvc.yaml, the command line and the components agree in stages, parameters and order."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator

import pytest

from ferflow.cli import app
from ferflow.cluster import steps, sweep_steps
from ferflow.params import read_yaml
from pipelines.compiling import compile_pipeline
from pipelines.settings import load_settings
from tests.conftest import REPOSITORY
from tests.pipelines.compiled import executors, parse

_STAGES = read_yaml(REPOSITORY / "dvc.yaml")["stages"]
_AROUND = ["check-parameters", "report-end"]
# Sections that a step takes one by one, so that Kubeflow's cache knows what it depends on. The others
# are never cached, and take the whole file.
_DATA_STAGES = ("download", "face-filter", "split")


def _module(stage: str):
    return importlib.import_module(f"components.{stage.replace('-', '_')}")


def _component(stage: str):
    name = stage.replace("-", "_")
    return getattr(_module(stage), name)


def _order(document: dict) -> list[str]:
    """Names of the tasks of a pipeline, each after those that it depends on."""
    (handler,) = (name for name in document["components"] if name.startswith("comp-exit-handler"))
    tasks = document["components"][handler]["dag"]["tasks"]
    found: list[str] = []
    while len(found) < len(tasks):
        ready = [
            name
            for name, task in tasks.items()
            if name not in found and set(task.get("dependentTasks", [])) <= set(found)
        ]
        assert len(ready) == 1, f"{ready} are not ordered"
        found += ready
    return found


@pytest.fixture(scope="module")
def training() -> dict:
    return parse(compile_pipeline("training", load_settings()))[0]


@pytest.fixture(scope="module")
def sweep() -> dict:
    return parse(compile_pipeline("sweep", load_settings()))[0]


def test_the_pipeline_runs_the_stages_of_dvc_in_their_order(training):
    assert _order(training) == ["check-parameters", *_STAGES, "register"]


def test_the_pipeline_runs_the_commands_of_the_command_line(training):
    commands = [
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.app.registered_commands
        if command.rich_help_panel
    ]
    assert [name for name in _order(training) if name in commands] == commands


def test_the_sweep_splits_once_then_tunes_then_trains_the_best(sweep):
    loop = next(name for name in _order(sweep) if "loop" in name or "workers" in name)
    assert _order(sweep) == [
        "check-parameters",
        *_DATA_STAGES,
        loop,
        "tune-best",
        "train",
        "evaluate",
        "register",
    ]


@pytest.mark.parametrize("stage", _DATA_STAGES)
def test_a_data_component_takes_the_sections_that_dvc_names(stage):
    inputs = _component(stage).component_spec.inputs
    taken = {name for name, entry in inputs.items() if "system." not in entry.type}
    assert taken == set(_STAGES[stage]["params"])


@pytest.mark.parametrize("stage", [stage for stage in _STAGES if stage not in _DATA_STAGES])
def test_the_other_components_take_the_parameter_file(stage):
    assert "params" in _component(stage).component_spec.inputs


def test_sections_of_the_parameter_check_are_those_of_the_data_stages():
    wanted = {section for stage in _DATA_STAGES for section in _STAGES[stage]["params"]}
    assert set(steps.DataSections._fields) == wanted


@pytest.mark.parametrize("stage", [*_STAGES, "register", "tune-worker", "tune-best", *_AROUND])
def test_a_body_imports_its_step_and_calls_it_and_nothing_else(stage):
    (function,) = (
        node
        for node in ast.parse(inspect.getsource(_module(stage))).body
        if isinstance(node, ast.FunctionDef)
    )
    assert function.name == stage.replace("-", "_")
    body = function.body[1:]  # After the docstring.
    assert any(
        isinstance(node, ast.ImportFrom) and node.module.startswith("ferflow.cluster") for node in body
    )
    for node in body:
        assert isinstance(node, ast.ImportFrom | ast.Expr | ast.Assign | ast.Return)
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] in ("ferflow", "pathlib")
        else:
            assert isinstance(node.value, ast.Call)
    assert any(_called(node) == function.name for node in ast.walk(function) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _calls(function) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(inspect.getsource(function))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", "")
            yield owner, node.func.attr, tuple(sorted(keyword.arg for keyword in node.keywords))


@pytest.mark.parametrize("stage", _DATA_STAGES)
def test_a_data_step_calls_its_stage_as_the_command_does(stage):

    name = stage.replace("-", "_")
    of_step = [call for call in _calls(getattr(steps, name)) if call[:2] == ("stage", "run")]
    of_command = [call for call in _calls(getattr(app, name)) if call[:2] == ("stage", "run")]
    assert of_step == of_command
    assert len(of_step) == 1


@pytest.mark.parametrize(
    ("function", "call"),
    [
        (steps.train, ("app", "train")),
        (steps.evaluate, ("app", "evaluate")),
        (steps.register, ("registry", "register")),
        (sweep_steps._tune, ("tune", "tune")),
    ],
)
def test_the_other_steps_run_the_command_itself(function, call):
    assert call in [found[:2] for found in _calls(function)]


def test_every_component_of_the_pipelines_is_configured(training, sweep):
    names = {name.removeprefix("exec-") for document in (training, sweep) for name in executors(document)}
    assert names == {*_STAGES, "register", "tune-worker", "tune-best", *_AROUND}

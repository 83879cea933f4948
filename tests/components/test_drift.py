"""dvc.yaml, the command line and the components agree in stages, parameters and order."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap

import pytest

from ferflow import workflows
from ferflow.cli import registry, stages, tune
from ferflow.cli.app import COMMANDS
from ferflow.cluster import steps, sweep_steps
from ferflow.params import read_yaml
from ferflow.stages.table import STAGES
from pipelines.compiling import compile_pipeline
from pipelines.settings import load_settings
from tests.conftest import REPOSITORY
from tests.pipelines.compiled import executors, parse

_STAGES = {
    name: entry
    for name, entry in read_yaml(REPOSITORY / "dvc.yaml")["stages"].items()
    if STAGES[name].in_cluster
}
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
    commands = [name for name in COMMANDS if name in _STAGES]
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


def _use_cases(function) -> set[str]:
    """The functions of `ferflow.workflows` that a function calls, such as `train.train`."""
    source = textwrap.dedent(inspect.getsource(function))
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = {ast.unparse(call.func) for call in calls}
    return {
        name.removeprefix("workflows.")
        for name in found
        if name.startswith("workflows.") and not name.endswith(".in_words")
    }


def test_a_stage_is_run_by_the_same_function_in_a_step_and_by_the_command():
    assert "run_at" in {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(inspect.getsource(workflows.stage.run)))
        if isinstance(node, ast.Call)
    }
    for step in (steps.download, steps.face_filter, steps.split):
        assert _use_cases(step) == {"stage.run_at"}
    for command in (stages.download, stages._plain(STAGES["split"])):
        assert _use_cases(command) == {"stage.run"}


@pytest.mark.parametrize("stage", _DATA_STAGES)
def test_a_data_step_runs_the_stage_of_its_name_at_places_of_the_table(stage):
    (call,) = (
        node
        for node in ast.walk(ast.parse(inspect.getsource(getattr(steps, stage.replace("-", "_")))))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "workflows.stage.run_at"
    )
    assert ast.literal_eval(call.args[0]) == stage
    given = {keyword.arg for keyword in call.keywords}
    assert given - {"seed"} == set(STAGES[stage].places)
    assert ("seed" in given) is ("seed" in STAGES[stage].sections)


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (steps.train, stages.train),
        (steps.register, registry.register),
        (sweep_steps._tune, tune.tune),
    ],
)
def test_a_step_calls_the_use_case_that_the_command_calls(step, command):
    assert _use_cases(command) <= _use_cases(step)
    assert _use_cases(command)


def test_the_evaluation_of_a_step_is_that_of_the_command():
    assert _use_cases(steps.evaluate) == {"evaluate.evaluate"}
    assert "evaluate.evaluate" in _use_cases(stages.evaluate)


def test_every_component_of_the_pipelines_is_configured(training, sweep):
    names = {name.removeprefix("exec-") for document in (training, sweep) for name in executors(document)}
    assert names == {*_STAGES, "register", "tune-worker", "tune-best", *_AROUND}

"""Write dvc.yaml from the table of stages (src/ferflow/stages/table.py): `make dvc-yaml`.

The code that a stage depends on is what its module imports (src/ferflow/source_code.py).
"""

from __future__ import annotations

from pathlib import Path

from ferflow.source_code import code_of, is_registry
from ferflow.stages.table import STAGES, Curve, Stage

TARGET = Path(__file__).resolve().parents[1] / "dvc.yaml"
_HEAD = """# Made by 'make dvc-yaml' from src/ferflow/stages/table.py; a test compares the two.
# A stage reruns when its code, its inputs or one of the keys it names changes.
stages:
"""


def text() -> str:
    """The content of dvc.yaml."""
    stages = [_stage(stage) for stage in STAGES.values()]
    curves = [line for stage in STAGES.values() for curve in stage.curves for line in _curve(curve)]
    return _HEAD + "\n".join(stages) + "\nplots:\n" + "\n".join(curves) + "\n"


def _stage(stage: Stage) -> str:
    shown = {*stage.metrics, *stage.plots}
    code = sorted({f"src/ferflow/{_dependency(name)}" for name in (*code_of(stage.module), *stage.files)})
    lines = [f"  {stage.name}:", f"    cmd: ferflow {stage.name}"]
    lines += _list("deps", [*code, *map(str, stage.inputs)])
    lines += [f"    params: [{', '.join(stage.sections)}]"] if stage.sections else []
    lines += _list("outs", [str(path) for path in stage.outputs if path not in shown])
    lines += _list("metrics", [str(path) for path in stage.metrics])
    lines += _list("plots", [str(path) for path in stage.plots])
    return "\n".join(lines) + "\n"


def _dependency(name: str) -> str:
    """A file, or the folder of a registry: an entry that is added there changes nothing here."""
    folder = Path(name).parent
    return folder.as_posix() if is_registry(folder) else name


def _list(key: str, entries: list[str]) -> list[str]:
    return [f"    {key}:", *(f"      - {entry}" for entry in entries)] if entries else []


def _curve(curve: Curve) -> list[str]:
    columns = curve.y if isinstance(curve.y, str) else f"[{', '.join(curve.y)}]"
    template = [f"      template: {curve.template}"] if curve.template else []
    return [
        f"  - {curve.name}:",
        *template,
        f"      x: {curve.x}",
        f"      y: {{{curve.file}: {columns}}}",
        f"      title: {curve.title}",
    ]


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")

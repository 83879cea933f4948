"""The recipe study: from the paper's setting, one change at a time, to the profile that beats it.

    python -m benchmarks.recipes --split data/split --size cpu --output recipes/
    python -m benchmarks.recipes --size tiny            # on drawn faces, a minute or two

Each step of recipes.yaml is trained on top of the steps kept so far, and kept where validation accuracy
rises. Then the first and the last recipe are trained from several seeds and score the test images once.
Every run is a folder of its own under --output: a study that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.runs import drawn_faces
from ferflow.data.store import read_csv
from ferflow.data.subsets import load_subset
from ferflow.files import atomic_file, write_json
from ferflow.model.prediction import predict_probabilities
from ferflow.params import load_params, read_yaml
from ferflow.profiles import write_profile
from ferflow.progress import say
from ferflow.reporting.figure import BLUE, GREY, ORANGE, save_figure

_ROOT = Path(__file__).resolve().parents[1]
_RECIPES = Path(__file__).with_name("recipes.yaml")
_VIEWS = ("none", "flip", "ten_crop", "whole_and_ten_crop")

Settings = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A change that was tried.

    Attributes:
        name: What was changed.
        val_accuracy: Of the run's best epoch, 0-1.
        kept: Whether the following steps build on it.
    """

    name: str
    val_accuracy: float
    kept: bool


def main() -> None:
    """Run the study and print its table; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=Path, help="what the split stage wrote; without it, drawn faces")
    parser.add_argument("--size", choices=sorted(read_yaml(_RECIPES)["sizes"]), default="tiny")
    parser.add_argument("--seeds", type=int, default=3, help="of the first and the last recipe (default: 3)")
    parser.add_argument("--output", type=Path, help="folder of the runs (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        output = (arguments.output or Path(name)).resolve()
        split = (arguments.split or drawn_faces(output / "drawn")).resolve()
        study = Study(split, output, read_yaml(_RECIPES), size=arguments.size)
        result = study.run(arguments.seeds)
        write_json(output / "study.json", result)
        with atomic_file(output / "table.md") as fresh:
            fresh.write_text(table(result), encoding="utf-8")
        plot_study(result, output / "curves.png")
    print(table(result))
    print(json.dumps(result))


class Study:
    """Greedy forward selection over the steps of recipes.yaml.

    Args:
        split: Folder that the split stage wrote.
        output: Folder of the runs.
        recipes: Content of recipes.yaml.
        size: One of its sizes.
    """

    def __init__(self, split: Path, output: Path, recipes: Mapping[str, Any], *, size: str) -> None:
        self._split, self._output, self._recipes, self._size = split, output, recipes, size

    def run(self, num_seeds: int) -> dict[str, Any]:
        """Try all steps, then score the first and the last recipe.

        Returns:
            Size, steps with their validation accuracy, and for the recipes `first` and `last`
            their settings, histories and scores, one of each a seed.
        """
        first = kept = dict(self._recipes["start"])
        best = self._train("start", kept, seed=0)["val_accuracy"]
        steps = [Step("the paper's setting, from scratch", best, True)]
        for change in self._recipes["steps"]:
            tried = {**kept, **change["set"]}
            accuracy = self._train(change["name"], tried, seed=0)["val_accuracy"]
            steps.append(Step(change["name"], accuracy, accuracy > best))
            if accuracy > best:
                kept, best = tried, accuracy
        finals = {"first": first, "last": kept}
        return {
            "size": self._size,
            "steps": [asdict(step) for step in steps],
            **{name: self._score(settings, num_seeds) for name, settings in finals.items()},
        }

    def _train(self, name: str, settings: Settings, *, seed: int) -> dict[str, Any]:
        """Train in a process of its own; a run that is already there is not repeated."""
        folder = self._folder(settings, seed)
        done = folder / "reports" / "train.json"
        if not done.is_file():
            say(f"recipe {name!r}, seed {seed}: {folder}")
            (folder / "data").mkdir(parents=True, exist_ok=True)
            link = folder / "data" / "split"
            if not link.exists():
                link.symlink_to(self._split)
            changes = [f"{key}={json.dumps(value)}" for key, value in self._settings(settings, seed).items()]
            write_profile("paper", changes, profiles=_ROOT / "profiles", target=folder / "params.yaml")
            subprocess.run([sys.executable, "-m", "ferflow", "train"], cwd=folder, check=True)
        report: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        say(f"recipe {name!r}, seed {seed}: validation accuracy {report['val_accuracy']:.4f}")
        return report

    def _settings(self, settings: Settings, seed: int) -> Settings:
        return {**settings, **self._recipes["sizes"][self._size], "seed": seed}

    def _folder(self, settings: Settings, seed: int) -> Path:
        content = json.dumps(self._settings(settings, seed), sort_keys=True)
        return self._output / "runs" / hashlib.sha256(content.encode()).hexdigest()[:12]

    def _score(self, settings: Settings, num_seeds: int) -> dict[str, Any]:
        runs = []
        for seed in range(num_seeds):
            self._train("final", settings, seed=seed)
            runs.append(score_once(self._folder(settings, seed), self._split))
        return {"settings": settings, "runs": runs}


def score_once(folder: Path, split: Path) -> dict[str, Any]:
    """Score the test images with a trained run, and write down that it was done.

    The views that are averaged over are those with the best accuracy on the validation images.

    Args:
        folder: Of the run.
        split: What the split stage wrote.

    Returns:
        The views, validation accuracy by views, test accuracy of all images and of those of
        PrivateTest, each with and without leaked images, and the history.
    """
    written = folder / "scores.json"
    if written.is_file():
        scores: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
        return scores
    from ferflow.model.network import load_network

    network = load_network(folder / "models" / "model.keras")
    batch_size = load_params(folder / "params.yaml").evaluate.batch_size

    def right(name: str, views: str) -> Any:
        subset = load_subset(split / f"{name}.npz")
        found = predict_probabilities(
            network, subset.images, batch_size=batch_size, test_time_augmentation=views
        )
        return found.argmax(axis=1) == subset.labels

    by_views = {views: float(right("val", views).mean()) for views in _VIEWS}
    views = max(by_views, key=lambda name: by_views[name])
    manifest = read_csv(split / "manifest.csv", ("file", "subset", "leaked"))
    is_test = np.asarray(manifest["subset"]) == "test"
    clean = np.asarray(manifest["leaked"])[is_test] == "none"
    private = np.char.find(np.asarray(manifest["file"])[is_test].astype(str), "PrivateTest") >= 0
    hits = {"single": right("test", "none"), "averaged": right("test", views)}
    history = read_csv(folder / "reports" / "history.csv", ("epoch", "accuracy", "val_accuracy"))
    scores = {
        "views": views,
        "validation": by_views,
        "test": {
            f"{kind}{subset}": round(float(values[rows].mean()), 6) if rows.any() else None
            for kind, values in hits.items()
            for subset, rows in (
                ("", clean | True),
                (" leak-free", clean),
                (" PrivateTest", private),
                (" PrivateTest leak-free", private & clean),
            )
        },
        "history": {name: [float(value) for value in column] for name, column in history.items()},
    }
    write_json(written, scores)
    return scores


def table(result: Mapping[str, Any]) -> str:
    """The study as two Markdown tables."""
    lines = ["| change | validation accuracy | |", "|---|---|---|"]
    for step in result["steps"]:
        lines.append(
            f"| {step['name']} | {step['val_accuracy']:.4f} | {'kept' if step['kept'] else 'dropped'} |"
        )
    lines += ["", "| test accuracy, mean (lowest to highest) | first recipe | last recipe |", "|---|---|---|"]
    for name in result["first"]["runs"][0]["test"]:
        cells = [
            _spread([run["test"][name] for run in result[recipe]["runs"]]) for recipe in ("first", "last")
        ]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "no such images"
    return f"{np.mean(known):.4f} ({min(known):.4f} to {max(known):.4f})"


def plot_study(result: Mapping[str, Any], path: Path) -> None:
    """Draw the steps' validation accuracy, and the curves of the first and the last recipe."""

    def draw(figure: Figure) -> None:
        bars, curves = figure.subplots(1, 2, width_ratios=(3, 2))
        steps = result["steps"][::-1]
        colours = [BLUE if step["kept"] else GREY for step in steps]
        bars.barh([step["name"] for step in steps], [step["val_accuracy"] for step in steps], color=colours)
        for row, step in enumerate(steps):
            bars.text(step["val_accuracy"], row, f" {step['val_accuracy']:.1%}", va="center")
        bars.set_title("validation accuracy; grey: dropped")
        bars.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        bars.set_xlim(right=1.15 * max(step["val_accuracy"] for step in steps))
        bars.grid(visible=False, axis="y")
        for name, colour in (("first", GREY), ("last", ORANGE)):
            for index, run in enumerate(result[name]["runs"]):
                history = run["history"]
                label = f"{name} recipe" if index == 0 else None
                curves.plot(history["epoch"], history["val_accuracy"], color=colour, label=label)
        curves.set_title("validation accuracy by epoch")
        curves.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        curves.set_xlabel("epoch")
        curves.legend(loc="lower right")

    save_figure(draw, path, size=(11.5, 4.4))


if __name__ == "__main__":
    main()

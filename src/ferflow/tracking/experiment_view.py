"""How the experiment is shown on MLflow's pages."""

from __future__ import annotations

import json

from ferflow.tracking import names

VIEW_TAG = f"mlflow.sharedViewState.{names.VIEW}"
# Pixels of a column of MLflow's table: of a run's whole name, and of what a head needs besides its letters.
_NAME_WIDTH, _LETTER_WIDTH, _HEAD_MARGIN = 330, 8, 44


def experiment_tags() -> dict[str, str]:
    """Its tags: what it is about, and the columns and the order in which MLflow shows its runs."""
    heads = {column: column.partition("`")[2].rstrip("`") for column in names.VIEW_COLUMNS}
    widths = {
        "attributes.`Run Name`": _NAME_WIDTH,
        **{column: _HEAD_MARGIN + _LETTER_WIDTH * len(head) for column, head in heads.items()},
    }
    view = {
        "orderByKey": f"metrics.`{names.LEAK_FREE_ACCURACY}`",
        "orderByAsc": False,
        "selectedColumns": list(names.VIEW_COLUMNS),
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    # As MLflow's UI saves a view: its state is JSON inside JSON. The menu Views lists it by its name.
    saved = {"name": names.VIEW_NAME, "createdAt": 0, "updatedAt": 0, "state": json.dumps(view)}
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": names.LEAK_FREE_ACCURACY,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        names.TAG_DESCRIPTION: (
            "Facial emotion recognition by ferflow. Compare runs by leak_free_accuracy: test images that "
            "have a copy in the training images do not count in it."
        ),
        VIEW_TAG: json.dumps(saved),
    }

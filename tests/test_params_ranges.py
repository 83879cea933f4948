"""The range of every number in the parameters, at both of its ends."""

from __future__ import annotations

import math

import pytest

from ferflow.errors import ParamsError
from ferflow.params import Params, check_params

# As in mathematics: a square bracket takes its end in, a round one leaves it out.
_RANGES = """
seed                                [0, 2147483647]
download.sample_images              [140, 100000]
download.max_bad_share              [0, 1]
download.max_members                [1, inf)
download.max_member_bytes           [1, inf)
download.max_total_bytes            [1, inf)
download.max_ratio                  [1, inf)
download.max_image_pixels           [2304, inf)
download.fetch_attempts             [1, 10]
download.fetch_timeout              (0, 600]
face_filter.min_score               (0, 1]
face_filter.accept_score            [0, 1]
face_filter.max_lost_share          [0, 1]
face_filter.yunet_looks.0.side      [32, 1024]
face_filter.yunet_looks.0.margin    [0, 512]
face_filter.yunet_looks.0.contrast  [0, 40]
face_filter.haar_looks.0.side       [48, 1024]
face_filter.haar_looks.0.margin     [0, 512]
face_filter.haar_looks.0.smallest   [20, 1024]
face_filter.haar_looks.0.step       (1.005, 2]
face_filter.haar_looks.0.half_score_votes [1, inf)
split.validation_share              (0, 0.5)
split.test_share                    (0, 0.5)
split.near_duplicate_distance       [0, 16]
split.near_duplicate_correlation    (0, 1]
model.unfreeze_layers               [0, inf)
model.image_size                    [32, 512]
model.widths.0                      [1, inf)
model.depths.0                      [1, inf)
model.dropout_features              [0, 1)
model.dense_units                   [0, inf)
model.dropout_head                  [0, 1)
augment.rotation                    [0, 180]
augment.zoom                        [0, 1)
augment.shift                       [0, 1)
augment.brightness                  [0, 1]
augment.contrast                    [0, 1)
augment.erasing                     [0, 1]
augment.erasing_area                (0, 0.9]
augment.mixup                       [0, 10]
train.epochs                        [1, 10000]
train.batch_size                    [1, 8192]
train.learning_rate                 (0, 10]
train.warmup_epochs                 [0, inf)
train.momentum                      [0, 1)
train.weight_decay                  [0, 1]
train.label_smoothing               [0, 1)
train.ema_momentum                  [0, 1)
train.teacher_share                 [0, 1]
train.teacher_temperature           (0, 20]
train.unfreeze.0.epoch              [2, 10000]
train.unfreeze.0.layers             [0, inf)
train.plateau_factor                (0, 1)
train.plateau_patience              [1, inf)
train.early_stopping_patience       [0, inf)
train.devices                       [1, 64]
train.steps_per_dispatch            [1, 1000000]
train.device_data_mib               [1, 1000000]
evaluate.batch_size                 [1, 8192]
evaluate.confidence_level           (0.5, 1)
evaluate.calibration_bins           [2, 100]
registry.class_floor                [0, 1]
registry.significance               (0, 1)
registry.equal_margin               [0, 1]
export.calibration_images           [1, inf)
export.max_difference               (0, 1]
export.max_accuracy_loss            [0, 1]
tune.trials                         [1, 100000]
tune.timeout                        (0, inf)
tune.jobs                           [1, 1024]
tune.pruner_epochs                  [1, 10000]
tune.pruner_factor                  [2, 100]
tune.applied.trial                  [0, inf)
"""
_ROWS = dict(line.split(maxsplit=1) for line in _RANGES.strip().splitlines())
# `train.unfreeze` and others take a word, too, or nothing: what a number is, is said here.
_WHOLE = {
    "model.unfreeze_layers",
    "train.unfreeze.0.layers",
    "train.steps_per_dispatch",
    "train.device_data_mib",
    "tune.applied.trial",
}


@pytest.fixture
def values(sample_values) -> dict:
    """Profile sample with a stage of unfreezing and an applied trial, which it has none of."""
    sample_values["train"]["unfreeze"] = [{"epoch": 2, "layers": 3}]
    sample_values["tune"]["applied"] = {"study": "a", "trial": 1, "value": 0.5}
    return sample_values


def _number_at(values: dict, key: str) -> object:
    found = values
    for part in key.split("."):
        found = found[int(part) if part.isdigit() else part]
    return found


def _is_whole(values: dict, key: str) -> bool:
    return key in _WHOLE or isinstance(_number_at(values, key), int)


def _is_refused(values: dict, key: str, number: float) -> bool:
    """Whether the number itself is refused; that others do not go with it is another matter."""
    *parents, last = (int(part) if part.isdigit() else part for part in key.split("."))
    section = values
    for part in parents:
        section = section[part]
    before, section[last] = section[last], number
    try:
        check_params(values, origin="params.yaml")
    except ParamsError as error:
        return key in str(error) and f"{number!r} found" in str(error)
    finally:
        section[last] = before
    return False


@pytest.mark.parametrize("key", _ROWS)
def test_both_ends_of_a_range_are_where_they_are_said_to_be(key, values):
    low, high = _ROWS[key][1:-1].split(", ")
    is_whole = _is_whole(values, key)
    for end, bracket, outwards in ((low, _ROWS[key][0], -math.inf), (high, _ROWS[key][-1], math.inf)):
        if end == "inf":
            continue
        number = int(end) if is_whole else float(end)
        beyond = number + int(math.copysign(1, outwards)) if is_whole else math.nextafter(number, outwards)
        within = number - int(math.copysign(1, outwards)) if is_whole else math.nextafter(number, -outwards)
        assert _is_refused(values, key, beyond), f"{beyond!r} is taken"
        assert _is_refused(values, key, number) == (bracket in "()"), f"the end {number!r}"
        assert not _is_refused(values, key, within), f"{within!r} is refused"
    if not is_whole:
        assert _is_refused(values, key, math.inf)
        assert _is_refused(values, key, math.nan)


def test_every_number_of_the_parameters_has_a_row():
    def numbers(schema: dict, prefix: str, definitions: dict):
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        for variant in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from numbers(variant, prefix, definitions)
        if schema.get("type") in ("integer", "number") and "enum" not in schema:
            yield prefix
        if schema.get("type") == "array":
            yield from numbers(schema["items"], f"{prefix}.0", definitions)
        for name, entry in schema.get("properties", {}).items():
            yield from numbers(entry, f"{prefix}.{name}".lstrip("."), definitions)

    schema = Params.model_json_schema()
    found = set(numbers(schema, "", schema["$defs"]))
    # Any finite number, which other keys bound.
    free = {"tune.space.0.low", "tune.space.0.high", "tune.applied.value"}
    # The keys of backbones and augmentations are their files' own: a new one needs no row here.
    assert found - free <= set(_ROWS), "a new number: give it its range in _RANGES"

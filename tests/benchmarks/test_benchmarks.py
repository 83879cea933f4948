"""Every benchmark runs from the command line and says what the issue asks for."""

from __future__ import annotations

import os

import pytest

from tests.benchmarks.conftest import start


@pytest.mark.slow
def test_input_pipeline_compares_three_ways(figures):
    result = figures["input_pipeline"]
    rates = result["images_per_second"]
    generator = max(rates["image_data_generator"], rates["image_data_generator_threads"])
    assert result["ratio_to_image_data_generator"] == pytest.approx(rates["ferflow"] / generator)
    assert result["ratio_to_tf_data"] == pytest.approx(rates["ferflow"] / rates["tf_data"])
    assert min(rates.values()) > 1
    assert (result["image_size"], result["images"], result["source"]) == (64, 140, "drawn")


@pytest.mark.slow
def test_training_step_compares_fit_with_the_bare_step(figures):
    (result,) = figures["training_step"]["results"]
    low, high = result["ratios_of_turns"]
    assert low <= result["ratio_to_bare_step"] <= high
    assert figures["training_step"]["ratio_to_bare_step"] == result["ratio_to_bare_step"]
    assert 0.02 < result["ratio_to_bare_step"] < 50
    assert 0.02 < result["processor_ratio_to_bare_step"] < 50
    assert result["images_per_second"] == pytest.approx(32 * 1000 / result["step_ms"])
    assert (result["backend"], result["image_size"], result["batch_size"]) == ("tensorflow", 48, 32)


@pytest.mark.slow
def test_memory_is_that_of_a_process_with_tensorflow_and_the_images(figures):
    (result,) = figures["memory"]["results"]
    assert figures["memory"]["peak_mib"] == {"sample": result["peak_mib"]}
    assert 300 < result["peak_mib"] < 4000
    assert (result["batch_size"], result["image_size"], result["precision"]) == (32, 48, "float32")


@pytest.mark.slow
def test_gpu_runs_without_tensorflow_and_counts_operations(figures):
    result = figures["gpu"]
    (row,) = result["results"]
    assert (result["device"], row["backend"], row["precision"]) == (row["device"], "jax", "mixed_bfloat16")
    # Two 3x3 convolutions of 8 channels at 24 px, forward and twice as much backward; then the rest.
    convolutions = 3 * 2 * (2 * 24 * 24 * 9 * 8 * 8)
    assert 1 < row["flops_per_step"] / row["batch_size"] / convolutions < 2
    if row["device"] == "cpu":
        assert row["peak_flops"] is row["mfu"] is row["bare_mfu"] is None


@pytest.mark.slow
def test_figures_name_the_machine(figures):
    for name, result in figures.items():
        assert result["machine"]["cores"] == len(os.sched_getaffinity(0)), name
        assert result["machine"]["keras"], name


@pytest.mark.parametrize(
    ("benchmark", "flags", "found"),
    [
        ("input_pipeline", ["--turns", "0"], "'0' found, expected a whole number from 1 on"),
        ("input_pipeline", ["--size", "20"], "model.image_size: 20 found"),
        ("input_pipeline", ["--source", "absent.zip"], "absent.zip: not found"),
        ("training_step", ["--profile", "absent"], "there is no profile 'absent'"),
        ("training_step", ["--precisions", "float16"], "invalid choice: 'float16'"),
        ("memory", ["--set", "train.absent=1"], "unknown key 'train.absent'"),
        ("memory", ["--profiles", "cpu", "absent"], "there is no profile 'absent'"),
        ("gpu", ["--batch-size", "many"], "'many' found, expected a whole number from 1 on"),
    ],
)
def test_bad_flags_are_one_line_before_anything_is_measured(benchmark, flags, found):
    process = start(benchmark, *flags, KERAS_BACKEND="jax" if benchmark == "gpu" else "tensorflow")
    output, errors = process.communicate(timeout=60)
    assert process.returncode in (1, 2)
    assert found in errors.splitlines()[-1]
    assert not output
    assert "Traceback" not in errors


def test_gpu_refuses_another_backend():
    process = start("gpu", "--reduced", KERAS_BACKEND="tensorflow")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error: KERAS_BACKEND: tensorflow found, expected jax; unset it\n"

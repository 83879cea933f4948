"""The settings of a process: which arithmetic a precision means on a machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ferflow.errors import ModelError
from ferflow.model.backend import (
    _wanted_backend,
    cpu_has_bfloat16,
    dtype_policy,
    has_gpu,
    load_keras,
    set_up_process,
)


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 fma\n", True),
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu sse2 avx2 avx512f avx512bw fma\n", False),
        ("", False),
    ],
    ids=["avx512", "amx", "arm", "avx512-without", "empty"],
)
def test_bfloat16_is_found_in_the_list_of_processors(tmp_path, listing, expected):
    path = tmp_path / "cpuinfo"
    path.write_text(listing, encoding="utf-8")
    assert cpu_has_bfloat16(path) is expected


def test_a_machine_without_a_list_of_processors_has_no_bfloat16(tmp_path):
    assert cpu_has_bfloat16(tmp_path / "absent") is False


def test_precision_auto_is_bfloat16_only_where_the_machine_multiplies_it():
    assert dtype_policy("float32") == "float32"
    assert dtype_policy("mixed_bfloat16") == "mixed_bfloat16"
    fast = has_gpu() or cpu_has_bfloat16()
    assert dtype_policy("auto") == ("mixed_bfloat16" if fast else "float32")


def test_layers_compute_by_the_precision_and_keep_weights_in_float32():
    keras = load_keras()
    set_up_process(1, "mixed_bfloat16")
    try:
        layer = keras.layers.Dense(2)
        layer.build((None, 3))
        assert (layer.compute_dtype, layer.kernel.dtype) == ("bfloat16", "float32")
    finally:
        set_up_process(1, "float32")


def test_a_backend_that_ferflow_does_not_train_on_is_one_error(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.delitem(sys.modules, "keras")
    with pytest.raises(ModelError, match="the Keras backend is torch, expected tensorflow or jax; set"):
        load_keras()


def test_a_backend_that_the_program_around_chose_is_one_error(monkeypatch):
    monkeypatch.setattr(load_keras().backend, "backend", lambda: "numpy")
    with pytest.raises(ModelError, match="the Keras backend is numpy, expected tensorflow or jax"):
        load_keras()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"backend": "jax"}', "jax"),
        ('{"floatx": "float32"}', "tensorflow"),
        ("[", "tensorflow"),
        ("[]", "tensorflow"),
    ],
)
def test_the_backend_of_keras_json_is_not_loaded_behind_tensorflow(tmp_path, monkeypatch, content, expected):
    """TensorFlow loads Keras while JAX is hidden: Keras on JAX then had half of its names."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras/keras.json").write_text(content)
    assert _wanted_backend() == expected


def test_keras_that_cannot_be_loaded_is_one_error(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "bfloat16"}')
    code = "from ferflow.model.backend import load_keras\nload_keras()\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModelError: Keras cannot be loaded (ValueError: Invalid `floatx`" in done.stderr
    assert "keras.json" in done.stderr.splitlines()[-1]


def test_the_users_settings_of_keras_do_not_make_another_network():
    keras = load_keras()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(0.5)
    set_up_process(1, "float32")
    assert keras.config.image_data_format() == "channels_last"
    assert (keras.config.floatx(), keras.config.epsilon()) == ("float32", 1e-7)

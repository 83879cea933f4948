"""The settings of a process: which arithmetic a precision means on a machine."""

from __future__ import annotations

import pytest

from ferflow.model.backend import cpu_has_bfloat16, dtype_policy, has_gpu, load_keras, set_up_process


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

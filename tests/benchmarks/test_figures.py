"""What the benchmarks make of what they measured."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import gpu, input_pipeline, memory
from benchmarks.runs import profile_params
from ferflow.data.drawn.sample import draw_sample


def test_the_generator_counts_by_its_faster_way():
    seconds = {
        "ferflow": [1.0, 1.0, 9.0],
        "tf_data": [2.0, 2.0, 2.0],
        "image_data_generator": [10.0, 8.0, 30.0],
        "image_data_generator_threads": [20.0, 20.0, 20.0],
    }
    result = input_pipeline.ratios(seconds, num_images=100)
    assert result["ratio_to_image_data_generator"] == pytest.approx(10)
    assert result["ratio_to_tf_data"] == pytest.approx(2)
    assert result["images_per_second"]["ferflow"] == pytest.approx(100)


# Keras' generator calls a name that SciPy has moved.
@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
def test_all_ways_give_the_same_pictures(tmp_path):
    table = draw_sample(140, seed=0)
    params = profile_params("paper", ["model.image_size=56"])
    input_pipeline.write_folders(table, tmp_path)
    ways = input_pipeline.build_ways(table, tmp_path, params, batch_size=32)
    means, spreads = {}, {}
    for name, batches in ways.items():
        pixels = np.concatenate([np.asarray(images) for images, _ in batches()])
        assert pixels.shape == (len(table) // 32 * 32, 56, 56, 3)
        if "generator" in name:  # It scales to 0..1, as the paper does.
            pixels = 2 * pixels - 1
        means[name], spreads[name] = pixels.mean(), pixels.std(axis=(1, 2)).mean()
    assert set(means) == {"ferflow", "tf_data", "image_data_generator", "image_data_generator_threads"}
    assert max(means.values()) - min(means.values()) < 0.05
    assert max(spreads.values()) / min(spreads.values()) < 1.1


@pytest.mark.parametrize(
    ("device", "bfloat16", "float32"),
    [
        ("NVIDIA H200", 989.5e12, 494.5e12),
        ("NVIDIA H100 80GB HBM3", 989.5e12, 494.5e12),
        ("NVIDIA H100 PCIe", 756.5e12, 378e12),
        ("NVIDIA A100-SXM4-80GB", 312e12, 156e12),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None, None),
        ("cpu", None, None),
    ],
)
def test_peaks_are_known_by_device_and_precision(device, bfloat16, float32):
    assert gpu.peak_of(device, "mixed_bfloat16") == bfloat16
    assert gpu.peak_of(device, "float32") == float32


def test_memory_table_is_markdown():
    row = {
        "profile": "paper",
        "backbone": "resnet50v2",
        "parameters": 29_996_295,
        "image_size": 224,
        "batch_size": 64,
        "precision": "float32",
        "peak_mib": 2724.0,
    }
    last = memory.table([row]).splitlines()[-1]
    assert last == "| `paper` | resnet50v2 | 29,996,295 | 224 px | 64 | float32 | 2.7 GiB |"

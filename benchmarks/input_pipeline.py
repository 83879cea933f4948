"""Images a second that reach the network: ferflow against ImageDataGenerator and against tf.data.

    python -m benchmarks.input_pipeline                           # drawn faces, 224 px
    python -m benchmarks.input_pipeline --source fer2013.zip --images 4096

Three ways to the same batches, (N, size, size, 3) float32, with the paper's augmentation (rotation 10
degrees, zoom 0.2, shifts 0.1, horizontal flip, nearest fill), each on all cores that it can use:

- ferflow: the images in memory as uint8, the batches that `fit` cuts of them, then augmentation at 48 px
  and resizing in one compiled function, as in the training step.
- image_data_generator: the paper's way, `ImageDataGenerator.flow_from_directory` of Keras on JPEG files.
  It computes in Python, one image after the other. Each turn runs it twice, as it comes and with as
  many threads as there are cores, as Keras fetches with `workers`; the faster of the two counts. Its batches
  are taken as NumPy arrays: what `fit` would add is not counted. (Worker processes were slower than
  threads on two cores: each batch of 38 MB has to be copied between them.)
- tf_data: the same arrays in memory, shuffled, each image augmented and resized by TensorFlow in a
  parallel `map`, then batched and prefetched.

The three take turns in one process, one pass over all images a turn; ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.runs import (
    add_result_flags,
    errors_for_people,
    finish,
    positive,
    profile_params,
    usable_cores,
)
from ferflow.data.drawn.sample import SMALLEST, draw_sample
from ferflow.data.sources.sources import check_path, read_archive
from ferflow.data.store import ImageTable
from ferflow.data.subsets import LabelledImages
from ferflow.errors import ModelError, SourceError
from ferflow.labels import EMOTIONS
from ferflow.params import Params

# Names of the ways; the generator's two are one way, the faster of the two.
_GENERATOR_ALONE, _GENERATOR_THREADS = "image_data_generator", "image_data_generator_threads"

Pass = Callable[[], Iterable[Any]]


def main() -> None:
    """Let the three ways take turns and print their images a second."""
    arguments = _parser().parse_args()
    with errors_for_people(), tempfile.TemporaryDirectory() as name:
        params = profile_params("paper", [f"model.image_size={arguments.size}"])
        table = _read_images(arguments.source, arguments.images)
        write_folders(table, Path(name))
        ways = build_ways(table, Path(name), params, batch_size=arguments.batch_size)
        seconds = time_ways(ways, turns=arguments.turns)
    result = {
        **ratios(seconds, num_images=_num_passed(len(table), arguments.batch_size)),
        "image_size": arguments.size,
        "images": len(table),
        "batch_size": arguments.batch_size,
        "turns": arguments.turns,
        "source": "drawn" if arguments.source is None else arguments.source.name,
    }
    for way, rate in result["images_per_second"].items():
        print(f"{way:<29}{rate:>9,.0f} images/s at {arguments.size} px")
    print(
        f"ferflow: {result['ratio_to_image_data_generator']:.1f} times ImageDataGenerator, "
        f"{result['ratio_to_tf_data']:.1f} times tf.data"
    )
    finish(result, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=positive, default=224, help="side of the network's images")
    parser.add_argument("--images", type=positive, default=1024, help="how many (default: 1024)")
    parser.add_argument("--batch-size", type=positive, default=64)
    parser.add_argument("--turns", type=positive, default=5, help="that count (default: 5)")
    parser.add_argument("--source", type=Path, help="folder or archive of FER-2013 instead of drawn faces")
    add_result_flags(parser)
    return parser


def _read_images(source: Path | None, number: int) -> ImageTable:
    if source is None:
        table = draw_sample(max(number, SMALLEST), seed=0)
    else:
        download = profile_params("cpu", ["download.source=archive", f"download.path={source}"]).download
        check_path(download)
        table = read_archive(source, download).table
    if len(table) < number:
        raise SourceError(f"--images: {number} wanted, but {source} holds {len(table)}; ask for fewer")
    return table.take(np.random.default_rng(0).permutation(len(table))[:number])


def write_folders(table: ImageTable, folder: Path) -> None:
    """Write images as JPEG files, one folder a class, as `flow_from_directory` reads them.

    Args:
        table: The images.
        folder: Where the class folders are made.
    """
    for emotion in EMOTIONS:
        (folder / emotion).mkdir()
    for number, (image, label) in enumerate(zip(table.images, table["label"], strict=True)):
        _, encoded = cv2.imencode(".jpg", image)
        (folder / str(label) / f"{number}.jpg").write_bytes(encoded.tobytes())


def build_ways(table: ImageTable, folder: Path, params: Params, *, batch_size: int) -> dict[str, Pass]:
    """The ways, by name: functions that give the batches of one pass over all whole batches.

    Args:
        table: The images.
        folder: The same images as files.
        params: Sections `augment` and `model`.
        batch_size: Images of a batch.

    Raises:
        ModelError: The backend is not TensorFlow, or there is not one whole batch.
    """
    from ferflow.model.backend import load_keras

    if load_keras().backend.backend() != "tensorflow":
        raise ModelError("KERAS_BACKEND: this compares ways on TensorFlow; unset it or set it to tensorflow")
    num_batches = len(table) // batch_size
    if not num_batches:
        raise ModelError(f"--batch-size: {batch_size} found, but there are {len(table)} images; lower it")
    labels = np.array([EMOTIONS.index(label) for label in table["label"]], np.uint8)
    images = LabelledImages(table.images, labels)
    ways = {
        "ferflow": ferflow_way(images, params, batch_size=batch_size),
        "tf_data": tf_data_way(images, params, batch_size=batch_size),
        **generator_ways(folder, params, batch_size=batch_size),
    }
    return {name: lambda way=way: itertools.islice(way(), num_batches) for name, way in ways.items()}


def ferflow_way(images: LabelledImages, params: Params, *, batch_size: int) -> Pass:
    """The batches of `fit` through the compiled augmentation and the network's first layer."""
    import tensorflow as tf
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    from ferflow.model.augment import Augment
    from ferflow.model.backend import use_xla
    from ferflow.model.batches import epoch_rows
    from ferflow.model.network import Pixels

    augment, pixels = Augment(params.augment, seed=0), Pixels(params.model.image_size, 3)
    epochs = itertools.count()

    @tf.function(jit_compile=use_xla())  # type: ignore[misc]
    def step(batch: Any) -> Any:
        return pixels(augment(batch, training=True))

    def batches() -> Iterable[Any]:
        rows = epoch_rows(len(images.images), batch_size=batch_size, order_seed=(0, next(epochs)))
        adapter = ArrayDataAdapter(
            images.inputs()[rows], images.targets()[rows], batch_size=batch_size, shuffle=False
        )
        for batch, targets in adapter.get_tf_dataset():
            yield step(batch), targets

    return batches


def tf_data_way(images: LabelledImages, params: Params, *, batch_size: int) -> Pass:
    """tf.data as its guide has it: from_tensor_slices, shuffle, parallel map, batch, prefetch."""
    import tensorflow as tf

    augment, size = params.augment, params.model.image_size
    side = images.images.shape[1]

    def uniform(strength: float) -> Any:
        return tf.random.uniform((), -strength, strength)

    def change(image: Any, target: Any) -> tuple[Any, Any]:
        angle = uniform(augment.rotation * math.pi / 180)
        scale_x, scale_y = 1 + uniform(augment.zoom), 1 + uniform(augment.zoom)
        scale_x *= tf.where(uniform(1.0) < 0, -1.0, 1.0)
        row_x = tf.stack([tf.cos(angle) * scale_x, -tf.sin(angle) * scale_y])
        row_y = tf.stack([tf.sin(angle) * scale_x, tf.cos(angle) * scale_y])
        centre = (side - 1) / 2
        offsets = [
            centre - centre * tf.reduce_sum(row) + uniform(augment.shift) * side for row in (row_x, row_y)
        ]
        matrix = tf.concat([row_x, offsets[:1], row_y, offsets[1:], [0.0, 0.0]], axis=0)
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(image, tf.float32)[tf.newaxis],
            transforms=matrix[tf.newaxis],
            output_shape=(side, side),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
        pixels = tf.image.resize(moved[0] / 127.5 - 1.0, (size, size))
        return tf.image.grayscale_to_rgb(pixels), target

    dataset = (
        tf.data.Dataset.from_tensor_slices((images.inputs(), images.targets()))
        .shuffle(len(images.images))
        .map(change, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: dataset


def generator_ways(folder: Path, params: Params, *, batch_size: int) -> dict[str, Pass]:
    """ImageDataGenerator on files, as it comes and fetched by a thread a core."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator
    from keras.src.trainers.data_adapters.py_dataset_adapter import OrderedEnqueuer

    augment, size = params.augment, params.model.image_size
    flow = ImageDataGenerator(
        rotation_range=augment.rotation,
        zoom_range=augment.zoom,
        width_shift_range=augment.shift,
        height_shift_range=augment.shift,
        horizontal_flip=augment.flip,
        fill_mode="nearest",
        rescale=1 / 255,
    ).flow_from_directory(
        folder, target_size=(size, size), color_mode="rgb", classes=list(EMOTIONS), batch_size=batch_size
    )

    def alone() -> Iterable[Any]:
        return (flow[number] for number in range(len(flow)))

    def threads() -> Iterable[Any]:
        enqueuer = OrderedEnqueuer(flow, workers=usable_cores(), max_queue_size=10)
        enqueuer.start()
        try:
            yield from itertools.islice(enqueuer.get(), len(flow))
        finally:
            enqueuer.stop()

    return {_GENERATOR_ALONE: alone, _GENERATOR_THREADS: threads}


def time_ways(ways: dict[str, Pass], *, turns: int) -> dict[str, list[float]]:
    """Seconds of each way's passes, in turns; one turn before them compiles and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with warnings.catch_warnings():
        # The generator calls a name that SciPy has moved.
        warnings.simplefilter("ignore", DeprecationWarning)
        for turn in range(turns + 1):
            for name, batches in ways.items():
                started = time.perf_counter()
                for _ in batches():
                    pass
                if turn:
                    seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(seconds: dict[str, list[float]], *, num_images: int) -> dict[str, Any]:
    """Images a second of each way and ferflow's ratio to the others, from medians.

    Args:
        seconds: Of `time_ways`.
        num_images: Images of a pass.
    """
    rates = {name: num_images / statistics.median(values) for name, values in seconds.items()}
    generator = max(rates[_GENERATOR_ALONE], rates[_GENERATOR_THREADS])
    return {
        "ratio_to_image_data_generator": rates["ferflow"] / generator,
        "ratio_to_tf_data": rates["ferflow"] / rates["tf_data"],
        "images_per_second": rates,
    }


def _num_passed(num_images: int, batch_size: int) -> int:
    return num_images // batch_size * batch_size


if __name__ == "__main__":
    main()

"""Epochs of training: where the images lie, how many steps a call of the backend takes, validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.subsets import LabelledImages
from ferflow.model.backend import gpu_memory, has_gpu
from ferflow.model.batches import epoch_rows
from ferflow.model.steps import compile_steps
from ferflow.params import TrainParams

# Long enough that starting a call costs nothing, short enough for progress and Ctrl-C.
_SECONDS_OF_A_CALL = 0.3
# Share of a GPU's memory that the training images may take, and what they may take where it is unknown.
_SHARE_OF_MEMORY = 0.25
_UNKNOWN_MEMORY = 2 << 30

Rows = NDArray[np.int64]


class Epochs:
    """Fits a trainer epoch by epoch, and runs its network over validation images.

    The images lie on the device, or, where they are more than `train.device_data_mib` allows, come
    there in blocks, the next one while the steps of one are taken. Both give the same steps.

    Args:
        trainer: What `build_trainer` gave.
        network: That it was built from.
        training: Images to fit.
        targets: (N, ...) float32, what the loss compares the answers with.
        params: The parameters of the training.
        seed: The seed of the order of the images.
    """

    def __init__(
        self,
        trainer: Any,
        network: Any,
        training: LabelledImages,
        targets: NDArray[np.float32],
        *,
        params: TrainParams,
        seed: int,
    ) -> None:
        self._images, self._targets, self._seed = training.inputs(), targets, seed
        self._batch_size = params.batch_size
        self.optimizer = trainer.optimizer
        # A number of steps is obeyed; `auto` loops inside of the call where that is faster.
        number = params.steps_per_dispatch
        self._steps = compile_steps(
            trainer, network, in_one_call=has_gpu() if number == "auto" else number > 1
        )
        self._call = _CallLength(number)
        self._block_images = _block_images(self._images, params)
        self._data = None if self._block_images else self._steps.place(self._images, targets)
        # The images that `predict` was last given, where they may stay on the device, and their handles.
        self._kept: tuple[Any, Any, Any] = (None, None, None)

    def fit(
        self, epoch: int, on_steps: Callable[[int], None], *, num_steps: int | None = None
    ) -> tuple[float, float]:
        """Fit one epoch, counted from 0.

        Args:
            epoch: Decides the order of the images.
            on_steps: Called after each call of the backend, with the number of its steps.
            num_steps: End the epoch after so many; None: a whole one.

        Returns:
            The means of loss and accuracy over the steps.
        """
        rows = epoch_rows(len(self._images), batch_size=self._batch_size, order_seed=(self._seed, epoch))
        rows = rows[: num_steps and num_steps * self._batch_size]
        self._steps.begin()
        for data, placed, there in self._blocks(rows):
            start = 0
            while start < there:
                taken, started = self._call.num_steps(there - start), time.perf_counter()
                self._steps.take(data, placed, start, start + taken)
                self._call.learn(taken, time.perf_counter() - started)
                on_steps(taken)
                start += taken
        return self._steps.end()

    def learning_rate(self) -> float:
        """The rate of the next step."""
        return self._steps.learning_rate()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities of the network by batches of the training's size.

        Args:
            images: (N, 48, 48) uint8.

        Returns:
            (N, 7) float64.
        """
        length = self._block_images or len(images)
        found = []
        for start in range(0, len(images), length):
            block = images[start : start + length]
            if self._kept[0] is images:
                _, data, rows = self._kept
            else:
                data, rows = self._place_all(block)
            if not self._block_images:
                self._kept = (images, data, rows)
            found.append(self._steps.predict(data, rows)[: len(block)])
        return np.concatenate(found)

    def _place_all(self, images: NDArray[np.uint8]) -> tuple[Any, Any]:
        """Images and their rows in order; the last batch is filled up, so that one shape is compiled."""
        num_batches = -(-len(images) // self._batch_size)
        rows = np.resize(np.arange(len(images)), num_batches * self._batch_size)
        targets = np.zeros((len(images), 1), np.float32)  # Not looked at.
        return self._steps.place(images[..., np.newaxis], targets), self._place_rows(rows)

    def _blocks(self, rows: Rows) -> Iterator[tuple[Any, Any, int]]:
        """The data on the device, which of them each step takes, and the number of steps."""
        if self._data is not None:
            yield self._data, self._place_rows(rows), len(rows) // self._batch_size
            return
        parts = [
            rows[start : start + self._block_images] for start in range(0, len(rows), self._block_images)
        ]
        placed = self._place_rows(np.arange(self._block_images))
        with ThreadPoolExecutor(1) as beside:
            coming = beside.submit(self._gather, parts[0])
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                data = coming.result()
                if following is not None:
                    coming = beside.submit(self._gather, following)
                yield data, placed, len(part) // self._batch_size

    def _gather(self, rows: Rows) -> Any:
        """Put the images of some rows on the device; a short block is filled up to the size of the others."""
        filled = np.resize(rows, self._block_images)
        return self._steps.place(self._images[filled], self._targets[filled])

    def _place_rows(self, rows: Rows) -> Any:
        return self._steps.place_rows(rows.reshape(-1, self._batch_size).astype(np.int32))


class _CallLength:
    """How many steps a call takes: a number, or all of an epoch on a GPU, or as many as last a moment.

    Args:
        number: `train.steps_per_dispatch`.
    """

    def __init__(self, number: int | str) -> None:
        self._is_adapted = number == "auto" and not has_gpu()
        self._number = 1 if self._is_adapted else number
        self._is_compiled = False

    def num_steps(self, remaining: int) -> int:
        """Steps of the next call.

        Args:
            remaining: The rest of the data that are there.
        """
        return remaining if self._number == "auto" else min(remaining, int(self._number))

    def learn(self, num_steps: int, seconds: float) -> None:
        """Adapt the length to what a call of so many steps took; the first one compiles and tells nothing."""
        if self._is_adapted and self._is_compiled:
            self._number = max(1, round(_SECONDS_OF_A_CALL * num_steps / seconds))
        self._is_compiled = True


def _block_images(images: NDArray[np.uint8], params: TrainParams) -> int:
    """Images of a block, whole batches; 0 where all images may lie on the device at once."""
    allowed = _allowed_bytes() if params.device_data_mib == "auto" else int(params.device_data_mib) << 20
    if allowed is None or images.nbytes <= allowed:
        return 0
    batch_bytes = int(images[0].nbytes) * params.batch_size
    return max(1, allowed // 2 // batch_bytes) * params.batch_size  # Two blocks are there at a time.


def _allowed_bytes() -> int | None:
    """What the training images may take of the device's memory; None: no limit, they lie in memory anyway."""
    if not has_gpu():
        return None
    memory = gpu_memory()
    return _UNKNOWN_MEMORY if memory is None else int(_SHARE_OF_MEMORY * memory)

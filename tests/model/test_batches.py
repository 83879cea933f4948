"""The order of an epoch."""

from __future__ import annotations

import numpy as np

from ferflow.model.batches import epoch_rows


def test_epoch_rows_hold_every_image_and_fill_up_the_last_batch():
    rows = epoch_rows(10, batch_size=4, order_seed=(1, 0))
    assert len(rows) == 12
    assert sorted(rows[:10]) == list(range(10))
    np.testing.assert_array_equal(rows[10:], rows[:2])


def test_epoch_rows_fill_a_batch_larger_than_the_data():
    rows = epoch_rows(3, batch_size=8, order_seed=(1, 0))
    assert np.bincount(rows).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


def test_epoch_rows_depend_on_seed_and_epoch_alone():
    orders = [epoch_rows(50, batch_size=5, order_seed=seed) for seed in ((1, 0), (1, 0), (1, 1), (2, 0))]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[3])

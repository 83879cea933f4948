"""Who is given to whom: as SciPy, which the core does not bring, would have it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from ferflow.serving.assignment import assigned


@pytest.mark.parametrize("kind", ["any", "ties", "forbidden", "negative"])
def test_the_pairs_cost_as_little_as_scipys(kind):
    random = np.random.default_rng(20131)
    for _ in range(200):
        costs = random.random(random.integers(1, 9, 2))
        if kind == "ties":
            costs = np.round(3 * costs)
        elif kind == "forbidden":
            costs[costs > 0.5] = 1e6
        elif kind == "negative":
            costs -= 0.5
        pairs = assigned(costs)
        rows, columns = zip(*pairs, strict=True)
        assert sorted(set(rows)) == list(rows)
        assert len(set(columns)) == len(columns) == min(costs.shape)
        best = costs[linear_sum_assignment(costs)].sum()
        assert costs[rows, columns].sum() == pytest.approx(best)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_where_one_side_is_empty_there_are_no_pairs(shape):
    assert assigned(np.zeros(shape)) == []

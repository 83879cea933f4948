"""The assignment problem: who is given to whom so that the sum of the costs is least.

Shortest augmenting paths (the Hungarian method; Jonker and Volgenant 1987). Here and not from SciPy, which
would be 110 MB more to install for whoever only reads faces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def assigned(costs: NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """The pairs of rows and columns of least cost; each row and each column is in one pair at most.

    Args:
        costs: (R, C), finite.

    Returns:
        As many pairs as the shorter side is long, in order of their rows.
    """
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assigned(costs.T))
    num_rows, num_columns = costs.shape
    # The row of each column, counted from 1; column 0 holds the row that is being placed, 0: none.
    row_of = np.zeros(num_columns + 1, np.int64)
    row_price, column_price = np.zeros(num_rows + 1), np.zeros(num_columns + 1)
    padded = np.zeros((num_rows + 1, num_columns + 1))
    padded[1:, 1:] = costs
    for row in range(1, num_rows + 1):
        row_of[0] = row
        _augment(padded, row_of, row_price, column_price)
    return sorted(
        (int(row_of[column]) - 1, column - 1) for column in range(1, num_columns + 1) if row_of[column]
    )


def _augment(
    costs: NDArray[np.float64],
    row_of: NDArray[np.int64],
    row_price: NDArray[np.float64],
    column_price: NDArray[np.float64],
) -> None:
    """Place the row of column 0 along the path of least reduced cost to a free column; all are changed."""
    num_columns = len(row_of) - 1
    least = np.full(num_columns + 1, np.inf)
    came_from = np.zeros(num_columns + 1, np.int64)
    is_done = np.zeros(num_columns + 1, np.bool_)
    column = 0
    while row_of[column]:
        is_done[column] = True
        row = row_of[column]
        reduced = costs[row] - row_price[row] - column_price
        nearer = ~is_done & (reduced < least)
        least[nearer], came_from[nearer] = reduced[nearer], column
        nearest = int(np.argmin(np.where(is_done, np.inf, least)))
        step = least[nearest]
        row_price[row_of[is_done]] += step
        column_price[is_done] -= step
        least[~is_done] -= step
        column = nearest
    while column:
        row_of[column] = row_of[came_from[column]]
        column = int(came_from[column])

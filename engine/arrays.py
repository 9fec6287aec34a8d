"""Names for the array types that cross module borders, and the one way to broadcast without copying."""

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.uint8]
Column = npt.NDArray[Any]


class Columns:
    """Inputs that broadcast against each other, seen as flat columns of one length.

    A single number stays one number instead of being repeated, and an array that already has the
    common shape is not copied.

    Attributes:
        shape: the broadcast shape.
        size: number of elements of that shape.
    """

    def __init__(self, *values: npt.ArrayLike) -> None:
        arrays = [np.asarray(value) for value in values]
        self.shape = np.broadcast_shapes(*(array.shape for array in arrays))
        self.size = prod(self.shape)
        self._flat = [self._flatten(array) for array in arrays]

    def _flatten(self, array: Column) -> Column:
        numbers = array if array.dtype == np.bool_ else array.astype(np.float64, copy=False)
        if numbers.size == 1:
            return numbers.reshape(())
        return np.broadcast_to(numbers, self.shape).reshape(-1)

    def block(self, start: int, stop: int) -> list[Column]:
        """Views of the elements start..stop of every column; a single number comes as itself."""
        return [column[start:stop] if column.ndim else column for column in self._flat]

    def take(self, index: IntArray) -> list[Column]:
        """The elements at index of every column, each an array of index's length."""
        return [
            np.take(column, index) if column.ndim else np.broadcast_to(column, index.shape)
            for column in self._flat
        ]

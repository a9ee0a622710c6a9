"""A compiled binary heap of (key, item) pairs in two arrays, for the searches. Keys are float64 or int64; ties go by item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.network.city import IntArray

Keys = npt.NDArray[np.float64] | IntArray


@njit(cache=True)
def push(keys: Keys, items: IntArray, size: int, key: float, item: int) -> None:
    """Adds to a binary heap of `size` pairs, least (key, item) first."""
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if keys[parent] < key or (keys[parent] == key and items[parent] <= item):
            break
        keys[child], items[child] = keys[parent], items[parent]
        child = parent
    keys[child], items[child] = key, item


@njit(cache=True)
def pop(keys: Keys, items: IntArray, size: int) -> tuple[float, int]:
    """Takes the least of a heap of `size` pairs."""
    top_key, top_item = keys[0], items[0]
    size -= 1
    key, item = keys[size], items[size]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (keys[right] < keys[child] or (keys[right] == keys[child] and items[right] < items[child])):
            child = right
        if key < keys[child] or (key == keys[child] and item <= items[child]):
            break
        keys[parent], items[parent] = keys[child], items[child]
        parent = child
    keys[parent], items[parent] = key, item
    return top_key, top_item

"""Arrays that grow: room is made ahead of need, so that adding costs no copy most times.

Where they let go of their beginning they stay as long as they are.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Cell = TypeVar("Cell", bound=np.generic)
ROOM_MIN = 1024
PROJECTED_PERCENT = 125


def projected(count: int, read: int, expected: int) -> int:
    """Return how many there will be of what came `count` times in `read` of `expected` events."""
    if read <= 0 or expected <= read:
        return count
    return count * expected // read * PROJECTED_PERCENT // 100


def grown(array: npt.NDArray[Cell], used: int, needed: int, likely: int = 0) -> npt.NDArray[Cell]:
    """Return an array with room for `needed` rows whose first `used` rows are these.

    It is the same array while that is long enough; views of the old one keep their content. Room
    takes no memory until it is written to: a good guess of the `likely` end saves the copies.
    """
    if needed <= array.shape[0]:
        return array
    room = max(ROOM_MIN, needed, likely, array.shape[0] + array.shape[0] // 2)
    larger: npt.NDArray[Any] = np.empty((room, *array.shape[1:]), dtype=array.dtype)
    larger[:used] = array[:used]
    return larger


def reserved(rows: int, columns: int, dtype: type[Cell]) -> npt.NDArray[Cell]:
    """Return room of whose memory the process has hold: it is written to, not only promised."""
    room = np.empty((rows, columns), dtype=dtype)
    room[:] = 0
    return room


def shifted(array: npt.NDArray[Cell], first: int, used: int) -> npt.NDArray[Cell]:
    """Return an array with as much room whose first rows are [first, used) of this one."""
    moved = np.empty_like(array)
    moved[: used - first] = array[first:used]
    return moved

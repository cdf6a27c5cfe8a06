"""Lays out the level changes of one segment by price level: a counting sort.

Nothing here reads events; see `indexing.py`.
"""

from market.jit import kernel
from market.layout import LEVEL_CARRIED, LEVEL_SHIFT, LEVEL_SIDE_SHIFT
from market.types import I4, I8

COLUMN_MASK = (1 << LEVEL_SIDE_SHIFT) - 1


@kernel
def carry_levels(keys: I4, levels: I8, carried_keys: I4, carried_lots: I8) -> int:
    """Write the levels in use among some, in their order; return how many there are.

    Args:
        keys: i4[n].
        levels: i8[2, width].
        carried_keys: i4[n], written.
        carried_lots: i8[n], written.
    """
    count = 0
    for index in range(keys.shape[0]):
        lots = levels[keys[index] >> LEVEL_SIDE_SHIFT, keys[index] & COLUMN_MASK]
        if lots > 0:
            carried_keys[count] = keys[index]
            carried_lots[count] = lots
            count += 1
    return count


@kernel
def count_levels(row_keys: I4, counts: I4, keys: I4, known: int) -> int:
    """Count the rows of each level; return how many levels have any.

    Args:
        row_keys: i4[n], one key a row.
        counts: i4[2, width], changed; 0 where a level has no row yet.
        keys: i4[known + n], the levels that have rows; new ones are written behind the known.
        known: levels counted already.
    """
    for index in range(row_keys.shape[0]):
        row = row_keys[index] >> LEVEL_SIDE_SHIFT
        column = row_keys[index] & COLUMN_MASK
        count = counts[row, column]
        counts[row, column] = count + 1
        if count == 0:
            keys[known] = row_keys[index]
            known += 1
    return known


@kernel
def lay_out(
    keys: I4,
    counts: I4,
    carried_keys: I4,
    carried_lots: I8,
    first_event: int,
    row_keys: I4,
    row_events: I4,
    row_lots: I8,
    first_row: int,
    level_starts: I8,
    level_events: I4,
    level_lots: I8,
) -> None:
    """Write a segment's rows by level and, within one, in order of time; empty `counts`.

    Args:
        keys: i4[k], every level with a row, ascending.
        counts: i4[2, width]: rows of each, the carried one included; zeros on return.
        carried_keys: i4[c], among `keys`.
        carried_lots: i8[c].
        first_event: SEGMENT_EVENT.
        row_keys: i4[n], the level changes in order of time.
        row_events: i4[n].
        row_lots: i8[n].
        first_row: rows of earlier segments.
        level_starts: i8[k + 1], written.
        level_events: i4[c + n], written.
        level_lots: i8[c + n], written.
    """
    place = 0
    for index in range(keys.shape[0]):
        row = keys[index] >> LEVEL_SIDE_SHIFT
        column = keys[index] & COLUMN_MASK
        level_starts[index] = first_row + place
        count = counts[row, column]
        counts[row, column] = place  # from here on: where its next row goes
        place += count
    level_starts[keys.shape[0]] = first_row + place
    for index in range(carried_keys.shape[0]):
        row = carried_keys[index] >> LEVEL_SIDE_SHIFT
        column = carried_keys[index] & COLUMN_MASK
        place = counts[row, column]
        counts[row, column] += 1
        level_events[place] = first_event
        level_lots[place] = (carried_lots[index] << LEVEL_SHIFT) | LEVEL_CARRIED
    for index in range(row_keys.shape[0]):
        row = row_keys[index] >> LEVEL_SIDE_SHIFT
        column = row_keys[index] & COLUMN_MASK
        place = counts[row, column]
        counts[row, column] += 1
        level_events[place] = row_events[index]
        level_lots[place] = row_lots[index]
    for index in range(keys.shape[0]):
        counts[keys[index] >> LEVEL_SIDE_SHIFT, keys[index] & COLUMN_MASK] = 0

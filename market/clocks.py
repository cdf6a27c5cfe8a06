"""Orders events for two clocks at once: the exchange's and the recorder's."""

from market.jit import kernel
from market.layout import EVENT_EXCH_NS, EVENT_LOCAL_NS, SEEN_EXCHANGE, SEEN_LOCAL
from market.types import I8


@kernel
def merge_clocks(exch_order: I8, rows: I8, origin: I8, seen: I8) -> int:
    """Merge two orders of the same rows into one sequence; return how many entries it has.

    Walks both orders at once. Where both stand at the same row it is written once, for both
    clocks; otherwise the row that is earlier, by exchange then by local time, is written for the
    clock that stands there, and again for the other clock when that one comes to it.

    Args:
        exch_order: i8[n], row numbers by exchange time, stable.
        rows: i8[n, EVENT_COLUMNS] in local order.
        origin: i8[2n], written: the row of each entry.
        seen: i8[2n], written: SEEN_EXCHANGE | SEEN_LOCAL of each entry.
    """
    total = rows.shape[0]
    count = 0
    at_exchange = 0
    at_local = 0
    while at_exchange < total or at_local < total:
        if at_exchange < total and at_local < total:
            first = exch_order[at_exchange]
            if first == at_local:
                origin[count] = first
                seen[count] = SEEN_EXCHANGE | SEEN_LOCAL
                at_exchange += 1
                at_local += 1
                count += 1
                continue
            difference = rows[first, EVENT_EXCH_NS] - rows[at_local, EVENT_EXCH_NS]
            if difference == 0:
                difference = rows[first, EVENT_LOCAL_NS] - rows[at_local, EVENT_LOCAL_NS]
            exchange_next = difference < 0
        else:
            exchange_next = at_exchange < total
        if exchange_next:
            origin[count] = exch_order[at_exchange]
            seen[count] = SEEN_EXCHANGE
            at_exchange += 1
        else:
            origin[count] = at_local
            seen[count] = SEEN_LOCAL
            at_local += 1
        count += 1
    return count

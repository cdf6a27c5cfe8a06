"""How the desk words what it shows: moments, amounts, shares. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from desk.rows import decimal
from protocol.messages import utc_text

Row = dict[str, Any]
POLICY: Final = (
    "in_force", "candidate", "stage", "blocks", "round_trips", "reason", "lower", "upper",
)  # fmt: skip


def moment(time_ns: int | None) -> Row:
    """Return a venue time as text and as nanoseconds; both null when unknown."""
    if not time_ns:
        return {"time": None, "time_ns": None}
    return {"time": utc_text(time_ns), "time_ns": time_ns}


def amounts(row: Row, *names: str) -> Row:
    """Return some 1e-8 amounts of a row as decimal text."""
    return {name: decimal(row[name]) for name in names}


def share(part: int, whole: int) -> float | None:
    """Return a ratio in [0, 1], null when there is nothing to take it of."""
    return round(part / whole, 6) if whole else None


def policy(told: Mapping[str, Any]) -> Row:
    """Return which policy quotes and how its candidate stands, times as text beside nanoseconds;
    of an executor that has no candidate, or said nothing yet, nulls.
    """
    said = told.get("policy")
    known = said if isinstance(said, dict) else {}
    return {
        **{name: known.get(name) for name in POLICY},
        **{name: moment(known.get(name)) for name in ("since", "judged", "weighed")},
    }


def worth(price: int, quantity: int) -> str:
    """Return price x quantity, both in 1e-8 units, as decimal text, rounded half to even."""
    whole, rest = divmod(price * quantity, 10**8)
    up = rest * 2 > 10**8 or (rest * 2 == 10**8 and whole % 2 == 1)
    return decimal(whole + up)


def progress(told: Mapping[str, Any]) -> float | None:
    """Return how much of a recording has passed, in [0, 1]; null at a venue."""
    first, last, now = (told.get(name) for name in ("first_ns", "last_ns", "venue_time"))
    if not first or not last or not now or last <= first:
        return None
    return round(min(1.0, max(0.0, float((now - first) / (last - first)))), 4)


def order_state(row: Row) -> str:
    """Return in a word what became of an order."""
    if row["filled"] >= row["quantity"]:
        return "filled"
    ended = [each for each in row["outcomes"] if each in ("rejected", "cancelled", "refused")]
    if ended:
        return str(ended[-1])
    if row["filled"]:
        return "partly_filled"
    return "open" if "accepted" in row["outcomes"] else "sent"

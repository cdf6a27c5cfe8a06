"""Faults on request: what goes wrong, where, how often. Nothing goes wrong unless it is asked for.

| kind             | where                                       | what is told besides       |
| ---------------- | ------------------------------------------- | -------------------------- |
| error_before     | a request, not carried out                  | status (default 503)       |
| error_after      | a request that was carried out              | status                     |
| drop_before      | the connection ends, nothing is carried out |                            |
| drop_after       | the connection ends instead of the answer   |                            |
| delay_before     | a request waits before it is looked at      | seconds (default 1)        |
| delay_after      | its answer waits                            | seconds                    |
| too_many         | 429 for this address                        | seconds until it may again |
| banned           | 418 for this address                        | seconds                    |
| user_duplicate   | an event of the user stream comes twice     |                            |
| user_reorder     | it comes after the next one                 |                            |
| user_withhold    | it never comes                              |                            |
| user_delay       | it comes later                              | seconds                    |
"""

from dataclasses import dataclass
from typing import Any

REQUEST_KINDS = (
    "error_before",
    "error_after",
    "drop_before",
    "drop_after",
    "delay_before",
    "delay_after",
    "too_many",
    "banned",
)
USER_KINDS = ("user_duplicate", "user_reorder", "user_withhold", "user_delay")


@dataclass(slots=True)
class Fault:
    """One fault that waits for its occasion.

    Attributes:
        kind: what goes wrong.
        request: name of a request as the WebSocket API has it (`order.place`), or its beginning
            up to a dot (`order`); empty: any.
        key: of one account; empty: any.
        skip: so many occasions pass unharmed first.
        count: then so many are harmed.
        seconds, status: see the table.
        event: of the user stream, by its `x` or `e`; empty: any.
    """

    kind: str
    request: str = ""
    key: str = ""
    skip: int = 0
    count: int = 1
    seconds: float = 1.0
    status: int = 503
    event: str = ""

    def fits(self, request: str, key: str | None) -> bool:
        """Return whether a request is an occasion."""
        if self.key and self.key != key:
            return False
        return not self.request or f"{request}.".startswith(f"{self.request}.")

    def strikes(self) -> bool:
        """Count an occasion; return whether it is harmed."""
        if self.skip > 0:
            self.skip -= 1
            return False
        self.count -= 1
        return True


class Faults:
    """The faults that wait."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, described: dict[str, Any]) -> Fault:
        """Add a fault as the control port takes it.

        Raises:
            ValueError: an unknown field, kind or type.
        """
        fields = Fault.__dataclass_fields__
        unknown = sorted(set(described) - set(fields))
        if unknown:
            raise ValueError(f"a fault has the fields {', '.join(fields)}, found {unknown[0]!r}")
        kind = described.get("kind")
        if kind not in REQUEST_KINDS + USER_KINDS:
            allowed = ", ".join(REQUEST_KINDS + USER_KINDS)
            raise ValueError(f"kind must be one of {allowed}, found {kind!r}")
        for name, value in described.items():
            wanted = str if fields[name].type in {str, "str"} else (int, float)
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise ValueError(f"{name} of a fault has the wrong type, found {value!r}")  # noqa: TRY004 - one error
        fault = Fault(**described)
        self.waiting.append(fault)
        return fault

    def for_request(self, request: str, key: str | None) -> Fault | None:
        """Return the fault that strikes a request; it is used up with its count."""
        return self._strike(lambda fault: fault.kind in REQUEST_KINDS and fault.fits(request, key))

    def for_event(self, told: dict[str, Any], key: str) -> Fault | None:
        """Return the fault that strikes an event of a user stream."""
        order = told if isinstance(told.get("x"), str) else told.get("o", {})
        names = {"", told.get("e", ""), order.get("x", "")}
        return self._strike(
            lambda fault: (
                fault.kind in USER_KINDS and fault.key in {"", key} and fault.event in names
            )
        )

    def _strike(self, fits: Any) -> Fault | None:
        for fault in self.waiting:
            if fits(fault):
                struck = fault.strikes()
                if fault.count <= 0:
                    self.waiting.remove(fault)
                if struck:
                    return fault
        return None

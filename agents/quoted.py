"""What an executor quotes by, as its status tells: the set, and which of its policies."""

from collections.abc import Mapping
from typing import Any, Final

from protocol.messages import QuoteParameters

PROMOTED: Final = "promoted"
"""The stage of a candidate that quotes."""


def set_in(status: Mapping[str, Any]) -> QuoteParameters | None:
    """Return the set that a status tells of, None when it tells of none."""
    try:
        return QuoteParameters.model_validate(status.get("parameters"))
    except ValueError:
        return None


def tells_promoted(status: Mapping[str, Any]) -> bool:
    """Return whether a status tells that the candidate quotes."""
    policy = status.get("policy")
    return isinstance(policy, Mapping) and policy.get("stage") == PROMOTED

"""What the exchange refuses, in Binance's codes and words. A refusal is raised at the border of a
request and becomes its answer there.

Source: Binance spot documentation, "Error codes", as gathered in the project's reference.
"""

from typing import Any, Final

BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
CONFLICT: Final = 409
BANNED: Final = 418
TOO_MANY: Final = 429


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """One request that is answered with an error.

    Attributes:
        code: Binance's, negative.
        message: Binance's.
        status: of HTTP, and of the WebSocket API.
        data: more about it; None for most.
        headers: to be sent with it.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: int = BAD_REQUEST,
        *,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status
        self.data = data
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return it as it goes out."""
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


def missing(name: str) -> Refusal:
    """Return the refusal of a request that lacks a parameter."""
    return Refusal(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def not_needed(name: str) -> Refusal:
    """Return the refusal of a parameter that does not belong to the request."""
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, pattern: str) -> Refusal:
    """Return the refusal of a parameter that holds what it must not."""
    return Refusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'."
    )


def too_precise(name: str) -> Refusal:
    """Return the refusal of more decimals than an asset has."""
    return Refusal(-1111, f"Parameter '{name}' has too much precision.")


def not_valid(name: str) -> Refusal:
    """Return the refusal of a value that is none of those allowed."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def filtered(name: str) -> Refusal:
    """Return the refusal by a filter of the symbol."""
    return Refusal(-1013, f"Filter failure: {name}")


def unknown_symbol() -> Refusal:
    """Return the refusal of a symbol that is not served."""
    return Refusal(-1121, "Invalid symbol.")


def insufficient_balance() -> Refusal:
    """Return the refusal of what the account cannot pay."""
    return Refusal(-2010, "Account has insufficient balance for requested action.")


def would_take() -> Refusal:
    """Return the refusal of a post-only order that is not."""
    return Refusal(-2010, "Order would immediately match and take.")


def duplicate_order() -> Refusal:
    """Return the refusal of a client id that an open order has."""
    return Refusal(-2010, "Duplicate order sent.")


def market_closed() -> Refusal:
    """Return the refusal of an order while the symbol does not trade."""
    return Refusal(-1013, "Market is closed.")


def unknown_order() -> Refusal:
    """Return the refusal of a cancel of an order that is not open."""
    return Refusal(-2011, "Unknown order sent.")


def no_such_order() -> Refusal:
    """Return the refusal of a question about an order that never was."""
    return Refusal(-2013, "Order does not exist.")


def amend_refused(message: str) -> Refusal:
    """Return the refusal of an amendment."""
    return Refusal(-2038, message)


def bad_signature() -> Refusal:
    """Return the refusal of a signature that does not fit the bytes."""
    return Refusal(-1022, "Signature for this request is not valid.")


def bad_key_format() -> Refusal:
    """Return the refusal of a key that cannot be one, or of a request without one."""
    return Refusal(-2014, "API-key format invalid.", UNAUTHORIZED)


def unknown_key() -> Refusal:
    """Return the refusal of a key that nobody has."""
    return Refusal(-2015, "Invalid API-key, IP, or permissions for action.", UNAUTHORIZED)


def late() -> Refusal:
    """Return the refusal of a request older than its window."""
    return Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")


def early() -> Refusal:
    """Return the refusal of a request from the future."""
    return Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def unknown_outcome(status: int) -> Refusal:
    """Return the answer that tells nothing about what became of the request."""
    return Refusal(
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status "
        "unknown.",
        status,
    )

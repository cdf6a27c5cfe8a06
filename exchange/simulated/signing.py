"""Who signed a request: HMAC-SHA256 or Ed25519 over its bytes as they were sent.

REST: query string and body, one behind the other, without the `signature` parameter. WebSocket
API: the parameters sorted by name. Time windows are judged here too, in wall time.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from exchange.simulated.accounts import Account
from exchange.simulated.refusals import (
    bad_key_format,
    bad_signature,
    early,
    illegal,
    late,
    missing,
    unknown_key,
)

WINDOW_MS = 5_000
WINDOW_MS_MAX = 60_000
AHEAD_MS = 1_000
MICROSECONDS_FROM = 10**14
"""A timestamp of at least this is microseconds: as milliseconds it would be the year 5138."""
KEY = re.compile(r"[A-Za-z0-9_\-]{1,256}")
SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")


def account_by_key(accounts: Mapping[str, Account], key: str | None) -> Account:
    """Return the account of a key.

    Raises:
        Refusal: no key, none that can be one, or nobody's.
    """
    if key is None or KEY.fullmatch(key) is None:
        raise bad_key_format()
    account = accounts.get(key)
    if account is None:
        raise unknown_key()
    return account


def rest_payload(query: str, body: str) -> tuple[str, str]:
    """Return (what was signed, signature) of a REST request.

    Raises:
        Refusal: there is no signature.
    """
    found = SIGNATURE.search(query) or SIGNATURE.search(body)
    if found is None or not found[2]:
        raise missing("signature")
    return "".join(_without(part) for part in (query, body)), unquote(found[2])


def _without(part: str) -> str:
    """Return a part of a request without its signature."""
    return re.sub(r"^signature=[^&]*&?|&signature=[^&]*", "", part)


def socket_payload(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """Return (what was signed, signature) of a WebSocket API request.

    Raises:
        Refusal: there is no signature.
    """
    signature = parameters.get("signature")
    if not isinstance(signature, str) or not signature:
        raise missing("signature")
    pairs = sorted(
        (name, plain(value)) for name, value in parameters.items() if name != "signature"
    )
    return "&".join(f"{name}={value}" for name, value in pairs), signature


def plain(value: Any) -> str:
    """Return a JSON value as it is signed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def verify(account: Account, payload: str, signature: str, key: str | None = None) -> None:
    """Raise Refusal for a signature that the account did not make by this one of its keys."""
    message = payload.encode()
    secret = account.more_keys.get(key or account.key)
    if account.public_key is not None and secret is None:
        try:
            public = load_pem_public_key(account.public_key.encode())
            assert isinstance(public, Ed25519PublicKey)
            public.verify(base64.b64decode(signature, validate=True), message)
        except (ValueError, InvalidSignature):
            raise bad_signature() from None
        return
    right = hmac.new((secret or account.secret).encode(), message, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), signature.lower().encode()):
        raise bad_signature()


def demand_time(timestamp: str | None, window: str | None, now_ms: float) -> None:
    """Raise Refusal for a request that is too old, too young, or does not say when it was made.

    Args:
        timestamp: milliseconds or microseconds.
        window: recvWindow, milliseconds with up to three decimals.
        now_ms: the server's time.
    """
    if timestamp is None or timestamp == "":
        raise missing("timestamp")
    if re.fullmatch(r"[0-9]{1,20}", timestamp) is None:
        raise illegal("timestamp", "^[0-9]{1,20}$")
    allowed = float(WINDOW_MS)
    if window:
        if re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", window) is None:
            raise illegal("recvWindow", r"^[0-9]{1,5}(\.[0-9]{1,3})?$")
        allowed = float(window)
        if allowed > WINDOW_MS_MAX:
            raise illegal("recvWindow", "0-60000")
    made = int(timestamp)
    made_ms = made / 1000 if made >= MICROSECONDS_FROM else float(made)
    if made_ms >= now_ms + AHEAD_MS:
        raise early()
    if now_ms - made_ms > allowed:
        raise late()

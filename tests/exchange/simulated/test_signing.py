import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.simulated.accounts import Account, Fees
from exchange.simulated.refusals import Refusal
from exchange.simulated.signing import demand_time, rest_payload, socket_payload, verify

NOW_MS = 1_700_000_000_000.0


def account(**more):
    return Account("a", "a", "secret", Fees(0, 0), {}, **more)


def seal(payload):
    return hmac.new(b"secret", payload.encode(), hashlib.sha256).hexdigest()


def code_of(deed, *arguments):
    """The code of what is refused; 0 when it is not."""
    try:
        deed(*arguments)
    except Refusal as refusal:
        return refusal.code
    return 0


def test_the_bytes_are_signed_as_they_were_sent():
    """Query and body one behind the other, without the signature wherever it stands."""
    for query, body, signed in (
        ("a=1&b=2&signature=xyz", "", "a=1&b=2"),
        ("", "signature=xyz&a=1&b=2", "a=1&b=2"),
        ("a=1", "b=%40x&signature=xyz", "a=1b=%40x"),
        ("a=1&signature=x%2Fy&b=2", "", "a=1&b=2"),
    ):
        payload, signature = rest_payload(query, body)
        assert payload == signed
        assert signature in {"xyz", "x/y"}
    assert code_of(rest_payload, "a=1", "b=2") == -1102
    assert code_of(socket_payload, {"a": 1}) == -1102
    assert socket_payload({"b": True, "a": 1, "signature": "s"}) == ("a=1&b=true", "s")


def test_a_signature_holds_in_either_case_and_for_these_bytes_alone():
    """HMAC letter case is ignored; one changed byte is not."""
    verify(account(), "a=1", seal("a=1").upper())
    assert code_of(verify, account(), "a=2", seal("a=1")) == -1022
    assert code_of(verify, account(), "a=1", "\u00e9") == -1022


def test_ed25519_keys_sign_too():
    """Base64 of the signature, with the public key that the account gave."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    owner = account(public_key=public.decode())
    verify(owner, "a=1", base64.b64encode(key.sign(b"a=1")).decode())
    assert code_of(verify, owner, "a=2", base64.b64encode(key.sign(b"a=1")).decode()) == -1022
    assert code_of(verify, owner, "a=1", "no base64") == -1022


@pytest.mark.parametrize(
    ("timestamp", "window", "code"),
    [
        ("1700000000000", None, 0),
        ("1699999995000", None, 0),
        ("1699999994999", None, -1021),
        ("1699999940000", "60000", 0),
        ("1700000000999", None, 0),
        ("1700000001000", None, -1021),
        ("1700000000000000", None, 0),
        ("1699999994999000", None, -1021),
        ("1700000000000", "60001", -1100),
        ("1699999999990", "9.5", -1021),
        ("1699999999990", "10.125", 0),
        ("1700000000000", "1.1234", -1100),
        (None, None, -1102),
        ("yesterday", None, -1100),
    ],
)
def test_a_request_is_neither_too_old_nor_too_young(timestamp, window, code):
    """Milliseconds or microseconds; a window of up to a minute."""
    assert code_of(demand_time, timestamp, window, NOW_MS) == code

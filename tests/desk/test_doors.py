"""What the doors of the desk keep out, without a stack behind them."""

import json
import secrets

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.doors import BODY_MAX, Doors, Tokens
from protocol.errors import SecretError
from protocol.tokens import SCOPES, load_tokens, new_tokens, token_path

TOKENS = {"read": "r" * 40, "act": "a" * 40}
HOST = "http://127.0.0.1:8765"


class Clock:
    """Steady time that passes when told to."""

    def __init__(self):
        self.ns = 0

    def __call__(self):
        """The time."""
        return self.ns


@pytest.fixture
def passed():
    """What came through, by method and path."""
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(passed, clock):
    """A browser before the doors of an application that notes what reaches it."""

    async def app(scope, _receive, send):
        passed.append((scope["method"], scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    doors = Doors(app, tokens=Tokens(TOKENS), hosts=(), steady=clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=doors), base_url=HOST)


def bearer(token):
    """The header that carries a token."""
    return {"authorization": f"Bearer {token}"}


async def test_a_read_token_looks_and_an_act_token_does_both(client, passed):
    """Scopes hold by method: what changes something needs `act`."""
    for scope, post in (("read", 403), ("act", 200)):
        assert (
            await client.get("/api/v1/status", headers=bearer(TOKENS[scope]))
        ).status_code == 200
        answer = await client.post("/api/v1/pause", json={}, headers=bearer(TOKENS[scope]))
        assert answer.status_code == post
    assert passed.count(("POST", "/api/v1/pause")) == 1


@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_no_other_token_opens_anything(token):
    """Neither a part of one, nor one with something added."""
    tokens = Tokens(TOKENS)
    wrong = (token, TOKENS["act"][:-1], TOKENS["act"] + token, token + TOKENS["act"])
    for each in wrong:
        if each not in TOKENS.values():
            assert tokens.scope_of(each) is None
            assert tokens.scope_of_header(f"Bearer {each}") is None
    assert tokens.scope_of_header(f"Basic {TOKENS['act']}") is None
    assert tokens.scope_of_header(None) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[", "127.0.0.2"]
)
async def test_a_name_that_is_not_ours_is_not_served(client, passed, host):
    """A stranger's name that points here, which a browser would call its own site."""
    headers = {"host": host, **bearer(TOKENS["act"])}
    assert (await client.get("/api/v1/status", headers=headers)).status_code == 421
    assert (await client.post("/api/v1/stop", json={}, headers=headers)).status_code == 421
    assert not passed


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "file://", "https://["]
)
async def test_a_page_of_another_site_is_refused_even_with_the_token(client, passed, origin):
    """No answer ever grants another origin anything."""
    headers = {"origin": origin, **bearer(TOKENS["act"])}
    answer = await client.post("/api/v1/stop", json={}, headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert not passed


async def test_our_own_page_may_ask(client, passed):
    """Its origin is the host that it asks."""
    headers = {"origin": HOST, **bearer(TOKENS["read"])}
    assert (await client.get("/api/v1/status", headers=headers)).status_code == 200


async def test_readers_and_guessers_run_dry_and_a_stop_never_does(client, clock):
    """A flood of readers gets 429, and again its share a second later."""
    codes = [
        (await client.get("/api/v1/status", headers=bearer(TOKENS["read"]))).status_code
        for _ in range(410)
    ]
    assert codes[0] == 200
    assert codes[-1] == 429
    guesses = [(await client.get("/api/v1/status")).status_code for _ in range(12)]
    assert guesses[0] == 401
    assert guesses[-1] == 429
    for _ in range(30):
        answer = await client.post("/api/v1/stop", json={}, headers=bearer(TOKENS["act"]))
        assert answer.status_code == 200
    pauses = [
        (await client.post("/api/v1/pause", json={}, headers=bearer(TOKENS["act"]))).status_code
        for _ in range(12)
    ]
    assert pauses[-1] == 429
    clock.ns += 10**9
    assert (await client.get("/api/v1/status", headers=bearer(TOKENS["read"]))).status_code == 200


async def test_a_body_that_is_too_long_or_of_unknown_length_is_refused(client, passed):
    """Nothing of it is read."""
    headers = bearer(TOKENS["act"])
    long = json.dumps({"id": "0" * BODY_MAX})
    assert (await client.post("/api/v1/stop", content=long, headers=headers)).status_code == 413

    async def pieces():
        yield b"{}"

    assert (await client.post("/api/v1/stop", content=pieces(), headers=headers)).status_code == 411
    assert not passed


def test_tokens_are_made_once_are_ours_alone_and_are_renewed_on_request(tmp_path):
    """Mode 0600; a second making changes nothing."""
    made = new_tokens(tmp_path / "keys")
    first = load_tokens(tmp_path / "keys", {})
    assert [path.stat().st_mode & 0o777 for path in made] == [0o600] * len(SCOPES)
    assert new_tokens(tmp_path / "keys") == []
    assert load_tokens(tmp_path / "keys", {}) == first
    new_tokens(tmp_path / "keys", renew=True)
    assert not set(load_tokens(tmp_path / "keys", {}).values()) & set(first.values())


def test_tokens_that_lie_open_are_short_or_missing_are_refused(tmp_path):
    """Each in one line that says what to do."""
    with pytest.raises(SecretError, match="counterpoint keys tokens"):
        load_tokens(tmp_path, {})
    new_tokens(tmp_path)
    token_path(tmp_path, "read").chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600"):
        load_tokens(tmp_path, {})
    same = secrets.token_urlsafe(32)
    told = {"COUNTERPOINT_DESK_READ_TOKEN": same, "COUNTERPOINT_DESK_ACT_TOKEN": same}
    with pytest.raises(SecretError, match="must differ"):
        load_tokens(tmp_path, told)
    told["COUNTERPOINT_DESK_ACT_TOKEN"] = "short"
    with pytest.raises(SecretError, match="at least"):
        load_tokens(tmp_path, told)

"""Who has no right changes nothing, whatever he sends; who has it changes each thing once."""

import asyncio
import string
import time
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from desk.api import application
from desk.doors import Doors, Tokens
from desk.hands import Hands
from desk.live import Live
from desk.memory import Memory
from desk.store import Store
from desk.stream import Stream
from desk.view import View
from protocol.messages import Ack, EmergencyStop, Mode, ModeChange, Stage
from tests.desk.planted import EXECUTOR, TOKENS
from tests.desk.windows import new_id

HOST = "127.0.0.1:8765"
ACTIONS = {"stop": {}, "rearm": {}, "pause": {}, "resume": {}, "mode": {"mode": "peer"}}
TEXT = st.text(string.ascii_letters + string.digits + "-_.~+/=", max_size=60)


class Hand:
    """An operator whose every word is acknowledged at once; what it said is kept."""

    def __init__(self):
        self.said = []
        self.joined = asyncio.Event()
        self.joined.set()

    def post(self, name, word, *, message_id, ttl_ms):
        """Say a word."""
        assert ttl_ms > 0
        self.said.append((message_id, name, type(word)))
        stage = Stage.RECEIVED
        if isinstance(word, EmergencyStop):
            stage = Stage.STOPPED
        elif isinstance(word, ModeChange):
            stage = Stage.DECIDED
        future = asyncio.get_running_loop().create_future()
        future.set_result(SimpleNamespace(word=Ack(stage=stage)))
        return future

    async def snapshot(self, _):
        """The state in force."""
        return SimpleNamespace(mode=Mode.MASTER_SLAVE, generation=0, stops=("5" * 32,))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(f"sqlite:///{tmp_path_factory.mktemp('strangers') / 'desk.db'}") as found:
        yield found


FUZZED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


@pytest.fixture(scope="module")
def desk(store):
    return Desk(store)


class Desk:
    """The whole application behind its doors; its clock runs so fast that no pace holds."""

    def __init__(self, store):
        self.hand, self.ns = Hand(), 0
        live = Live((EXECUTOR,))
        view = View(store, live, run="r")
        hands = Hands(
            self.hand, live, Memory(store, "r"), folder=None, clock=time.time_ns, answer_s=5.0
        )
        tokens = Tokens(TOKENS)
        app = application(view, hands, Stream(view, (EXECUTOR,)), tokens)
        doors = Doors(app, tokens=tokens, hosts=(), steady=self.steady)
        self.transport = httpx.ASGITransport(app=doors)

    def steady(self):
        """A second passes with each look."""
        self.ns += 10**9
        return self.ns

    async def post(self, action, *, token=TOKENS["act"], key=None, headers=None, **more):
        """Wish something."""
        told = {"host": HOST, "authorization": f"Bearer {token}"} | (headers or {})
        async with httpx.AsyncClient(transport=self.transport, base_url=f"http://{HOST}") as client:
            body = {"id": key or new_id(), **ACTIONS[action], **more}
            return await client.post(f"/api/v1/{action}", json=body, headers=told)


@given(
    action=st.sampled_from(sorted(ACTIONS)),
    cut=st.integers(0, 42),
    more=TEXT,
    scheme=st.sampled_from(["Bearer", "bearer", "Basic", "Token", ""]),
)
@FUZZED
def test_a_fuzzed_token_changes_nothing(desk, action, cut, more, scheme):
    """Parts of the right one, with something instead of the rest, and that of readers."""
    said = list(desk.hand.said)

    async def wish():
        wrong = [TOKENS["act"][:cut] + more, more + TOKENS["act"] + "x", TOKENS["read"], more]
        wrong = [each for each in wrong if each != TOKENS["act"]]
        for each in wrong:
            answer = await desk.post(action, headers={"authorization": f"{scheme} {each}"})
            assert answer.status_code in {401, 403}
        cookie = {"authorization": "", "cookie": f"token={TOKENS['act']}"}
        assert (await desk.post(action, headers=cookie)).status_code == 401

    asyncio.run(wish())
    assert desk.hand.said == said


@given(
    action=st.sampled_from(sorted(ACTIONS)),
    name=st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
    scheme=st.sampled_from(["http", "https", "null", "file", "chrome-extension"]),
)
@FUZZED
def test_a_foreign_origin_or_host_changes_nothing_even_with_the_token(desk, action, name, scheme):
    """A page of a stranger in the browser of who has the right, and names that resolve to here."""
    said = list(desk.hand.said)

    async def wish():
        origins = [f"{scheme}://{name}", f"{scheme}://{name}.{HOST}", f"http://{HOST}.{name}"]
        origins += [f"http://{HOST}@{name}", "null", f"http://127.0.0.1:1{name[:1]}"]
        for each in origins:
            answer = await desk.post(action, headers={"origin": each})
            assert answer.status_code == 403, each
        for each in (f"{name}.example", f"{name}.example:8765", f"{HOST}.{name}.example"):
            answer = await desk.post(action, headers={"host": each})
            assert answer.status_code == 421, each

    asyncio.run(wish())
    assert desk.hand.said == said


@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_a_replayed_action_changes_nothing(store, action):
    """Ten times, at once and later, at this desk and a new one: said to each addressee once."""
    desk, key = Desk(store), new_id()
    answers = await asyncio.gather(*(desk.post(action, key=key) for _ in range(5)))
    assert {each.status_code for each in answers} == {200}
    said = list(desk.hand.said)
    assert said
    assert len(set(said)) == len(said)
    again = Desk(store)
    for each in (desk, desk, again, again):
        answer = await each.post(action, key=key)
        assert (answer.status_code, answer.json()["replayed"]) == (200, True)
    assert desk.hand.said == said
    assert again.hand.said == []
    other = next(each for each in ACTIONS if each != action)
    assert (await again.post(other, key=key)).status_code == 409
    assert (await again.post(action, key=key, reason="another")).status_code == 409
    assert again.hand.said == []


def test_the_actions_here_are_all_there_are(store):
    """An action that is added to the document is added here."""
    app = Desk(store).transport.app._app
    paths = app.openapi()["paths"].items()
    assert {path.rpartition("/")[2] for path, each in paths if "post" in each} == set(ACTIONS)

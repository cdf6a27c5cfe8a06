"""Keys are replaced while everybody goes on; a crash at any step leaves keys that fit."""

import shutil
import time
from pathlib import Path

import pytest
import zmq

import protocol.rotation as rotation_module
from protocol.bus.frames import Message, Opener, Unfit, seal, signed_anew
from protocol.bus.outbox import Outbox
from protocol.codec import encode
from protocol.errors import RosterError
from protocol.keyring import Keyring
from protocol.keys import ROSTER, load_identity, load_roster, new_keys
from protocol.rotation import retire, rotate
from protocol.topics import Channel
from tests.protocol.far_stage import admits, answered, opened, pair_of, rewritten
from tests.protocol.party import NO_UPDATE, NOW_NS, SECOND_NS, frames, header, house, make_keys

PINGS = 250
RATE = 50


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "keys"
    new_keys(folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "keys"))


def verifies(folder, identity):
    """Whether the roster in a folder takes a signature of an identity."""
    member = load_roster(folder).members[identity.name]
    return member.verifies(identity.sign(b"x"), b"x")


def test_both_keys_hold_until_the_old_one_is_retired(folder):
    """For signing and for CURVE; nobody else's row changes, and private files stay 0600."""
    old = load_identity("desk", folder, {})
    before = load_roster(folder)
    rotate(folder, "desk")
    new = load_identity("desk", folder, {})
    roster = load_roster(folder)
    assert verifies(folder, old)
    assert verifies(folder, new)
    assert old.public != new.public
    assert roster.curves() == before.curves() | {zmq.curve_public(new.curve.encode()).decode()}
    assert (folder / "desk.key.old").stat().st_mode & 0o777 == 0o600
    retire(folder, "desk")
    assert not verifies(folder, old)
    assert verifies(folder, new)
    assert len(load_roster(folder).curves()) == len(before.curves())
    assert not (folder / "desk.key.old").exists()
    for name in set(roster.members) - {"desk"}:
        assert verifies(folder, load_identity(name, folder, {}))


@pytest.mark.parametrize(
    ("commands", "line"),
    [
        ([(rotate, "desk"), (rotate, "desk")], "has two keys already"),
        ([(retire, "desk")], "has one key"),
        ([(rotate, "nobody")], "has no nobody"),
        ([(rotate, "desk"), (retire, "operator")], "operator has one key"),
    ],
)
def test_what_would_lose_a_key_is_refused(folder, commands, line):
    """A third key, the last key, and a name that nobody has."""
    *before, (command, name) = commands
    for each, member in before:
        each(folder, member)
    roster = (folder / ROSTER).read_bytes()
    with pytest.raises(RosterError, match=line):
        command(folder, name)
    assert (folder / ROSTER).read_bytes() == roster


def test_a_key_that_the_roster_does_not_list_retires_nothing(folder):
    """Else one slip would leave a member without any key."""
    rotate(folder, "desk")
    new_keys(folder.parent / "other")
    shutil.copy2(folder.parent / "other" / "desk.key", folder / "desk.key")
    with pytest.raises(RosterError, match="none of the roster's keys"):
        retire(folder, "desk")


STEPS = ("write_private", "_write", "link", "_take_place")


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_keys_that_fit_and_a_second_call_finishes(
    folder, monkeypatch, step
):
    """Before each of the four steps in turn."""

    class PowerCutError(Exception):
        pass

    def dies(*_args, **_more):
        raise PowerCutError

    with monkeypatch.context() as cut:
        cut.setattr(rotation_module.os if step == "link" else rotation_module, step, dies)
        with pytest.raises(PowerCutError):
            rotate(folder, "desk")
    old = load_identity("desk", folder, {})
    assert verifies(folder, old)
    if len(load_roster(folder).members["desk"].keys) > 1:
        with pytest.raises(RosterError, match="cut short"):
            retire(folder, "desk")
    rotate(folder, "desk")
    new = load_identity("desk", folder, {})
    assert new.public != old.public
    assert verifies(folder, old)
    assert verifies(folder, new)
    retire(folder, "desk")
    assert not verifies(folder, old)


def test_what_an_older_roster_verified_is_verified_anew():
    """A frame that was good once, said again after its key is retired, is not good any more."""
    roster, _ = house()
    opener = Opener(roster)
    parts = frames()
    assert isinstance(opener.open(parts, NOW_NS), Message)
    opener.trust(roster)
    opener.open(parts, NOW_NS)
    assert opener.verifications == 2


def test_what_is_open_is_said_under_the_new_key(folder):
    """Same header and body, another signature: to its addressee the same message again."""
    roster, who = house()
    outbox = Outbox()
    head = header()
    outbox.post(head, tuple(frames(NO_UPDATE)), 0)
    outbox.due(0)
    other = load_identity("desk", folder, {})
    outbox.sign_anew(lambda each: signed_anew(other, each))
    (again,) = outbox.due(SECOND_NS)
    assert isinstance(Opener(roster).open(list(again), NOW_NS), Unfit)
    assert signed_anew(who["optimizer-1"], again) != again


# --- while a process runs -----------------------------------------------------------------------
def test_a_process_signs_with_a_new_key_once_its_own_roster_lists_it(folder):
    """And goes on with the old one whatever is wrong with the files."""
    ring = Keyring("desk", folder, {})
    first = ring.keys
    ring.refresh()
    assert ring.keys is first
    whole = (folder / ROSTER).read_bytes()
    (folder / ROSTER).write_bytes(whole[:1000])
    ring.refresh()
    assert ring.keys is first
    (folder / ROSTER).write_bytes(whole)
    new_keys(folder.parent / "other")
    shutil.copy2(folder.parent / "other" / "desk.key", folder / "desk.key")
    ring.refresh()
    assert ring.keys.identity is first.identity  # a stranger's key under our name
    with pytest.raises(RosterError, match="lists no key of this desk"):
        Keyring("desk", folder, {})


def without_desk(rows):
    rows[:] = [row for row in rows if row["name"] != "desk"]


def test_a_roster_without_us_or_our_seats_is_refused(folder):
    """Each would end what goes on; the old roster is kept."""
    shutil.copy2(folder / ROSTER, folder / "kept")
    for name, seats in (("desk", ()), ("coordinator", ("executor-1", "desk"))):
        ring = Keyring(name, folder, {}, seats=seats)
        held = ring.keys
        rewritten(folder, without_desk)
        ring.refresh()
        assert ring.keys is held
        shutil.copy2(folder / "kept", folder / ROSTER)


def test_the_key_of_a_container_is_read_anew_from_the_file_that_is_named(folder, tmp_path):
    """A mounted secret that is replaced counts like the folder's own file."""
    secret = tmp_path / "secret"
    shutil.copy2(folder / "desk.key", secret)
    ring = Keyring("desk", folder, {"COUNTERPOINT_KEY_DESK_FILE": str(secret)})
    old = ring.keys.identity
    rotate(folder, "desk")
    ring.refresh()
    assert ring.keys.identity.public == old.public
    shutil.copy2(folder / "desk.key", secret)
    ring.refresh()
    assert ring.keys.identity.public != old.public
    assert len(ring.keys.roster.members["desk"].keys) == 2


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ten") / "keys"
    make_keys(folder)
    return folder


@pytest.mark.slow
@pytest.mark.slice
def test_keys_of_both_ends_are_replaced_under_load_and_nothing_is_lost(keys):
    """The hubs' and a member's, for signing and CURVE; then the old ones say and open nothing."""
    with opened(keys) as far:
        folder = far.stage.folder / "keys"
        beyond = far.call("optimizer-1", shared=True)
        near = far.stage.call("optimizer-10")
        for actor in (beyond, near):
            actor.expect("joined")
            actor.order("ping", dst="coordinator", count=PINGS, a_second=RATE)
        old = load_identity("optimizer-1", folder, {})
        curves = pair_of(folder, "optimizer-1")
        for name in ("optimizer-1", "coordinator"):
            rotate(folder, name)
        for actor in (beyond, near):
            assert len(actor.expect("trips", within_s=60)["trips"]) == PINGS
        assert far.counts()["counts"].get("signature", 0) == 0
        for name in ("optimizer-1", "coordinator"):
            retire(folder, name)
        far.knocks("200", 12)  # at first, after the hubs' new key, after the member's old is gone
        for actor in (beyond, near):
            assert answered(actor)
        server = load_roster(folder).members["coordinator"].curve.encode()
        assert not admits(far.address, (*curves[:2], server))
        assert far.counts()["counts"].get("signature", 0) == 0
        say_as(old, f"ipc://{far.stage.folder}/s/ci", lambda: far.counts()["counts"])


def say_as(identity, address, counts):
    """Say a word under a key until the hub has judged it by its signature alone."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        end_s = time.monotonic() + 20
        while counts().get("signature", 0) < 2:
            assert time.monotonic() < end_s, "it was not dropped for its signature"
            head = header(src=identity.name, ts=time.time_ns())
            socket.send_multipart(seal(identity, Channel.CONTROL, head, encode(NO_UPDATE)))

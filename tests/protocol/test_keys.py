import json

import pytest
import zmq

from protocol.bus.endpoints import ipc_endpoints
from protocol.bus.participant import Participant
from protocol.errors import RosterError
from protocol.keys import ROSTER, load_identity, load_roster, new_keys
from tests.protocol.party import house


@pytest.fixture
def folder(tmp_path):
    new_keys(tmp_path / "keys")
    return tmp_path / "keys"


def edited(folder, change):
    """Rewrite the roster after `change` had its document."""
    document = json.loads((folder / ROSTER).read_text())
    change(document)
    (folder / ROSTER).write_text(json.dumps(document))
    return folder


def test_a_signature_made_with_a_loaded_key_verifies_by_the_loaded_roster(folder):
    """Key file and roster hold two halves of one pair, for signing and for CURVE."""
    roster = load_roster(folder)
    for name, member in roster.members.items():
        identity = load_identity(name, folder, {})
        assert member.verifies(identity.sign(b"x"), b"x")
        assert not member.verifies(identity.sign(b"x"), b"y")
        assert zmq.curve_public(identity.curve.encode()).decode() == member.curve
        assert roster.knows(identity)
        assert identity.curve not in repr(identity)


def test_a_key_comes_from_the_environment_or_the_file_it_names(folder, tmp_path):
    """Containers have no folder: a variable holds the key, or the path of it."""
    text = (folder / "desk.key").read_text()
    told = {"COUNTERPOINT_KEY_DESK": text.strip()}
    assert load_identity("desk", tmp_path / "none", told).name == "desk"
    named = {"COUNTERPOINT_KEY_DESK_FILE": str(folder / "desk.key")}
    assert load_identity("desk", tmp_path / "none", named).name == "desk"


def test_a_key_that_others_may_read_is_refused(folder):
    """A secret that lies open is no secret."""
    (folder / "desk.key").chmod(0o640)
    with pytest.raises(RosterError, match="chmod 600"):
        load_identity("desk", folder, {})


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "not json", '{"name":"desk","sign":"AA==","curve":"x"}',
     '{"name":"desk","name":"desk"}', '{"name":"desk","sign":"' + "A" * 43 + '=","curve":7}'],
)  # fmt: skip
def test_a_damaged_key_is_refused_without_being_quoted(folder, text):
    """One line, our error, nothing of the secret in it."""
    (folder / "desk.key").write_text(text)
    with pytest.raises(RosterError, match="holds no private key of this program") as caught:
        load_identity("desk", folder, {})
    assert "\n" not in str(caught.value)


def test_the_key_of_another_is_refused(folder):
    """A file under the wrong name would speak for somebody else."""
    (folder / "desk.key").write_text((folder / "operator.key").read_text())
    with pytest.raises(RosterError, match="is the key of operator, not of desk"):
        load_identity("desk", folder, {})


def test_keys_are_never_made_over_others(folder):
    """Losing a private key by a slip of the hand is not possible."""
    before = (folder / "operator.key").read_bytes()
    with pytest.raises(RosterError, match="holds keys already"):
        new_keys(folder)
    (folder / ROSTER).unlink()
    with pytest.raises(RosterError, match=r"no roster\.json"):
        new_keys(folder)
    assert (folder / "operator.key").read_bytes() == before


def twice(document):
    document["members"].append(document["members"][0])


def three_keys(document):
    document["members"][0]["keys"] = [one["keys"][0] for one in document["members"][:3]]


def no_key(document):
    document["members"][0]["keys"] = []


def borrowed(document):
    document["members"][1]["keys"] = document["members"][0]["keys"]


def unknown_word(document):
    document["members"][0]["may_send"].append("anything")


def unknown_field(document):
    document["members"][0]["weight"] = 5


def long_name(document):
    document["members"][0]["name"] = "a" * 25


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (twice, "coordinator must stand once"),
        (three_keys, "damaged"),
        (no_key, "damaged"),
        (borrowed, "executor-1 has a key of coordinator"),
        (unknown_word, "which is none"),
        (unknown_field, "damaged"),
        (long_name, "damaged"),
        (lambda document: document.update(format=2), "format 2, this program reads 1"),
        (lambda document: document.pop("members"), "damaged"),
    ],
)
def test_a_roster_that_contradicts_itself_is_refused(folder, change, line):
    """Who may speak is read strictly: a slip there would be a hole."""
    with pytest.raises(RosterError, match=line):
        load_roster(edited(folder, change))


def test_two_keys_are_valid_while_one_is_replaced_by_the_other(folder):
    """Rotation: old and new signatures both hold."""
    old = load_identity("desk", folder, {})
    new_keys(folder.parent / "new")
    new = load_identity("desk", folder.parent / "new", {})
    row = next(
        one
        for one in json.loads((folder.parent / "new" / ROSTER).read_text())["members"]
        if one["name"] == "desk"
    )

    def both(document):
        for one in document["members"]:
            if one["name"] == "desk":
                one["keys"].extend(row["keys"])

    member = load_roster(edited(folder, both)).members["desk"]
    assert all(member.verifies(each.sign(b"x"), b"x") for each in (old, new))


def test_seats_are_those_that_the_start_names():
    """Weights are not in the file; an unknown seat is refused."""
    roster = house()[0]
    assert roster.seats() == ()
    assert roster.seated(["optimizer-1", "executor-1"]).seats() == ("executor-1", "optimizer-1")
    with pytest.raises(RosterError, match="nobody"):
        roster.seated(["nobody"])


def test_a_participant_whose_key_the_roster_does_not_list_never_starts(folder, tmp_path):
    """It would resend for ever and nobody would hear it."""
    stranger = load_identity("desk", folder, {})
    with pytest.raises(RosterError, match="lists no key of this desk"):
        Participant(stranger, house()[0], ipc_endpoints(tmp_path / "b"), clock=lambda: 0)

import stat
import tomllib

import pytest

from agents.cli.keys_stack import make_stack_keys, owner
from protocol.errors import RosterError
from protocol.keys import new_keys
from protocol.tokens import load_tokens


@pytest.fixture
def keys(tmp_path):
    new_keys(tmp_path / "keys")
    return tmp_path / "keys"


def test_the_exchange_gets_one_account_with_a_key_for_each_who_trades(keys, tmp_path):
    """What the executor and the guardian read is what the exchange lists; no secret is short."""
    folder = make_stack_keys(keys, tmp_path)
    (account,) = tomllib.loads((folder / "accounts.toml").read_text())["account"]
    pairs = {account["key"]: account["secret"], **account["more_keys"]}
    for name in ("executor", "guardian"):
        key = (folder / f"{name}.api-key").read_text().strip()
        secret = (folder / f"{name}.api-secret").read_text().strip()
        assert pairs.pop(key) == secret
        assert len(secret) == 64
    assert pairs == {}


def test_the_database_and_the_desk_know_one_password(keys, tmp_path):
    """As each of them reads it; both tokens of the desk are made, and differ."""
    folder = make_stack_keys(keys, tmp_path)
    password = (folder / "database.password").read_text().strip()
    passfile = (folder / "database.passfile").read_text().strip()
    assert passfile == f"postgres:5432:counterpoint:counterpoint:{password}"
    assert len(password) == 64
    assert set(load_tokens(keys, {})) == {"read", "act"}


def test_nobody_else_can_read_what_the_containers_mount(keys, tmp_path):
    """All secrets are of mode 0600 and belong to the containers' user, who is never root."""
    folder = make_stack_keys(keys, tmp_path)
    uid, gid = owner()
    assert uid > 0
    for path in (*keys.glob("*.key"), *keys.glob("*.token"), *folder.iterdir()):
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert (found.st_uid, found.st_gid) == (uid, gid)
    lines = (tmp_path / ".env").read_text().splitlines()
    assert lines == [f"COUNTERPOINT_UID={uid}", f"COUNTERPOINT_GID={gid}"]


def test_what_is_there_already_is_kept(keys, tmp_path):
    """No second account over the first; lines of .env that are not ours stay."""
    (tmp_path / ".env").write_text("MODE=peer\nCOUNTERPOINT_UID=7\n")
    folder = make_stack_keys(keys, tmp_path)
    assert (tmp_path / ".env").read_text().startswith(f"MODE=peer\nCOUNTERPOINT_UID={owner()[0]}\n")
    before = (folder / "accounts.toml").read_bytes()
    with pytest.raises(RosterError, match="is there already"):
        make_stack_keys(keys, tmp_path)
    assert (folder / "accounts.toml").read_bytes() == before
    assert len(list(folder.iterdir())) == 7

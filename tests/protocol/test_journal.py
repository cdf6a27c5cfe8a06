import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import JournalError
from protocol.journal import Entry, Journal

ROOT = Path(__file__).parents[2]
TABLES = ("intents", "fills")
WRITER = """
import sys
from pathlib import Path
from protocol.journal import Entry, Journal
journal = Journal.open(Path(sys.argv[1]), schema_version=1, tables=["intents"])
number = journal.get("count", 0)
while True:
    pair = [Entry("intents", number, "place", {"n": number + i}, f"k{number + i}") for i in (0, 1)]
    number += 2
    journal.append(pair, state={"count": number})
    print(number, flush=True)
"""


def opened(folder, **changes):
    options = {"schema_version": 1, "tables": TABLES} | changes
    return Journal.open(folder / "journal.db", **options)


def entry(number, *, key=None, table="intents", kind="place"):
    return Entry(table, number, kind, {"n": number}, key)


def numbers(rows):
    return [row.body["n"] for row in rows]


def test_what_was_appended_is_read_back_in_order(tmp_path):
    """Rows, keys, kinds, and the state put with them, across a restart."""
    with opened(tmp_path) as journal:
        assert journal.append([entry(1), entry(2, kind="cancel")], state={"pair": [1, 2]}) == (1, 2)
        assert journal.append([entry(3, key="k"), entry(4, table="fills")]) == (3, 1)
        journal.put("raw", b"\x00\xff")
    with opened(tmp_path) as journal:
        assert numbers(journal.rows("intents")) == [1, 2, 3]
        assert numbers(journal.rows("intents", after=2)) == [3]
        assert numbers(journal.rows("intents", kinds=["place"])) == [1, 3]
        assert numbers(journal.rows("intents", kinds=[])) == []
        assert journal.last("intents").seq == 3
        assert journal.last("intents", "cancel").body == {"n": 2}
        assert journal.last("fills", "cancel") is None
        assert journal.find("intents", "k").time_ns == 3
        assert journal.find("intents", "other") is None
        assert (journal.get("pair"), journal.get("raw")) == ([1, 2], b"\x00\xff")
        assert journal.get("nothing", 7) == 7


def test_pages_join_without_a_seam(tmp_path):
    """More rows than one page holds."""
    with opened(tmp_path) as journal:
        journal.append([entry(n) for n in range(2500)])
        assert numbers(journal.rows("intents")) == list(range(2500))


def test_the_same_key_and_content_again_changes_nothing(tmp_path):
    """Recovery may append what it finds; the first row's number comes back."""
    with opened(tmp_path) as journal:
        assert journal.append([entry(1, key="a"), entry(2)]) == (1, 2)
        assert journal.append([entry(1, key="a"), entry(3)]) == (1, 3)
        assert numbers(journal.rows("intents")) == [1, 2, 3]


@pytest.mark.parametrize(
    "other",
    [
        Entry("intents", 1, "place", {"n": 2}, "a"),
        Entry("intents", 2, "place", {"n": 1}, "a"),
        Entry("intents", 1, "cancel", {"n": 1}, "a"),
    ],
)
def test_another_content_under_a_known_key_is_refused_whole(tmp_path, other):
    """Neither its neighbours nor its state are kept."""
    with opened(tmp_path) as journal:
        journal.append([entry(1, key="a")], state={"count": 1})
        with pytest.raises(JournalError, match="key a must keep its content"):
            journal.append([entry(5), other], state={"count": 2})
        assert numbers(journal.rows("intents")) == [1]
        assert journal.get("count") == 1
        journal.append([entry(6)])


@pytest.mark.parametrize("body", [object(), {1, 2}, 2**70, {"a": 1j}])
def test_a_value_that_is_not_plain_is_our_error(tmp_path, body):
    """And it leaves no transaction open."""
    with opened(tmp_path) as journal:
        for wrong in (Entry("intents", 1, "x", body), Entry("intents", 2**70, "x", 1)):
            with pytest.raises(JournalError):
                journal.append([wrong])
        with pytest.raises(JournalError, match="table must be one of"):
            journal.append([entry(1, table="gossip")])
        journal.append([entry(1)])


@settings(max_examples=25, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_plain_values_survive(tmp_path_factory, body):
    """Every plain value comes back equal."""
    with opened(tmp_path_factory.mktemp("journal")) as journal:
        journal.append([Entry("fills", 1, "x", body)])
        assert journal.last("fills").body == body


def test_rows_are_never_changed(tmp_path):
    """Even by somebody who opens the file with other tools."""
    with opened(tmp_path) as journal:
        journal.append([entry(1)])
    raw = sqlite3.connect(tmp_path / "journal.db")
    for statement in ("UPDATE intents SET time_ns = 0", "DELETE FROM intents"):
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            raw.execute(statement)
    raw.close()


def test_a_journal_of_another_version_or_make_is_refused_untouched(tmp_path):
    """One line each; a foreign file stays as it was found."""
    opened(tmp_path).close()
    with pytest.raises(JournalError, match="must have schema version 2, found 1"):
        opened(tmp_path, schema_version=2)
    with pytest.raises(JournalError, match="lacks its table orders"):
        opened(tmp_path, tables=("orders",))
    foreign = tmp_path / "foreign.db"
    raw = sqlite3.connect(foreign)
    raw.execute("CREATE TABLE intents (x)")
    raw.commit()
    raw.close()
    before = foreign.read_bytes()
    with pytest.raises(JournalError, match="must be a journal of counterpoint"):
        Journal.open(foreign, schema_version=1, tables=TABLES)
    assert foreign.read_bytes() == before
    for wrong in ({"tables": ("a b",)}, {"schema_version": 0}):
        with pytest.raises(JournalError):
            opened(tmp_path, **wrong)
    with pytest.raises(JournalError, match="cannot be opened"):
        opened(tmp_path / "absent")


@pytest.mark.parametrize("damage", ["text", "header", "page", "value"])
def test_a_damaged_journal_is_one_clear_error(tmp_path, damage):
    """A flipped bit inside a value too, which SQLite alone would not notice."""
    path = tmp_path / "journal.db"
    with opened(tmp_path) as journal:
        journal.append([Entry("intents", n, "place", "needle" * 40) for n in range(400)])
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"not a database, " * 1000)
    elif damage == "header":
        data[:16] = b"\0" * 16
    elif damage == "page":
        data[-20_000:-4000] = os.urandom(16_000)
    else:
        data[data.rindex(b"needle")] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalError) as caught, opened(tmp_path) as journal:
        list(journal.rows("intents"))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_others_may_read_while_one_writes(tmp_path):
    """A reader sees what is committed, cannot write, and nobody else may read the file."""
    with pytest.raises(JournalError, match=r"cannot be opened|refused"):
        opened(tmp_path, readonly=True)
    with opened(tmp_path) as journal:
        journal.append([entry(1)])
        with opened(tmp_path, readonly=True) as reader:
            assert numbers(reader.rows("intents")) == [1]
            journal.append([entry(2)])
            assert numbers(reader.rows("intents")) == [1, 2]
            with pytest.raises(JournalError):
                reader.append([entry(3)])
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600


def test_a_reader_may_see_one_moment_while_another_writes(tmp_path):
    """State and rows of two tables belong together; afterwards the reader sees what is new."""
    with opened(tmp_path) as journal, opened(tmp_path, readonly=True) as reader:
        journal.append([entry(1)], state={"now": 1})
        with reader.unmoved():
            assert reader.get("now") == 1
            journal.append([entry(2)], state={"now": 2})
            assert numbers(reader.rows("intents")) == [1]
            assert reader.get("now") == 1
        assert numbers(reader.rows("intents")) == [1, 2]
        assert reader.get("now") == 2


def test_everything_acknowledged_survives_a_kill(tmp_path):
    """A real process, killed at five moments: rows and state are whole, none is missing."""
    path = tmp_path / "journal.db"
    acknowledged = 0
    for lines in (1, 3, 17, 60, 150):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(lines):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        said = writer.stdout.read().splitlines()
        writer.wait()
        writer.stdout.close()
        acknowledged = int(said[-1]) if said else acknowledged
        with Journal.open(path, schema_version=1, tables=["intents"]) as journal:
            found = numbers(journal.rows("intents"))
            assert found == list(range(journal.get("count")))
            assert acknowledged <= len(found) <= acknowledged + 2

"""The audit chain: whatever is done to its files or to the journal is found, and where."""

import random
import sqlite3
from pathlib import Path

import pytest

from protocol.chain import check
from protocol.chain_check import contents, verify
from protocol.chain_file import AuditError, ChainFile, chained, path_of
from protocol.journal import Entry, Journal

TABLES = ("intents", "heard")


def opened(folder: Path, file_rows: int = 65_536) -> Journal:
    """Open a journal with its chain."""
    journal = Journal.open(folder / "j.db", schema_version=1, tables=TABLES)
    try:
        ChainFile.open(folder / "audit", journal, TABLES, file_rows=file_rows)
    except AuditError:
        journal.close()
        raise
    return journal


def filled(folder: Path, count: int, *, first: int = 0, file_rows: int = 65_536) -> None:
    """Append `count` transactions of two rows."""
    with opened(folder, file_rows) as journal:
        for number in range(first, first + count):
            entry = Entry(TABLES[number % 2], number, "step", {"n": number}, key=str(number))
            journal.append((entry, Entry("heard", number, "stop", [number])))


def report(folder: Path, known=None):
    """Verify a folder as the command does."""
    files = contents(folder / "audit")
    with Journal.open(folder / "j.db", schema_version=1, tables=TABLES, readonly=True) as journal:
        return verify(files, journal, TABLES, known)


def lines_in(folder: Path, number: int = 1) -> list[bytes]:
    """Return the lines of a file of the chain."""
    return path_of(folder / "audit", number).read_bytes().splitlines(keepends=True)


def put(folder: Path, lines: list[bytes], number: int = 1) -> None:
    """Write a file of the chain anew."""
    path = path_of(folder / "audit", number)
    path.chmod(0o600)
    path.write_bytes(b"".join(lines))


@pytest.fixture
def folder(tmp_path):
    filled(tmp_path, 20)
    return tmp_path


def test_an_untouched_chain_is_sound_over_restarts_and_files(tmp_path):
    """Every row has its record; files follow one another; nothing is said twice."""
    for first in (0, 7, 14):
        filled(tmp_path, 7, first=first, file_rows=10)
    found = report(tmp_path)
    assert found.sound
    assert found.unwritten == 0
    assert [each.seq for each in found.checked.records] == list(range(1, 43))
    assert found.rows == 42
    assert len(contents(tmp_path / "audit")) == 5


def test_every_flipped_byte_is_found(tmp_path):
    """No byte of any file is outside the chain: header, record, seal."""
    filled(tmp_path, 4, file_rows=4)
    files = contents(tmp_path / "audit")
    rng = random.Random(1)
    for index, (name, content) in enumerate(files):
        for at in range(len(content)):
            flipped = bytearray(content)
            flipped[at] ^= 1 << rng.randrange(8)
            spoilt = [*files[:index], (name, bytes(flipped)), *files[index + 1 :]]
            with Journal.open(
                tmp_path / "j.db", schema_version=1, tables=TABLES, readonly=True
            ) as journal:
                found = verify(spoilt, journal, TABLES)
            assert found.faults or found.unwritten, (name, at)
            if at < len(content) - 1 and index < len(files) - 1:
                assert found.faults, (name, at)


def test_an_altered_record_is_named_and_no_other(folder):
    """One byte of the digest: one fault, at its record and its byte."""
    lines = lines_in(folder)
    lines[7] = lines[7].replace(b"step", b"stop") if b"step" in lines[7] else lines[7][::-1]
    put(folder, lines)
    faults = report(folder).checked.faults
    assert len(faults) == 1
    assert "record 7" in faults[0].what
    assert faults[0].place == f"chain-000001.log byte {sum(map(len, lines[:7]))}"


def test_a_flipped_hash_is_one_fault(folder):
    """The records after it are proved by the hash that it should have."""
    lines = lines_in(folder)
    spoilt = b"0" if lines[9][-2:-1] != b"0" else b"1"
    lines[9] = lines[9][:-2] + spoilt + b"\n"
    put(folder, lines)
    faults = report(folder).checked.faults
    assert [each.what[:8] for each in faults] == ["record 9"]


def test_removed_records_are_named(folder):
    """From the middle one by one, several in a row, and the row that lost its record is named."""
    lines = lines_in(folder)
    put(folder, lines[:5] + lines[6:])
    found = report(folder)
    assert [each.what for each in found.checked.faults] == ["record 5 is missing before 6"]
    put(folder, lines[:5] + lines[9:])
    assert "records 5..8 are missing" in report(folder).faults[0].what


def test_swapped_records_are_named(folder):
    """Neighbours and distant ones: each is found where it does not belong."""
    for one, two in ((5, 6), (4, 11)):
        lines = lines_in(folder)
        lines[one], lines[two] = lines[two], lines[one]
        put(folder, lines)
        told = [each.what for each in report(folder).checked.faults]
        assert f"record {two} stands where {one} belongs" in told
        assert f"record {one} stands where {two} belongs" in told
        assert len(told) == 2
        lines[one], lines[two] = lines[two], lines[one]
        put(folder, lines)
    assert report(folder).sound


def test_a_repeated_record_is_named(folder):
    """Playing a record again is no way to have it twice."""
    lines = lines_in(folder)
    put(folder, [*lines[:8], lines[7], *lines[8:]])
    assert [each.what for each in report(folder).faults] == ["record 7 stands where 8 belongs"]


def test_a_shortened_record_is_named(folder):
    """A record cut off in the middle of a file is no torn tail."""
    lines = lines_in(folder)
    lines[6] = lines[6][:40] + b"\n"
    put(folder, lines)
    assert "record 6 is damaged" in report(folder).faults[0].what


def test_a_missing_file_is_named(tmp_path):
    """Of the beginning, of the middle, and of the end."""
    filled(tmp_path, 20, file_rows=10)
    for number, word in ((1, "file 1"), (2, "file 2"), (4, "missing")):
        path = path_of(tmp_path / "audit", number)
        content = path.read_bytes()
        path.unlink()
        found = report(tmp_path)
        assert any(word in str(each) for each in found.faults), number
        path.write_bytes(content)


def test_a_tail_that_was_on_disk_cannot_be_cut_off(folder):
    """The journal knows the last record; what was synced may not be missing."""
    filled(folder, 150, first=20)
    filled(folder, 1, first=170)
    lines = lines_in(folder)
    put(folder, lines[:100])
    found = report(folder)
    assert "were on disk and are missing" in found.faults[0].what
    with pytest.raises(AuditError, match="cut off"):
        opened(folder)


@pytest.mark.parametrize("kept", [0, 1, 50, 193, 600])
def test_a_torn_tail_is_told_from_tampering_and_mended(folder, kept):
    """A kill leaves a beginning of what was due: it is no fault, and the next start writes it."""
    path = path_of(folder / "audit", 1)
    whole = path.read_bytes()
    first = len(lines_in(folder)[0])
    path.write_bytes(whole[: first + kept])
    found = report(folder)
    assert found.sound
    assert found.unwritten > 0
    opened(folder).close()
    assert path.read_bytes() == whole
    assert report(folder).unwritten == 0


def test_a_power_cut_that_left_zeros_is_mended(folder):
    """A file system may have the length on disk and not the bytes."""
    path = path_of(folder / "audit", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-500] + bytes(500))
    opened(folder).close()
    assert path.read_bytes() == whole


def test_a_kill_within_a_rotation_is_mended(tmp_path):
    """After each byte of the seal, and of the header of the next file, the start goes on."""
    filled(tmp_path, 4, file_rows=8)
    one, two = (path_of(tmp_path / "audit", number) for number in (1, 2))
    whole, head = one.read_bytes(), two.read_bytes()
    seal = len(lines_in(tmp_path)[-1])
    for lost in range(seal + 1):
        two.unlink(missing_ok=True)
        one.chmod(0o600)
        one.write_bytes(whole[: len(whole) - lost])
        opened(tmp_path, 8).close()
        assert report(tmp_path).sound, lost
    for held in range(len(head)):
        one.chmod(0o600)
        one.write_bytes(whole)
        two.write_bytes(head[:held])
        opened(tmp_path, 8).close()
        assert two.read_bytes() == head, held
    filled(tmp_path, 9, first=4, file_rows=8)
    assert report(tmp_path).sound


def test_a_tail_that_is_another_is_not_mended(folder):
    """What no kill can leave stops the start, with a line that says where to look."""
    lines = lines_in(folder)
    put(folder, [*lines[:-1], lines[-1].replace(b"heard", b"hearb")])
    with pytest.raises(AuditError, match="altered after byte"):
        opened(folder)
    put(folder, [*lines, lines[-1]])
    with pytest.raises(AuditError, match="altered after byte"):
        opened(folder)


def tampered(folder: Path, statement: str) -> None:
    """Change the journal behind its back."""
    connection = sqlite3.connect(folder / "j.db")
    for verb in ("update", "delete"):
        connection.execute(f"DROP TRIGGER intents_no_{verb}")
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE intents SET time_ns = 5, crc = 1 WHERE seq = 3", "intents row 3: it is not what"),
        ("DELETE FROM intents WHERE seq = 4", "intents row 4: it is gone"),
        (
            "INSERT INTO intents (time_ns, kind, key, body, crc) VALUES (1, 'x', 'y', x'00', 1)",
            "intents row 11: no record",
        ),
    ],
)
def test_a_changed_journal_is_found_by_the_chain(folder, statement, word):
    """Altered, removed or added rows are named, whatever their own checksum says."""
    tampered(folder, statement)
    assert any(str(each).startswith(word) for each in report(folder).faults)


def test_a_chain_without_its_journal_and_a_journal_without_its_chain_are_refused(folder):
    """Each is the witness of the other."""
    path_of(folder / "audit", 1).rename(folder / "away")
    with pytest.raises(AuditError, match="cut off"):
        opened(folder)
    (folder / "away").rename(path_of(folder / "audit", 1))
    for path in folder.glob("j.db*"):
        path.unlink()
    with pytest.raises(AuditError, match="does not know"):
        opened(folder)


def test_a_hash_noted_elsewhere_must_be_there(folder):
    """Who writes both files anew is found by one hash that he could not reach."""
    head = report(folder).checked.head
    filled(folder, 3, first=20)
    assert report(folder, head).sound
    assert "another hash" in report(folder, (head[0], "0" * 64)).faults[0].what
    assert "is missing" in report(folder, (999, "0" * 64)).faults[0].what


def test_a_transaction_that_failed_leaves_no_record(folder):
    """A refused append is undone in the chain too."""
    with opened(folder) as journal:
        with pytest.raises(Exception, match="must keep its content"):
            journal.append((Entry("heard", 1, "x", 1), Entry("intents", 9, "x", 9, key="0")))
        journal.append((Entry("heard", 2, "x", 2),))
    found = report(folder)
    assert found.sound
    assert found.checked.head[0] == 41


def test_the_chain_goes_on_while_a_thread_syncs(tmp_path):
    """Beyond the rows of one sync the journal keeps only what is not synced yet."""
    with opened(tmp_path) as journal:
        for number in range(1_500):
            journal.append((Entry("heard", number, "x", number),))
        assert len(journal.get("audit")["order"]) < 1_500
    assert report(tmp_path).sound


def test_an_empty_chain_is_sound():
    """Nothing was decided yet."""
    assert check([]).head[0] == 0


def test_a_chain_closes_its_journal_when_it_cannot_open(folder):
    """`chained` leaves no open file behind."""
    path_of(folder / "audit", 1).write_bytes(b"")
    journal = Journal.open(folder / "j.db", schema_version=1, tables=TABLES)
    with pytest.raises(AuditError):
        chained(journal, folder / "audit", TABLES)

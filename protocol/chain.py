"""The audit chain: one line for each row of a journal, each sealed by a hash over all before it.

    header   counterpoint-audit 1 NUMBER SEQ HASH     the first line; where the file before ended
    record   SEQ TABLE ROW TIME_NS KIND DIGEST HASH   HASH = SHA-256(hash before + the line to here)
    seal     sealed SEQ HASH                          the last line of a file that is finished

DIGEST is that of the journal's row (`protocol.journal.Added`): the facts stand there once, here
stands what they were. This file makes and checks bytes; `chain_file` keeps them on disk.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from protocol.journal import Added

GENESIS = hashlib.sha256(b"counterpoint audit 1").hexdigest()
"""The hash before the first record."""
MAGIC = "counterpoint-audit 1"
RECENT = 3
"""Hashes of the last lines by which the next one may go on: two records may have been swapped."""
_HEADER = re.compile(rb"counterpoint-audit 1 ([1-9]\d{0,17}) (0|[1-9]\d{0,17}) ([0-9a-f]{64})\n")
_SEAL = re.compile(rb"sealed (0|[1-9]\d{0,17}) ([0-9a-f]{64})\n")
_RECORD = re.compile(
    rb"([1-9]\d{0,17}) ([a-z_]{1,40}) ([1-9]\d{0,17}) (-?\d{1,19}) ([!-~]{1,60}) "
    rb"([0-9a-f]{64}) ([0-9a-f]{64})\n"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record read back; `table` and `row` name the journal's row, `digest` its content."""

    seq: int
    table: str
    row: int
    time_ns: int
    kind: str
    digest: str
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written: where, and what."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a chain was found to be.

    Attributes:
        records: every line that could be read, in the order of the files.
        faults: everything that is not as it was written.
        torn: bytes of the last file after its last whole line, as a kill leaves them.
        torn_place: where they stand.
    """

    records: tuple[Record, ...]
    faults: tuple[Fault, ...]
    torn: bytes
    torn_place: str

    @property
    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the last record."""
        return (self.records[-1].seq, self.records[-1].hash) if self.records else (0, GENESIS)


def header(number: int, seq: int, before: str) -> bytes:
    """Return the first line of a file that goes on after record `seq`."""
    return f"{MAGIC} {number} {seq} {before}\n".encode()


def seal(seq: int, last: str) -> bytes:
    """Return the last line of a file that ends with record `seq`."""
    return f"sealed {seq} {last}\n".encode()


def record(before: str, seq: int, row: Added) -> tuple[bytes, str]:
    """Return the line of record `seq`, and its hash; `before` is the hash of the one before."""
    table, number, time_ns, kind, digest = row
    start = f"{seq} {table} {number} {time_ns} {kind.replace(' ', '_')} {digest} ".encode()
    sealed = hashlib.sha256(before.encode() + start).hexdigest()
    return b"%b%b\n" % (start, sealed.encode()), sealed


def check(files: Iterable[tuple[str, bytes]]) -> Checked:
    """Check a chain from its beginning.

    Args:
        files: name and content, in the order of their numbers.
    """
    walk = _Walk(list(files))
    walk.run()
    return Checked(tuple(walk.records), tuple(walk.faults), walk.torn, walk.torn_place)


def lines_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the offset of each line and the line, its end included; the last may have none."""
    at = 0
    while at < len(content):
        end = content.find(b"\n", at) + 1 or len(content)
        yield at, content[at:end]
        at = end


class _Walk:
    """One walk over all files; what it finds is gathered in its attributes."""

    def __init__(self, files: list[tuple[str, bytes]]) -> None:
        self.files = files
        self.records: list[Record] = []
        self.faults: list[Fault] = []
        self.torn = b""
        self.torn_place = ""
        self._recent: deque[tuple[int, str]] = deque([(0, GENESIS)], RECENT)
        self._due = 1
        self._blind = False
        """Whether the hash before the next record is unknown: something is wrong there."""
        found = (_RECORD.finditer(content) for _, content in files)
        self._held = {int(each[1]) for every in found for each in every}

    def run(self) -> None:
        """Walk."""
        expected = 1
        for index, (name, content) in enumerate(self.files):
            last = index == len(self.files) - 1
            lines = list(lines_of(content))
            start = lines[0][1] if lines else b""
            due = header(expected, *self._recent[-1])
            if last and len(start) < len(due) and due.startswith(start):
                self.torn, self.torn_place = start, f"{name} byte 0"
                return
            found = _HEADER.fullmatch(start)
            self._header(name, found, expected)
            expected = (int(found[1]) if found is not None else expected) + 1
            self._body(name, lines[1:], last=last)

    def _fault(self, place: str, what: str) -> None:
        self.faults.append(Fault(place, what))

    def _header(self, name: str, found: re.Match[bytes] | None, expected: int) -> None:
        place = f"{name} byte 0"
        if found is None:
            self._fault(place, "the header is damaged")
            return
        number, seq, before = int(found[1]), int(found[2]), found[3].decode()
        if number > expected:
            lost = (
                f"file {expected}" if number == expected + 1 else f"files {expected}..{number - 1}"
            )
            self._fault(place, f"{lost} before it: missing, records {self._due}..{seq}")
            self._due = max(self._due, seq + 1)
            self._recent.append((seq, before))
        elif number < expected:
            self._fault(place, f"it is numbered {number} where {expected} belongs")
        elif (seq, before) not in self._recent:
            if not self._blind:
                self._fault(place, f"it goes on after record {seq} of another chain")
            self._recent.append((seq, before))

    def _body(self, name: str, lines: list[tuple[int, bytes]], *, last: bool) -> None:
        sealed = False
        parsed = [_RECORD.fullmatch(line) for _, line in lines]
        for index, (at, line) in enumerate(lines):
            place = f"{name} byte {at}"
            found = parsed[index]
            if sealed:
                self._fault(place, "something stands after the seal")
                return
            if not line.endswith(b"\n") and last:
                self.torn, self.torn_place = line, place
                return
            if found is not None:
                after = parsed[index + 1] if index + 1 < len(parsed) else None
                self._record(place, found, None if after is None else int(after[1]))
            elif line.startswith(b"sealed"):
                sealed = True
                if not self._blind and line not in [seal(*each) for each in self._recent]:
                    self._fault(place, "the seal does not fit the records before it")
            else:
                self._fault(place, f"record {self._due} is damaged")
                self._due += 1
                self._blind = True
        if not (sealed or last):
            self._fault(name, "the seal at its end is missing")

    def _record(self, place: str, found: re.Match[bytes], following: int | None) -> None:
        """Take one record; `following` is the number of the next, where that can be read."""
        seq, row, time_ns = int(found[1]), int(found[3]), int(found[4])
        table, kind, digest, told = (found[each].decode() for each in (2, 5, 6, 7))
        self.records.append(Record(seq, table, row, time_ns, kind, digest, told))
        if seq == self._due:
            made = self._made(found, told)
            if made != told and not self._blind:
                line = f"record {seq} does not fit its hash: it, or the hash before it, was altered"
                self._fault(place, line)
                self._recent.append((seq, made))
            self._blind = False
            self._recent.append((seq, told))
            self._due = seq + 1
            return
        if seq > self._due and self._due not in self._held and following != self._due + 1:
            lost = f"records {self._due}..{seq - 1} are"
            lost = f"record {self._due} is" if seq == self._due + 1 else lost
            self._fault(place, f"{lost} missing before {seq}")
            self._recent.append((seq, told))
            self._due = seq + 1
            return
        self._fault(place, f"record {seq} stands where {self._due} belongs")
        repeated = seq < self._due == following
        if not repeated:
            self._due += 1
            self._blind = True

    def _made(self, found: re.Match[bytes], told: str) -> str:
        """Return the hash that a record should have: the told one if a recent hash leads to it."""
        start = found[0][: found.start(7) - found.start(0)]
        made = ""
        for _, before in self._recent:
            made = hashlib.sha256(before.encode() + start).hexdigest()
            if made == told:
                break
        return made

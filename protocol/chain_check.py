"""Checks an audit chain against the journal that it is of: every row, and where both end.

The chain tells an altered record; the journal tells a tail that was cut off, since it keeps the
number and hash of its last record; the chain tells an altered, removed or added row. Whoever can
write both anew can only be found out by a hash that was noted elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocol.chain import Checked, Fault, check
from protocol.chain_file import STATE, Kept, numbers_in, path_of
from protocol.journal import Journal

Head = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        checked: the chain by itself.
        faults: everything that is not as it was written, those of the chain included.
        unwritten: records that a kill kept from being written; the next start writes them.
        rows: of the journal, that were compared.
    """

    checked: Checked
    faults: tuple[Fault, ...]
    unwritten: int
    rows: int

    @property
    def sound(self) -> bool:
        """Whether nothing was altered."""
        return not self.faults


def contents(folder: Path) -> list[tuple[str, bytes]]:
    """Return name and content of every file of a chain, in order; errors: OSError."""
    paths = [path_of(folder, number) for number in numbers_in(folder)]
    return [(path.name, path.read_bytes()) for path in paths]


def verify(
    files: Sequence[tuple[str, bytes]],
    journal: Journal | None,
    tables: Sequence[str],
    known: Head | None = None,
) -> Report:
    """Check a chain, and the journal's rows against it.

    Args:
        files: of `contents`, read before the journal is looked at: its writer may be at work.
        journal: None when it is not at hand; then only the chain is checked.
        tables: of the journal.
        known: a record's number and hash, noted elsewhere.

    Raises:
        JournalError: the journal cannot be read.
    """
    checked = check(files)
    faults = list(checked.faults)
    unwritten = rows = 0
    if journal is None:
        if checked.torn:
            faults.append(Fault(checked.torn_place, "cut off; the journal would tell by what"))
    else:
        ends, unwritten = _ends(checked, journal)
        faults += ends
        found, rows = _rows(checked, journal, tables, unwritten)
        faults += found
    if known is not None:
        faults += _known(checked, known)
    return Report(checked, tuple(faults), unwritten, rows)


def _ends(checked: Checked, journal: Journal) -> tuple[list[Fault], int]:
    """Compare where the chain ends with where the journal says that it does."""
    told = journal.get(STATE)
    seq, last = checked.head
    if told is None:
        faults = [Fault("journal", f"it knows of no audit, found {seq} records")] if seq else []
        return faults, 0
    kept = Kept.of(told)
    if seq == kept.seq:
        wrong = last != kept.hash
        line = f"record {seq} has another hash than the journal kept"
        return ([Fault("the end of the chain", line)] if wrong else []), 0
    if seq > kept.seq:
        # Its writer may have gone on since the files were read, never the other way round.
        line = f"records {kept.seq + 1}..{seq} are unknown to the journal"
        return [Fault("the end of the chain", line)], 0
    if seq < kept.synced.seq:
        line = f"records {seq + 1}..{kept.synced.seq} were on disk and are missing"
        return [Fault("the end of the chain", line)], kept.seq - kept.synced.seq
    return [], kept.seq - seq


def _rows(
    checked: Checked, journal: Journal, tables: Sequence[str], unwritten: int
) -> tuple[list[Fault], int]:
    """Compare every row of the journal with the digest that was chained."""
    due = {(each.table, each.row): each for each in checked.records}
    faults: list[Fault] = []
    count = 0
    spare: list[str] = []
    for table in tables:
        for row in journal.digests(table):
            count += 1
            record = due.pop((table, row.seq), None)
            place = f"{table} row {row.seq}"
            if record is None:
                spare.append(place)
            elif record.digest != row.digest:
                line = f"it is not what record {record.seq} says was written"
                faults.append(Fault(place, line))
    for record in due.values():
        place = f"{record.table} row {record.row}"
        faults.append(Fault(place, f"it is gone; record {record.seq} says that it was written"))
    if len(spare) > unwritten and not checked.faults:
        faults += [Fault(place, "no record says that it was written") for place in spare]
    return faults, count


def _known(checked: Checked, known: Head) -> list[Fault]:
    """Look for a record that was noted elsewhere."""
    seq, told = known
    place = f"record {seq}"
    for record in checked.records:
        if record.seq == seq:
            wrong = record.hash != told
            return [Fault(place, "it has another hash than was noted elsewhere")] if wrong else []
    return [Fault(place, "it was noted elsewhere and is missing")] if seq else []

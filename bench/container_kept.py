"""What a stack of containers keeps, held against one another: journals, exchange, log and store.

Its parts may have been killed in any way before; they were ended in good order.
"""

import io
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from agents.coordinator.audit import audit
from agents.coordinator.log import DecisionLog, read_records
from agents.coordinator.rules import rules_from
from agents.executor import records
from agents.executor.account_keys import token_of
from agents.executor.pages import journal_page
from agents.executor.recovery import open_journal
from agents.settings import Settings
from bench.container_house import ROOT, Stack
from bench.venue_account import Account
from bench.venue_checks import problems_of
from desk.export import as_csv
from desk.schema import STORED
from desk.store import Store
from protocol.bus.participant import COORDINATOR
from protocol.messages import JournalRow
from protocol.pages import page
from protocol.settings import load_settings

EXECUTOR = "executor-1"
RUN = "session"
LOG = Path("coordinator/runs/stack")


class Kept:
    """The volumes of a stack, copied, beside the exchange that lives on.

    Args:
        stack: whoever writes a journal has ended in good order.
        folder: empty, for the copies.
    """

    def __init__(self, stack: Stack, folder: Path) -> None:
        with tarfile.open(fileobj=io.BytesIO(stack.archived())) as archive:
            archive.extractall(folder, filter="data")
        self.stack, self.folder = stack, folder / RUN
        shutil.copytree(folder / LOG, self.folder, dirs_exist_ok=True)  # as a run on one host
        self.exchange: Account = stack.account
        self.prefix = f"cp-{token_of(EXECUTOR, stack.symbol)}-"
        self.opening = stack.opening

    def open_ids(self) -> list[int]:
        """Return the ids of the executor's open orders at the exchange."""
        names = [row["clientOrderId"] for row in self.exchange.ask("GET", "openOrders")]
        return [int(n.removeprefix(self.prefix)) for n in names if n.startswith(self.prefix)]

    def problems(self) -> list[str]:
        """Return everything that does not hold."""
        return [
            *problems_of(self, ended=True),
            *self.altered(),
            *self.undecided(),
            *self.unstored(),
        ]

    def altered(self) -> list[str]:
        """Return what `counterpoint audit verify` finds in the chains."""
        words = ("-m", "agents.cli.main", "audit", "verify", "--run", str(self.folder), "--json")
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return [f"audit: {(done.stdout + done.stderr)[-500:]}"] if done.returncode else []

    def undecided(self) -> list[str]:
        """Return what the decision log does not explain."""
        told = self.stack.inspect("coordinator")["Config"]["Env"]
        environ = dict(each.split("=", 1) for each in told)
        flags = {"venue.folder": str(self.folder)}
        settings = load_settings(Settings, environ=environ, flags=flags).settings
        with open_journal(self.folder, readonly=True) as journal:
            rows = journal.rows(records.PARAMETERS, kinds=("applied",))
            applied = Counter((row.body["pair"][0], row.body["pair"][1]) for row in rows)
        twice = [
            f"{pair} was applied {count} times" for pair, count in applied.items() if count > 1
        ]
        return audit(rules_from(settings), read_records(self.folder), list(applied)) + twice

    def unstored(self) -> list[str]:
        """Return where the database differs from the journals, up to what it has read of each."""
        cursors = {
            (owner, source): int(last)
            for owner, source, last in self.stack.sql("select owner, source, seq from cursors")
        }
        if not cursors:
            return ["the database holds nothing"]
        with Store.open(f"sqlite:///{self.folder.parent / 'whole.db'}") as whole:
            whole.prepare()
            for (owner, source), last in cursors.items():
                for rows in pages_of(self.folder, owner, source):
                    whole.take(RUN, owner, source, [row for row in rows if row.seq <= last])
            return [
                f"the database's {table.name} are not the journals'"
                for table in STORED
                if "".join(as_csv(whole, table)) != self.stack.exported(table.name)
            ]


def pages_of(folder: Path, owner: str, source: str) -> Iterator[Sequence[JournalRow]]:
    """Yield every page of a table of the journal in a folder, as its owner would tell it."""
    after = 0
    if owner == COORDINATOR:
        with DecisionLog.read(folder) as log:
            while rows := page(log.rows(after)):
                after = rows[-1].seq
                yield rows
        return
    with open_journal(folder, readonly=True) as journal:
        while rows := journal_page(journal, source, after):
            after = rows[-1].seq
            yield rows

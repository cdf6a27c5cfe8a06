"""Runs the stack for `counterpoint evaluate`, in a folder of its own that is gone afterwards.

Its processes end with the command, however that ends: nobody would find them later.
"""

import signal
import tempfile
from pathlib import Path

from agents.bus_settings import Bus
from agents.cli.run import end_on_signals, located, new_folder, open_stack
from agents.cli.supervisor import PartKeepsDyingError
from agents.evaluation.house import Came
from agents.executor import records
from agents.executor.recovery import open_journal
from agents.settings import Settings
from protocol.keys import new_keys
from protocol.messages import QuoteParameters

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def house(settings: Settings) -> tuple[Came, ...]:
    """Run coordinator, executor and optimizers to the end of a recording, in lockstep.

    Raises:
        PartKeepsDyingError: a part cannot go on; why.
        KeyboardInterrupt: an end was asked for, by Ctrl-C, SIGTERM or SIGHUP.
    """
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        place = Path(name)
        told, session = located(settings.model_copy(update={"data": place, "bus": Bus()}))
        new_keys(told.keys_folder)
        folder, sockets = new_folder(told), place / "s"
        sockets.mkdir(mode=0o700)
        supervisor = open_stack(told, session, folder, sockets).supervisor
        supervisor.tied = True
        before = {each: signal.getsignal(each) for each in SIGNALS}
        end_on_signals([supervisor])
        try:
            supervisor.start()
            complete = supervisor.watch(every_s=0.25, on_look=lambda: None)
        except PartKeepsDyingError as error:  # the file that it names is gone with the folder
            raise PartKeepsDyingError(str(error).partition(" (see ")[0], error.exit_code) from None
        finally:
            supervisor.end()
            for each, handler in before.items():
                signal.signal(each, handler)
        if not complete:
            raise KeyboardInterrupt
        with open_journal(folder, readonly=True) as journal:
            rows = journal.rows(records.PARAMETERS, kinds=("applied",))
            return tuple(
                Came(row.time_ns, QuoteParameters.model_validate(row.body["params"]))
                for row in rows
            )

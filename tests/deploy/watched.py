"""A stack of processes at an exchange: desk, guardian, figures of everybody, and its keys."""

from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from agents.cli.keys_stack import make_stack_keys
from bench.ports import free_ports
from bench.stack_house import StackHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.keys import new_keys

HOURS = 12.0
OFFSETS = {
    "coordinator": 0,
    "executor": 1,
    "optimizer": 2,
    "guardian": 10,
    "desk": 11,
    "exchange": 12,
}
TAKERS = {"VENUE": "executor", "GUARDIAN": "guardian"}


def ask(url, token=None):
    """What is served somewhere, as bytes; an answer that it is unwell counts."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            return answer.read()
    except URLError as error:
        if hasattr(error, "read"):
            return error.read()
        raise


class Watched(StackHouse):
    """The house.

    Args:
        folder: for everything.
        environ: where the process's environment is changed; the stack gets it.
        more: words of `counterpoint run`.
        hours: of the market.
    """

    def __init__(self, folder: Path, environ, *more, speed=60.0, hours=HOURS):
        feed = folder / "day.npz"
        save(feed, synthetic_recording(seed=3, hours=hours, setting="planted_edge"))
        self.first, self.desk_port = (free_ports(*filter(None, OFFSETS.values())) for _ in range(2))
        self.keys = folder / "house" / "data" / "keys"
        self.keys.parent.mkdir(parents=True)
        new_keys(self.keys)
        made = make_stack_keys(self.keys, folder)
        for what, name in TAKERS.items():
            for kind in ("KEY", "SECRET"):
                path = made / f"{name}.api-{kind.lower()}"
                environ(f"COUNTERPOINT_{what}_{kind}_FILE", str(path))
        shown = ("--metrics-port", str(self.port_of("exchange")))
        super().__init__(
            feed,
            folder / "house",
            "--desk",
            *("--set", f"bus.metrics_port={self.first}", "--set", f"desk.port={self.desk_port}"),
            *more,
            speed=speed,
            told=("--accounts", str(made / "accounts.toml"), *shown),
        )
        pair = [(made / f"executor.api-{kind}").read_text().strip() for kind in ("key", "secret")]
        self.exchange._key, self.exchange._secret = pair

    def port_of(self, part):
        """Where a part shows its figures."""
        return self.first + OFFSETS[part]

    def figures(self, part):
        """What a part shows."""
        return ask(f"http://127.0.0.1:{self.port_of(part)}/metrics")

    def desk(self, path):
        """What the desk answers to whoever only looks."""
        token = (self.keys / "desk-read.token").read_text().strip()
        return ask(f"http://127.0.0.1:{self.desk_port}/api/v1/{path}", token)

    def until_whole(self):
        """Wait until everybody shows figures and there are fills, stored by the desk."""
        self.until(lambda: len(self.exchange.trades()) > 3, seconds=240)
        self.until(lambda: all(self.figures(part) for part in OFFSETS), seconds=240)
        self.until(lambda: b"trade_id" in self.desk("fills"), seconds=240)

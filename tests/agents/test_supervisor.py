"""What the supervisor of a run writes down of its parts."""

import json

from agents.cli.supervisor import LOG, Part, Supervisor
from desk.logs import restarts, starts

LONG = ("timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)")


def test_each_start_and_each_death_is_logged_as_the_desk_reads_it(tmp_path):
    """A part that dies at once is started again and again; the one that lives is started once."""
    supervisor = Supervisor(
        [Part("lasting", LONG), Part("dying", ("no_such_module",), spare=True)],
        main="lasting",
        folder=tmp_path,
    )

    def look():
        supervisor.asked_to_end = supervisor.lives["dying"].starts >= 3

    supervisor.start()
    assert not supervisor.watch(every_s=0.01, on_look=look)
    supervisor.end()
    again = restarts(starts(tmp_path), 0)
    assert dict(again) == {"lasting": 0, "dying": 2}
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    died = [row for row in rows if row["event"] == "process_died"]
    assert {(row["process"], row["code"], row["level"]) for row in died} == {("dying", 1, "error")}
    assert (tmp_path / LOG).stat().st_mode & 0o077 == 0


def test_what_lives_on_after_the_end_was_up_all_the_time(tmp_path):
    """A desk that stays is counted while it stays, and no longer after its own end."""
    parts = [Part("main", LONG), Part("staying", LONG, spare=True)]
    supervisor = Supervisor(parts, main="main", folder=tmp_path)
    supervisor.start()
    supervisor.end(spare=False)
    assert supervisor.account()["staying"]["uptime"] == 1.0
    supervisor.end()
    assert supervisor.account()["staying"]["uptime"] == 1.0

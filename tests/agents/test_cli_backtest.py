import csv
import json
import re
import shlex
import signal
import tempfile
from pathlib import Path

import pytest

from agents.backtest.document import look
from agents.backtest.sweep import span_of
from agents.cli.backtest import Request, reproduction
from agents.cli.flags import resolve
from agents.session import open_session
from tests.agents.command_line import Process, short_day, told

WARM = ("--set", "executor.warmup_s=60")


@pytest.fixture(scope="module")
def data():
    """A folder with half an hour of an artificial market."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        short_day(Path(folder))
        yield Path(folder)


@pytest.fixture
def run(data):
    """Starts a backtest of the recording as a process of its own."""
    begun = []

    def begin(*arguments):
        given = ("--data", data, "--feed", data / "half.npz", *WARM, *arguments)
        begun.append(Process("backtest", *given))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def found(data, *arguments, folder=""):
    """The JSON document of a backtest that was given in this process."""
    code, text = told(
        data / folder, "backtest", "--feed", data / "half.npz", *WARM, "--json", *arguments
    )  # fmt: skip
    assert code == 0, text
    return json.loads(text[text.index("{") :])


def without_sweep(document):
    """What must not depend on the company in which the first row was tried."""
    row = document["rows"][0] | {"starting_set": None}
    names = ("recording", "assumptions", "configuration", "first_row")
    return [row, *(document[name] for name in names)]


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_the_first_row_of_a_sweep_is_reproduced_by_the_printed_command(run, data, kind):
    """End to end, by processes: the very same figures, bounds, fills."""
    sweep = (
        ("--random", 30)
        if kind == "random"
        else ("--grid", "levels=1:4:4,spread-percentage=0.02,0.03")
    )
    files = [data / f"{kind}-{number}.csv" for number in range(2)]
    code, out, err = run(*sweep, "--json", "--maker-fee", -0.5, "--csv", files[0]).end()
    assert code == 0, err
    first = json.loads(out)
    assert len(first["rows"]) > 5
    command = first["reproduce"]
    assert command[:2] == ["counterpoint", "backtest"]
    again = Process(*command[1:], "--json", "--csv", files[1])
    code, out, err = again.end()
    assert code == 0, err
    second = json.loads(out)
    assert without_sweep(second) == without_sweep(first)
    assert float(first["rows"][0]["figures"]["net"]) > 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert second["reproduce"] == command


def test_the_table_prints_the_same_command_and_all_assumptions(run, data):
    """A person copies the last line; above the table stands what it rests on."""
    code, out, err = run("--random", 5, "--top", 3).end()
    assert code == 0, err
    lines = out.splitlines()
    assert lines[-1].startswith("reproduce   counterpoint backtest --feed ")
    words = shlex.split(lines[-1])[1:]
    assert words == found(data, "--random", 5, "--top", 3)["reproduce"]
    head = "\n".join(lines[:6])
    for word in ("SYN-USDT", "2025-01-01T", "maker fee", "cost positive", "fills ", "latency ",
                 "own orders do not move this market", "decisions every 30 s",
                 "guard every 1000 ms", "6 of 6 sets tried", "seed 1"):  # fmt: skip
        assert word in head, word
    assert "it is the best of 6 sets" in out
    row = next(line for line in lines if re.match(r" *1\*? ", line)).split()
    flags = {name: words[words.index(name) + 1] for name in words if name.startswith("--m")}
    assert flags["--max-position"] == row[4]


def test_one_set_shows_everything(data):
    """Like the lone executor: markouts, Sharpe with its count, SQN, both drawdowns."""
    code, text = told(data, "backtest", "--feed", data / "half.npz", *WARM)
    assert code == 0
    for title in ("net of holding", "markout 1 / 10 / 60 s", "Sharpe, a year of 365 days", "SQN",
                  "largest drawdown of net", "quoted on both sides", "verdict", "parts of equal",
                  "the recording is artificial"):  # fmt: skip
        assert title in text, title
    assert "it is the best of" not in text


def test_figures_do_not_depend_on_threads(data):
    """Bit for bit, however many work."""
    documents = [found(data, "--random", 40, "--threads", threads) for threads in (1, 3)]
    assert documents[0] == documents[1]


@pytest.mark.parametrize("cut", [(), ("--hours", 0.4), ("--start", "2025-01-01T00:07:00Z")])
def test_the_kept_tape_gives_what_the_executors_tape_gives(data, cut):
    """Made, kept, or made step by step as the live executor does: the same figures."""
    flags = {"feed.path": data / "half.npz", "executor.warmup_s": 60, "data": data / "other"}
    flags |= dict(zip(("feed.hours" if "--hours" in cut else "feed.start",), cut[1:], strict=False))
    session = open_session(resolve(None, None, flags).settings)
    span = span_of(session, session.tape_builder().advance(session.last_ns))
    lived = look(span, session, session.baseline, trials=1)
    for _ in range(2):
        document = found(data, *cut, folder="other")
        assert document["first_row"] == json.loads(json.dumps(lived.figures))
    assert len(list((data / "other" / "tapes").glob("*.tape"))) > 0


def test_a_damaged_tape_is_made_anew(data):
    """One line says so, and the figures are the same."""
    first = found(data, folder="hurt")
    (path,) = (data / "hurt" / "tapes").glob("*.tape")
    path.write_bytes(path.read_bytes()[:-5000])
    given = ("--feed", data / "half.npz", *WARM, "--json")
    code, text = told(data / "hurt", "backtest", *given)
    assert code == 0
    assert "is made anew" in text
    assert json.loads(text[text.index("{") :]) == first


def test_rows_are_sorted_by_the_figure_asked_for(data):
    """The deepest drawdown last, the largest turnover first."""
    for name, sign in (("drawdown", 1), ("turnover", -1), ("net", -1), ("fills", -1)):
        rows = found(data, "--random", 12, "--sort", name, "--top", 13)["rows"]
        values = [sign * float(row["figures"][name]) for row in rows]
        assert values == sorted(values)
        assert [row["rank"] for row in rows] == list(range(1, 14))


def test_the_starting_set_is_shown_wherever_it_stands(data):
    """Who looks at the best wants to know what there was before."""
    rows = found(data, "--random", 20, "--top", 2)["rows"]
    assert [row["starting_set"] for row in rows].count(True) == 1
    assert len(rows) in {2, 3}


def test_more_trials_widen_the_bounds_and_change_nothing_else(data):
    """The best of a thousand is paid for like a thousand."""
    one, many = found(data), found(data, "--trials", 1000)
    assert one["rows"][0]["figures"] == many["rows"][0]["figures"]
    low, high = one["first_row"]["verdict"], many["first_row"]["verdict"]
    assert high["lower"] < low["lower"] < low["upper"] < high["upper"]
    assert (one["chosen_in_sample"], many["chosen_in_sample"]) == (False, True)


def test_the_fill_model_is_in_every_result_and_matters(data):
    """The two bounds enclose the default, and each says its name."""
    counts = []
    for name in ("trade-through", "power:4", "touch"):
        document = found(data, "--fills", name)
        assert document["assumptions"]["fill_model"] == name
        assert f"--fills {name}" in shlex.join(document["reproduce"])
        counts.append(document["first_row"]["fills"]["count"])
    assert counts[0] < counts[1] < counts[2]
    given = found(data)
    assert given["assumptions"]["fill_model"] == "power:4"
    assert given["assumptions"]["fill_model_parameters"] == {
        "kind": "power", "power": 4.0, "unit": 0.001,
    }  # fmt: skip


def test_latency_is_in_every_result_and_matters(data):
    """A slow line is filled otherwise; the command says which line it was."""
    quick, slow = found(data, "--latency", "1ms"), found(data, "--latency", "sampled:300ms,2s")
    assert quick["assumptions"]["latency"] == "1ms"
    assert "--latency sampled:300ms,2s" in shlex.join(slow["reproduce"])
    assert quick["first_row"]["fills"] != slow["first_row"]["fills"]


def test_a_late_feed_is_in_every_result_and_matters(data):
    """We decide on what we have seen by then; a kept tape of another feed is not taken for it."""
    recorded, late = found(data), found(data, "--set", "feed.delay=sampled:20ms,80ms")
    assert recorded["assumptions"]["feed_delay"] == "recorded"
    assert late["assumptions"]["feed_delay"] == "sampled:20ms,80ms"
    assert "--set feed.delay=sampled:20ms,80ms" in shlex.join(late["reproduce"])
    assert recorded["first_row"]["fills"] != late["first_row"]["fills"]


def test_money_is_text_and_the_parts_add_up(data):
    """Decimal text with eight places; spread + fees + moves of mid = net."""
    figures = found(data, "--maker-fee", 1)["rows"][0]["figures"]
    units = {
        name: round(float(figures[name]) * 1e8)
        for name in ("net", "spread", "fees", "moves_of_mid")
    }
    assert abs(units["net"] - units["spread"] - units["fees"] - units["moves_of_mid"]) <= 2
    assert units["fees"] < 0
    assert all(re.fullmatch(r"-?\d+\.\d{8}", figures[name]) for name in units)


def test_files_are_written_and_named(data):
    """The first row's fills, and its picture as one SVG."""
    document = found(
        data, "--random", 3, "--csv", data / "fills.csv", "--picture", data / "day.svg"
    )
    with (data / "fills.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told_of = document["written"][0]
    assert len(rows) == told_of["fills"] == document["first_row"]["fills"]["count"]
    assert {row["session_id"] for row in rows} == {told_of["session_id"]}
    beside = json.loads((data / "fills.csv.json").read_text(encoding="utf-8"))
    assert beside["session_id"] == told_of["session_id"]
    assert beside["assumptions"] == document["assumptions"]
    assert beside["parameters"] == document["rows"][0]["parameters"]
    picture = (data / "day.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert len(picture) < 300_000
    for word in ("SYN-USDT", "net of holding", "position, SYN", "buys", "sells"):
        assert word in picture, word


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--grid", "spred=1"), 2, "did you mean spread_percentage?"),
        (("--grid", "levels=1:2:5"), 2, "levels must be whole"),
        (("--grid", "levels=1", "--random", 3), 2, "give one of them"),
        (("--range", "levels=1:2"), 2, "belongs to --random"),
        (("--calibrate", "a.npz", "--grid", "levels=1"), 2, "leave out --grid"),
        (("--calibrate", "absent.npz"), 4, "absent.npz"),
        (("--random", 0), 2, "takes 1 to 100,000 sets"),
        (("--random", 3, "--range", "levels=3:2"), 2, "is empty"),
        (("--sort", "profits"), 2, "no figure is called 'profits'"),
        (("--sort", "drawdon"), 2, "did you mean drawdown?"),
        (("--threads", 0), 2, "--threads must be in [1, 256], found 0"),
        (("--slices", 0), 2, "--slices must be in"),
        (("--top", 0), 2, "--top must be in"),
        (("--trials", 0), 2, "--trials must be in"),
        (("--picture", "x.png"), 2, "must end in .svg"),
        (("--csv", "nowhere/f.csv"), 4, "there is no folder nowhere"),
        (("--csv", "/"), 4, "is a folder"),
        (("--csv", "other.npz"), 2, "--csv must end in .csv"),
        (("--picture", "nowhere/f.svg"), 4, "there is no folder nowhere"),
        (("--feed", "absent.npz"), 4, "absent.npz: no such recording"),
        (("--hours", 0.01), 4, "the warm-up and one cycle need"),
        (("--start", "2031-01-01T00:00:00Z"), 4, "lies outside the recording"),
        (("--levels", 60), 4, "levels"),
        (("--base-quantity", 9, "--levels", 3), 4, "base_quantity x levels must be at most"),
        (("--fills", "powr"), 4, "did you mean power?"),
        (("--fills", "power:0"), 4, "power in (0, 100]"),
        (("--fills", "fifo"), 4, "power:4"),
        (("--latency", "5"), 4, "a number with ns, us, ms or s"),
        (("--latency", ""), 2, "--latency is empty"),
        (("--latency", "sampled:5ms"), 4, "99th percentile"),
        (("--guard-interval", 7), 4, "guard_interval_ms"),
    ],
)
def test_a_wrong_request_is_one_line(data, arguments, code, says):
    """What was found, what is allowed, and the right exit code; nothing is written."""
    given = ("--feed", data / "half.npz") if "--feed" not in arguments else ()
    found_code, line = told(data, "backtest", *given, *WARM, *arguments)
    assert says in line
    assert found_code == code


def test_ctrl_c_shows_what_is_known_and_ends_with_130(run):
    """A person who has seen enough gets the table of what was tried."""
    process = run("--random", 30_000, "--guard-interval", 100)
    process.read_until("trying sets")
    process.send(signal.SIGINT)
    code, out, err = process.end()
    assert code == 130, err
    tried = int(re.search(r"interrupted after ([\d,]+) of 30,001 sets", err)[1].replace(",", ""))
    assert 0 < tried < 30_001
    assert f"{tried:,} of 30,001 sets tried, interrupted" in out
    assert "reproduce" in out
    assert "Traceback" not in err


def test_the_command_names_every_setting_that_was_not_the_default(tmp_path, monkeypatch):
    """A configuration file or the environment that is gone tomorrow changes nothing."""
    (tmp_path / "c.toml").write_text("[account]\ncapital = 5000.0\n", encoding="utf-8")
    monkeypatch.setenv("COUNTERPOINT__EXECUTOR__CYCLE_S", "60")
    flags = {"feed.path": Path("a b.npz"), "feed.hours": 2.0, "parameters.levels": 3}
    loaded = resolve(tmp_path / "c.toml", ["optimizer.budget=9"], flags)
    words = reproduction(loaded, Request(), {"levels": "3", "max_position": "1"}, 1)
    line = shlex.join(words)
    assert line.startswith("counterpoint backtest --feed 'a b.npz' --hours 2.0 ")
    for word in ("--set account.capital=5000.0", "--set executor.cycle_s=60", "--levels 3",
                 "--max-position 1", "--seed 1"):  # fmt: skip
        assert word in line
    assert "optimizer" not in line
    assert "--trials" not in line

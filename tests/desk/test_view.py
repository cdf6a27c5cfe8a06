"""The read model over a planted store: what no bus has to be asked for."""

import json

import sqlalchemy as sa

from desk import schema
from desk.live import Live
from desk.story import Story
from desk.view import View
from protocol.messages import JournalRow
from tests.desk.databases import before_sums

EXECUTOR = "executor-1"
HOSTILE = "<script>alert(1)</script> \\x1b[2J"
SECOND = 10**9


def row(seq, kind="step", **body):
    """A row of a journal, at as many seconds as its number."""
    return JournalRow(seq=seq, time_ns=seq * SECOND, kind=kind, body=body)


def order(number, side="buy", quantity="2"):
    """An order as the journal words it."""
    return {
        "order_id": number, "side": side, "price": "100.5", "quantity": quantity, "level": 0,
        "taker": False,
    }  # fmt: skip


def fill(number, of, quantity="1"):
    """A fill of an order."""
    return {
        "order_id": of, "trade_id": number, "side": "buy", "price": "100.5", "quantity": quantity,
        "maker": True, "fee": "0.01", "mark": "100.6", "exchange_time": number,
    }  # fmt: skip


def outcome(number, what):
    """What a venue said of an order."""
    return {"order_id": number, "outcome": what, "exchange_time": 1}


class Clock:
    """Steady time that passes when told to."""

    ns = 0

    def __call__(self):
        """The time."""
        return self.ns


def view_of(store, steady=lambda: 0):
    """A view of run `r`, and what it takes for live."""
    live = Live((EXECUTOR,), steady=steady)
    return View(store, live, run="r"), live


def test_an_order_s_life_is_told_from_what_came_of_it(store):
    """Sent, open, partly and wholly filled, cancelled, rejected; or those that rest alone."""
    store.take(
        "r", EXECUTOR, "intents", [row(1, orders=[order(n) for n in range(1, 7)], cancels=[])]
    )
    told = [outcome(2, "accepted"), outcome(3, "accepted"), outcome(5, "accepted")]
    told += [outcome(5, "cancelled"), outcome(6, "rejected")]
    fills = [fill(1, 3), fill(2, 4, "2")]
    store.take("r", EXECUTOR, "reports", [row(2, fills=fills, outcomes=told)])
    view, _ = view_of(store)
    found = {each["order_id"]: each["state"] for each in view.orders()["orders"]}
    assert found == {
        1: "sent", 2: "open", 3: "partly_filled", 4: "filled", 5: "cancelled", 6: "rejected",
    }  # fmt: skip
    resting = view.orders(resting=True)["orders"]
    assert [each["order_id"] for each in resting] == [3, 2, 1]
    assert resting[0]["filled"] == "1"
    assert [each["order_id"] for each in view.orders(before=3, limit=1)["orders"]] == [2]


def test_a_thinned_curve_ends_where_the_whole_one_does(store):
    """So many points as were asked for, or a few less; the newest is always one of them."""
    names = "opening equity spread fees inventory funding turnover peak drawdown net position mark"
    body = dict.fromkeys(names.split(), "1") | {"fills": 0, "round_trips": 0, "wins": 0}
    rows = [row(n, "cycle", **body, observation=[], trips=[]) for n in range(1, 1001)]
    store.take("r", EXECUTOR, "cycles", rows)
    view, _ = view_of(store)
    for points in (2, 7, 100, 999):
        found = [each["time_ns"] // SECOND for each in view.equity(points=points)["points"]]
        assert found == sorted(found)
        assert found[-1] == 1000
        assert len(found) <= points + 1
    assert len(view.equity(points=5000)["points"]) == 1000
    assert len(view.equity(since_ns=991 * SECOND, points=5000)["points"]) == 10


def test_a_curve_with_gaps_is_thinned_evenly_in_time(store):
    """A pause counts as one point, a burst as one moment; both ends are there."""
    names = "opening equity spread fees inventory funding turnover peak drawdown net position mark"
    body = dict.fromkeys(names.split(), "1") | {"fills": 0, "round_trips": 0, "wins": 0}
    numbers = [*range(1, 101), *range(900, 1001)]
    rows = [row(n, "cycle", **body, observation=[], trips=[]) for n in numbers]
    store.take("r", EXECUTOR, "cycles", rows)
    view, _ = view_of(store)
    found = [each["time_ns"] // SECOND for each in view.equity(points=10)["points"]]
    assert found == [1, 100, 1000], found


def test_a_story_goes_on_from_where_it_was_told(store):
    """What comes later is added to what is known: a proposal, and what became of it."""
    data = {
        "optimized_params": {"levels": 1}, "performance_metrics": {}, "confidence_score": 0.7,
    }  # fmt: skip
    view, _ = view_of(store)
    own = ("r", "coordinator", "log")
    store.take(*own, [row(1, "answer", id="a", seat="optimizer-1", update={"data": data})])
    (told,) = view.proposals()["proposals"]
    assert (told["id"], told["outcome"]) == ("a", "open")
    store.take(*own, [row(2, "refused", id="a", code="E_NOT_CHOSEN", detail="voted down")])
    store.take(*own, [row(3, "answer", id="b", seat="optimizer-1", update={"data": data})])
    found = [(each["id"], each["outcome"]) for each in view.proposals()["proposals"]]
    assert found == [("b", "open"), ("a", "refused")]
    assert [each["id"] for each in view.proposals(limit=1)["proposals"]] == ["b"]
    assert told["outcome"] == "open", "what was told is not changed afterwards"


def test_the_story_names_who_proposed_who_voted_and_why_it_was_refused():
    """Two proposals, one voted down, one that came into force."""
    data = {
        "optimized_params": {"levels": 1}, "performance_metrics": {}, "confidence_score": 0.7,
    }  # fmt: skip
    entries = [
        row(1, "answer", id="a", seat="optimizer-1", update={"data": data}),
        row(2, "answer", id="b", seat="optimizer-2", update=None),
        row(3, "round", sets=["a"]),
        row(4, "vote", voter=EXECUTOR, choice="reject", reason=HOSTILE),
        row(5, "refused", id="a", code="E_NOT_CHOSEN", detail="voted down"),
        row(6, "proposal", id="c", src="optimizer-1", update={"data": data}),
        row(7, "round", sets=["c"]),
        row(8, "vote", voter=EXECUTOR, choice="approve", reason=""),
        row(
            9, "decision", pair=[1, 1], params={"levels": 1}, basis=["c"], seat="optimizer-1",
            mode="master-slave", generation=0, not_before=1, not_after=2, boundary=None,
        ),
        row(10, "applied", pair=[1, 1]),
        row(11, "applied", pair=[9, 9]),
        row(12, "refused", id="unknown", code="E_STEP", detail=""),
    ]  # fmt: skip
    story = Story([each.model_dump() for each in entries])
    first, second = story.proposals
    assert (first["outcome"], first["code"], first["reason"]) == (
        "refused", "E_NOT_CHOSEN", "voted down",
    )  # fmt: skip
    assert first["votes"] == [{"voter": EXECUTOR, "choice": "reject", "reason": HOSTILE}]
    assert second["outcome"] == "approved"
    (decision,) = story.decisions
    assert decision["outcome"] == "applied"
    assert decision["votes"][0]["choice"] == "approve"


def test_what_was_heard_long_ago_is_called_stale(store):
    """After three seconds of silence the state is silent and the position is the stored one."""
    clock = Clock()
    view, live = view_of(store, clock)
    told = {"venue_time": 5, "position": "1", "mark": "2", "open_buy": "0", "open_sell": "0"}
    live.take("pnl_report", EXECUTOR, told | {"position_limit": "9"})
    live.take("heartbeat", EXECUTOR, {"state": "trading", "lag_ms": 1.0})
    assert view.status()["state"] == "trading"
    assert view.position()["source"] == "live"
    clock.ns += 4 * SECOND
    assert view.status()["state"] == "silent"
    assert view.position()["source"] is None
    assert view.health()["ok"] is False
    assert {each["state"] for each in view.processes()["processes"]} == {"silent"}


def test_the_policy_in_shadow_is_as_it_was_said_and_its_verdicts_as_they_are_journaled(store):
    """Nulls before anything is said; times are text too; other words heard are no verdicts."""
    body = {"stage": "shadow", "since_ns": SECOND, "reason": "not surely better", "blocks": 4}
    store.take("r", EXECUTOR, "heard", [row(1, "pause", ref="a"), row(2, "policy", **body)])
    view, live = view_of(store)
    nothing = view.status()["policy"]
    assert nothing["candidate"] is None
    assert nothing["since"] == {"time": None, "time_ns": None}
    said = {"in_force": "closed_form", "candidate": "plan", "stage": "shadow", "blocks": 4}
    said |= {"round_trips": 9, "reason": "not surely better", "lower": -0.5, "upper": 0.25}
    times = {"since": SECOND, "judged": 2 * SECOND, "weighed": None}
    live.take("status", EXECUTOR, {"venue_time": 5, "policy": said | times})
    told = view.status()["policy"]
    assert {name: told[name] for name in said} == said
    assert {name: told[name]["time_ns"] for name in times} == times
    assert told["judged"]["time"] == "1970-01-01T00:00:02Z"
    (verdict,) = view.parameters()["verdicts"]
    assert verdict == {"time": told["judged"]["time"], "time_ns": 2 * SECOND, **body}


def test_words_of_strangers_stay_text(store, tmp_path):
    """HTML and escapes come out as they went in, as JSON; log lines as printable text."""
    store.take("r", EXECUTOR, "parameters", [row(1, "refused", detail=HOSTILE)])
    view, live = view_of(store)
    told = json.dumps(view.parameters())
    assert json.loads(told)["history"][0]["detail"] == HOSTILE
    assert told.isascii()
    (tmp_path / "optimizer-1.log").write_text(
        json.dumps({"time": "2026", "event": "\x1b[2J<b>"}) + "\nno json\n[1]\n", encoding="utf-8"
    )
    (line,) = View(store, live, run="r", folder=tmp_path).logs()["logs"]
    assert line["event"] == "\\x1b[2J<b>"


def test_a_store_of_the_version_before_gets_what_it_lacks(store):
    """The table of actions is added; what was there stays."""
    store.take("r", EXECUTOR, "parameters", [row(1, "applied")])
    before_sums(store)
    with store.engine.begin() as connection:
        schema.ACTIONS.drop(connection)
        connection.execute(sa.update(schema.VERSIONS).values(version=1))
    store.prepare()
    with store.reading() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(schema.ACTIONS)).scalar() == 0
        )
        assert connection.execute(sa.select(schema.VERSIONS.c.version)).scalar() == schema.VERSION
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(schema.EVENTS)).scalar() == 1
        )

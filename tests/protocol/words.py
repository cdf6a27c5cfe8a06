"""One example and one hypothesis strategy of every word."""

import json

from hypothesis import strategies as st

from protocol import messages as m
from protocol.elements import INT_MAX

EXAMPLE = b"""{"timestamp": "2024-01-20T15:30:45Z", "source_agent": "julia_rl",
 "target_agent": "python_optimizer", "message_type": "parameter_update",
 "data": {"optimized_params": {"spread_percentage": 0.18, "levels": 4, "base_quantity": 0.001,
                               "max_position": 0.01},
          "performance_metrics": {"sqn_score": 2.45, "sharpe_ratio": 1.8, "max_drawdown": 0.05},
          "confidence_score": 0.87}}"""
ID = "0123456789abcdef" * 2
DIGEST = "0123456789abcdef" * 4

count = st.integers(0, INT_MAX)
finite = st.floats(allow_nan=False, allow_infinity=False)
unit = st.floats(0, 1)
name = st.from_regex(r"[a-z0-9_-]{1,24}", fullmatch=True)
text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
agent = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)
message_id = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
digest = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
ids = st.lists(message_id, max_size=3).map(tuple)
pair = st.tuples(count, count)
mode = st.sampled_from(list(m.Mode))
utc = st.integers(0, 2**62).map(m.utc_text)
symbol = st.sampled_from(["BTC-USDT", "NEXO-USDT", "1INCH-BTC"])
amount = st.decimals(allow_nan=False, allow_infinity=False, places=8).map(lambda d: f"{d:f}")
amount = amount.filter(lambda t: len(t) <= 64)
side = st.sampled_from(list(m.Direction))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-INT_MAX - 1, INT_MAX) | finite | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)
plain_map = st.dictionaries(text, st.none() | st.booleans() | finite | text, max_size=3)


@st.composite
def parameters(draw, largest=1e9):
    """A valid set; the position bound is a decimal multiple of the quantity or anything above."""
    base = draw(st.floats(1e-8, largest, exclude_min=True))
    levels = draw(st.integers(1, 50))
    room = draw(st.floats(1.0000001, 100))
    return m.QuoteParameters(
        spread_percentage=draw(st.floats(0, 10, exclude_min=True)),
        levels=levels,
        base_quantity=base,
        max_position=base * levels * room,
    )


@st.composite
def metrics(draw):
    """The three, and up to two more."""
    more = draw(st.dictionaries(text, finite, max_size=2))
    own = {
        "sqn_score": draw(finite),
        "sharpe_ratio": draw(finite),
        "max_drawdown": draw(unit),
    }
    return m.PerformanceMetrics.model_validate(more | own)


data = st.builds(
    m.UpdateData,
    optimized_params=parameters(),
    performance_metrics=metrics(),
    confidence_score=unit,
)
round_set = st.builds(
    m.RoundSet,
    id=message_id,
    src=name,
    timestamp=utc,
    params=parameters(),
    performance_metrics=metrics(),
    confidence_score=unit,
    weight=st.integers(0, 10**8),
)
rounds = st.builds(
    m.Round,
    round=count,
    incumbent=parameters(),
    sets=st.lists(round_set, max_size=2).map(tuple),
    candidate=parameters(),
    deadline=count,
)
executor_state = st.builds(
    m.ExecutorState,
    executor=name,
    epoch=count,
    version=count,
    digest=st.none() | digest,
    mode=mode,
    generation=count,
    stops=ids,
)


@st.composite
def decisions(draw):
    first, last = sorted((draw(count), draw(count)))
    return m.Decision(
        params=draw(parameters()),
        basis=draw(ids),
        mode=draw(mode),
        not_before=first,
        not_after=last,
    )


WORD_STRATEGIES = {
    "parameter_update": st.builds(
        m.ParameterUpdate,
        timestamp=utc,
        source_agent=agent,
        target_agent=agent,
        message_type=st.just("parameter_update"),
        data=data,
    ),
    "no_update": st.builds(m.NoUpdate, window=pair, digest=digest, reason=text),
    "boundary": st.builds(m.Boundary, index=count, venue_time=count, promoted=st.booleans()),
    "boundary_done": st.builds(m.BoundaryDone, index=count, decision=st.none() | pair),
    "round": rounds,
    "vote": st.builds(
        m.Vote,
        round=count,
        candidate=digest,
        choice=st.sampled_from(list(m.Choice)),
        reason=st.none() | text,
    ),
    "decision": decisions(),
    "ack": st.builds(m.Ack, stage=st.sampled_from(list(m.Stage)), digest=st.none() | digest),
    "nack": st.builds(
        m.Nack,
        code=st.sampled_from(list(m.NackCode)),
        detail=text,
        retry_after_ms=st.none() | count,
    ),
    "heartbeat": st.builds(m.Heartbeat, state=text, lag_ms=st.floats(0, 1e9)),
    "coordinator_heartbeat": st.builds(
        m.CoordinatorHeartbeat,
        epoch=count,
        executors=st.lists(executor_state, max_size=2).map(tuple),
    ),
    "snapshot_request": st.builds(m.SnapshotRequest, have=pair),
    "snapshot": st.builds(
        m.Snapshot,
        pair=pair,
        params=st.none() | parameters(),
        not_before=st.none() | count,
        not_after=st.none() | count,
        mode=mode,
        generation=count,
        round=st.none() | rounds,
        stops=ids,
    ),
    "mode_change": st.builds(m.ModeChange, old=mode, to=mode, gen=count, reason=text),
    "emergency_stop": st.builds(m.EmergencyStop, scope=name, flatten=st.booleans(), reason=text),
    "rearm": st.builds(m.Rearm, lifts=ids, reason=text),
    "pause": st.just(m.Pause()),
    "resume": st.just(m.Resume()),
    "journal_request": st.builds(m.JournalRequest, after=count),
    "journal_page": st.builds(
        m.JournalPage,
        rows=st.lists(
            st.builds(m.JournalRow, seq=count, time_ns=count, kind=text, body=plain_map), max_size=2
        ).map(tuple),
    ),
    "status": st.dictionaries(text, plain_map, max_size=2).map(m.Status.model_validate),
    "market_insight": st.builds(
        m.MarketInsight,
        symbol=symbol,
        kind=text,
        value=finite,
        horizon_s=st.floats(0, 1e9),
        confidence=unit,
    ),
    "fill": st.builds(
        m.Fill,
        symbol=symbol,
        order_id=count,
        trade_id=count,
        side=side,
        price=amount,
        quantity=amount,
        fee=amount,
        fee_asset=st.just("USDT"),
        maker=st.booleans(),
        venue_time=count,
    ),
    "pnl_report": st.builds(
        m.PnlReport,
        symbol=symbol,
        venue_time=count,
        opening=amount,
        equity=amount,
        spread=amount,
        fees=amount,
        inventory=amount,
        funding=amount,
        position=amount,
        fills=count,
        round_trips=count,
        pair=pair,
    ),
    "order": st.builds(
        m.OrderRow,
        symbol=symbol,
        order_id=count,
        side=side,
        price=amount,
        quantity=amount,
        remaining=amount,
        level=count,
        state=text,
        venue_time=count,
    ),
    "log": st.builds(m.LogRow, level=text, event=text, time_ns=count, fields=plain_map),
}


def example_document():
    """The specification's example as Python values."""
    return json.loads(EXAMPLE)


def params():
    """The example's parameters."""
    return m.QuoteParameters(
        spread_percentage=0.18, levels=4, base_quantity=0.001, max_position=0.01
    )


def a_round():
    """One round with one set."""
    one = m.RoundSet(
        id=ID,
        src="optimizer-1",
        timestamp="2024-01-20T15:30:45Z",
        params=params(),
        performance_metrics=m.PerformanceMetrics(
            sqn_score=2.45, sharpe_ratio=1.8, max_drawdown=0.05
        ),
        confidence_score=0.87,
        weight=50_000_000,
    )
    return m.Round(round=7, incumbent=params(), sets=(one,), candidate=params(), deadline=5)


def reports():
    """The words of journals and telemetry."""
    amounts = dict.fromkeys(("opening", "equity", "spread", "fees", "inventory"), "1.50")
    return [
        m.JournalRequest(after=3),
        m.JournalPage(rows=(m.JournalRow(seq=1, time_ns=2, kind="x", body={"a": [1, "b"]}),)),
        m.Status.model_validate({"state": "quoting", "more": {"a": [1.5]}}),
        m.MarketInsight(symbol="BTC-USDT", kind="trend", value=1.5, horizon_s=60.0, confidence=0.5),
        m.Fill(
            symbol="BTC-USDT",
            order_id=1,
            trade_id=2,
            side=m.Direction.BUY,
            price="100.5",
            quantity="0.001",
            fee="-0.00001",
            fee_asset="USDT",
            maker=True,
            venue_time=3,
        ),
        m.PnlReport(
            symbol="BTC-USDT",
            venue_time=1,
            position="0",
            fills=2,
            round_trips=1,
            pair=(1, 2),
            **amounts,
        ),
        m.OrderRow(
            symbol="BTC-USDT",
            order_id=1,
            side=m.Direction.SELL,
            price="1",
            quantity="2",
            remaining="0",
            level=0,
            state="filled",
            venue_time=3,
        ),
        m.LogRow(level="info", event="parameters_applied", time_ns=1, fields={"version": 412}),
    ]


def examples():
    """One of every word, every option filled."""
    state = m.ExecutorState(
        executor="executor-1",
        epoch=1,
        version=2,
        digest=DIGEST,
        mode=m.Mode.PEER,
        generation=1,
        stops=(ID,),
    )
    return [
        m.ParameterUpdate.model_validate(example_document()),
        m.NoUpdate(window=(1, 2), digest=DIGEST, reason="nothing better"),
        m.Boundary(index=1, venue_time=2),
        m.BoundaryDone(index=1, decision=(1, 2)),
        a_round(),
        m.Vote(round=7, candidate=DIGEST, choice=m.Choice.APPROVE, reason="fine"),
        m.Decision(params=params(), basis=(ID,), mode=m.Mode.CONSENSUS, not_before=1, not_after=2),
        m.Ack(stage=m.Stage.APPLIED, digest=DIGEST),
        m.Nack(code=m.NackCode.BUSY, detail="later", retry_after_ms=5),
        m.Heartbeat(state="quoting", lag_ms=0.5),
        m.CoordinatorHeartbeat(epoch=1, executors=(state,)),
        m.SnapshotRequest(have=(0, 0)),
        m.Snapshot(
            pair=(1, 2),
            params=params(),
            not_before=1,
            not_after=2,
            mode=m.Mode.PEER,
            generation=1,
            round=a_round(),
            stops=(ID,),
        ),
        m.ModeChange(old=m.Mode.PEER, to=m.Mode.CONSENSUS, gen=1, reason="drill"),
        m.EmergencyStop(scope="all", flatten=True, reason="drill"),
        m.Rearm(lifts=(ID,), reason="over"),
        m.Pause(),
        m.Resume(),
        *reports(),
    ]

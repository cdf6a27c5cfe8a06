"""The scoreboard: what each arm may look at, pieces that are found again, placebos, the oracle."""

import json

import numpy as np
import pytest

from agents.evaluation import arms as playing
from agents.evaluation.budget import budget_of, following, within
from agents.evaluation.ground import opened
from agents.evaluation.learned import LEARNED, learned_ground, planned, residual_of
from agents.evaluation.oracle import oracle, tables_of
from agents.evaluation.piece import Task, computed, edges_of, key_of, piece, sources_digest
from agents.evaluation.plan import the_plan
from agents.evaluation.summary import document_of
from agents.evaluation.tuning import Tuned, preferred, steadiest
from agents.settings import Policy, Settings
from agents.training import Trained
from exchange.errors import RecordingError
from exchange.importers.synthetic import climate_recording, synthetic_recording
from exchange.recording import save
from market.breach import LIMIT_VALUE
from market.climates import CLIMATES
from market.comparison import PERIOD_NET
from market.layout import SCALE_LOT
from market.policy import POLICY_DYNAMIC, POLICY_RESIDUAL, POLICY_VOLATILITY, RESIDUALS
from market.replay import replay_one
from market.replay_step import EQUITY_EXCESS, FILLED_LOTS, FILLED_SIDE
from market.schedule import replay_schedule, scaled
from protocol.messages import QuoteParameters

PLAN = the_plan().model_copy(
    update={"train_hours": 1.2, "sets": 12, "slices": 6, "draws": 200, "period_s": 120}
    | {"residual_steps": 200_000}
)
ALL = tuple(name for name in PLAN.arms if name not in PLAN.modes)


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """Four hours of a market with changing climates."""
    path = tmp_path_factory.mktemp("day") / "climates.npz"
    save(path, climate_recording("climates-value", 4, 4.0))
    return path


def settings(path, **feed):
    document = {
        "feed": {"path": path, "maker_fee_bps": 0.0} | feed,
        "executor": {"warmup_s": 120},
        "optimizer": {"boundary_s": 3600, "budget": 6, "threads": 1},
    }
    return Settings.model_validate(document)


@pytest.fixture(scope="module")
def ground(feed):
    return opened(settings(feed), PLAN, training=True)


@pytest.fixture(scope="module")
def carried(ground):
    return playing.begun(ground, {})


@pytest.fixture(scope="module")
def learned(feed, carried):
    """The ground of L and F, and what they begin with."""
    closed = playing.grounds_of(opened(settings(feed), PLAN, training=True), carried)["B"]
    return learned_ground(closed, planned(settings(feed), PLAN, training=True), carried)


def quiet(_name):
    """Progress that nobody reads."""


def task(feed, arms=("N", "S0", "S1", "P1"), **more):
    tables = {name: QuoteParameters.model_validate(SET) for name in CLIMATES}
    given = {"number": 0, "settings": settings(feed), "plan": PLAN, "arms": arms, "before": None}
    return Task(**(given | {"tables": tables} | more))


SET = {"spread_percentage": 0.05, "levels": 2, "base_quantity": 1.0, "max_position": 5.0}


def test_the_plan_is_complete_and_names_what_it_compares():
    """Every pair is of known arms; the primary figure is one that is computed."""
    plan = the_plan()
    assert all(ours in plan.arms and theirs in plan.arms for ours, theirs in plan.pairs)
    assert ("T", "V") in plan.pairs
    assert plan.primary == "net_equal_volatility"
    assert len(plan.fees_bps) == 4


def test_test_begins_after_training_and_purge(ground):
    """All of it on edges of cycles; too short a recording is refused in one line."""
    hour = 3600 * 10**9
    assert ground.time(ground.train) - ground.time(ground.begin) == round(1.2 * hour)
    assert ground.time(ground.first) - ground.time(ground.train) >= PLAN.purge_s * 10**9
    cycle = ground.session.settings.executor.cycle_ns
    assert ground.time(ground.begin) % cycle == ground.time(ground.first) % cycle == 0
    edges = edges_of(ground)
    assert (np.diff(edges) == 120 * 10**9).all()
    assert edges[-1] <= ground.time(ground.last - 1)


def test_a_recording_shorter_than_its_training_is_refused(tmp_path):
    """What is needed and what was found."""
    path = tmp_path / "short.npz"
    save(path, synthetic_recording(seed=1, hours=1.0))
    with pytest.raises(RecordingError, match="training, purge and two periods need"):
        opened(settings(path), PLAN, training=True)


def test_the_steadiest_earns_most_for_its_deviation():
    """Not the largest mean; and one that hardly trades does not win by its tiny deviation."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(5, 24))
    wild, steady = 2.0 + 20.0 * noise[0], 1.0 + 0.5 * noise[1]
    tiny = 0.001 + 0.0001 * noise[2]
    assert steadiest(np.stack([wild, steady, tiny, noise[3], noise[4]])) == 1


def test_tuning_looks_at_nothing_after_its_window(feed, ground, carried):
    """With the recording cut after the training, S1 and V are the same sets."""
    hours = (ground.time(ground.first) - ground.session.first_ns) / 3.6e12 + 0.2
    short = settings(feed, hours=hours)
    assert playing.begun(opened(short, PLAN, training=True), {}) == carried


def test_each_arm_decides_at_cycles_of_the_test_alone(ground, carried, learned):
    """Starts rise, lie on edges of cycles, begin with the test; N has none."""
    cycle = ground.session.settings.executor.cycle_ns
    for name, arm in playing.arms_of(ground).items():
        schedule = arm(learned[0] if name in LEARNED else ground, carried | learned[1])
        if name == "N":
            assert not schedule.starts.size
            continue
        times = [ground.time(int(each)) for each in schedule.starts]
        assert schedule.starts[0] == ground.first
        assert (np.diff(schedule.starts) > 0).all()
        assert all(each % cycle == 0 for each in times)
    volatile = playing.shuffled(ground, carried)
    assert len(volatile.starts) == len(ground.cycles(ground.first, ground.last))
    assert len(np.unique(volatile.sets[:, 0])) > 10
    assert playing.tuned_daily(ground, carried).tried == 13


def test_the_learned_arms_have_a_ground_of_their_own(feed, ground, carried, learned):
    """Same steps, another plan on the tape; what was learned is carried on, and quoted by."""
    own, begun = learned
    assert (own.begin, own.train, own.first, own.last) == (
        ground.begin,
        ground.train,
        ground.first,
        ground.last,
    )
    for policy in Policy:
        told = begun | {"residual": [0.25] * RESIDUALS, "policy": policy.value}
        plain = opened(settings(feed), PLAN, training=False)
        closed = playing.grounds_of(plain, carried)["B"]
        later, kept = learned_ground(
            closed, planned(settings(feed), PLAN, training=False), carried | told
        )
        setup = later.session.setup
        assert kept == told
        assert setup.policy[POLICY_RESIDUAL:].tolist() == told["residual"]
        assert setup.policy[POLICY_DYNAMIC] == (policy is Policy.PLAN)
        assert setup.policy[POLICY_VOLATILITY] == carried["reference"]
        assert setup.limits[LIMIT_VALUE] == carried["budget"]
        assert later.begin == later.train == later.first == ground.begin


def test_of_nearly_as_steady_sets_the_one_with_better_trades_is_taken():
    """Within a tenth; further below the steadiest no trades are good enough."""
    held = QuoteParameters.model_validate(SET)
    steady, better, worse = Tuned(held, 1.0, 2.0), Tuned(held, 0.91, 3.0), Tuned(held, 0.89, 9.0)
    assert preferred([steady, better, worse]) is better
    assert preferred([steady, worse]) is steady
    lost = [Tuned(held, -1.0, 1.0), Tuned(held, -1.05, 5.0)]
    assert preferred(lost) is lost[0]


def test_a_residual_is_kept_only_if_data_that_it_never_saw_say_so(monkeypatch, learned):
    """The plan alone quotes unless the held-out end is surely better."""
    ground, begun = learned
    frame = QuoteParameters.model_validate(begun["L"])
    told = Trained(np.full(RESIDUALS, 0.1), (), {}, {"slices": 6, "mean": 1.0, "lower": 0.1})
    monkeypatch.setattr("agents.evaluation.learned.train", lambda *_, **__: told)
    assert residual_of(ground, frame).tolist() == [0.1] * RESIDUALS
    told.held_out["lower"] = -0.1
    assert residual_of(ground, frame).tolist() == [0.0] * RESIDUALS


def test_a_budget_holds_positions_and_looks_at_the_training_alone(feed, ground, carried):
    """A quarter of the suggested position at the median; half the budget, half the position."""
    hours = (ground.time(ground.first) - ground.session.first_ns) / 3.6e12 + 0.2
    short = opened(settings(feed, hours=hours), PLAN, training=True)
    assert budget_of(short) == budget_of(ground) == carried["budget"]
    largest = {}
    for share in (1.0, 0.5):
        held = within(ground, share * carried["budget"])
        schedule = playing.suggested(held, {})
        record = replay_schedule(
            held.tape, schedule.starts, schedule.sets, held.session.setup, last_step=held.last
        )
        lots = np.cumsum(record.filled[:, FILLED_SIDE] * record.filled[:, FILLED_LOTS])
        largest[share] = int(np.abs(lots).max())
    scale = ground.session.setup.scale
    suggested = ground.session.baseline.max_position * 1e8 / scale[SCALE_LOT]
    assert 0 < largest[0.5] < largest[1.0] < suggested


def test_v_follows_volatility_on_a_ground_of_its_own(ground, carried):
    """It trades as its schedule would; the plain ground stays as it was."""
    grounds = playing.grounds_of(ground, carried)
    for name in ("V", "B"):
        assert grounds[name].session.setup.policy[POLICY_VOLATILITY] == carried["reference"] > 0.0
    assert following(ground, 0.0).session.setup.policy[POLICY_VOLATILITY] == 0.0
    assert ground.session.setup.policy[POLICY_VOLATILITY] == 0.0
    schedule = playing.kept_on("V")(grounds["V"], carried)
    starts = ground.cycles(ground.first, ground.last)
    sets = scaled(ground.tape, schedule.sets[0], starts, reference=carried["reference"])
    told = {"last_step": ground.last}
    own = replay_schedule(ground.tape, *pair(schedule), grounds["V"].session.setup, **told)
    twin = replay_schedule(ground.tape, starts, sets, ground.session.setup, **told)
    assert own.filled.tobytes() == twin.filled.tobytes()
    assert len(own.filled) > 50


def pair(schedule):
    return schedule.starts, schedule.sets


def test_nobody_has_a_larger_budget_than_configured(feed):
    """The limit of the settings holds for every arm."""
    tight = settings(feed).model_copy(deep=True)
    tight = tight.model_copy(
        update={"risk": tight.risk.model_copy(update={"value_at_risk_limit": 1e-6})}
    )
    assert budget_of(opened(tight, PLAN, training=True)) == 1e-6


def test_the_oracle_trades_in_proportion_to_mean_over_variance(feed, tmp_path, monkeypatch):
    """The largest as tuned; where nothing is earned nothing is quoted."""
    held = QuoteParameters.model_validate(SET)
    worths = iter([2.0, 1.0, 0.0, 0.5])
    monkeypatch.setattr("agents.evaluation.oracle._tuned_on", lambda *_, **__: (held, next(worths)))
    told = {"code": "1", "on_climate": quiet}
    found = tables_of(settings(feed), PLAN, "climates-value", tmp_path, **told)
    shares = [found[name].max_position / held.max_position for name in CLIMATES]
    assert shares == pytest.approx([1.0, 0.5, 0.0, 0.25], abs=1e-5)
    assert tables_of(settings(feed), PLAN, "climates-value", tmp_path, **told) == found
    ground = opened(settings(feed), PLAN, training=False)
    silent = playing.fixed(ground, found[list(CLIMATES)[2]])
    record = replay_schedule(
        ground.tape, silent.starts, silent.sets, ground.session.setup, last_step=ground.last
    )
    assert len(record.placed) == 0


def test_placebos_differ_from_each_other_and_from_nothing_else(ground, carried):
    """The same moves of the same set, by other chances; each again the same."""
    arms = playing.arms_of(ground)
    one, other = arms["P1"](ground, carried), arms["P2"](ground, carried)
    assert one.starts.tolist() == other.starts.tolist()
    assert (one.sets != other.sets).any()
    assert one.sets.tolist() == arms["P1"](ground, carried).sets.tolist()
    held = playing.kept_on("S1")(ground, carried).sets[0]
    for each in (one, other):
        assert (np.abs(np.log(each.sets[:, 0] / held[0])) <= PLAN.placebo_step + 1e-9).all()
    later = arms["P1"](ground, dict(carried) | {"P1": one.kept})
    assert later.sets.tolist() != one.sets.tolist()


def test_the_oracle_changes_with_the_climate(ground):
    """At the first cycle at or after each change, to that climate's set."""
    tables = {
        name: QuoteParameters.model_validate(SET | {"levels": number})
        for number, name in enumerate(CLIMATES, start=1)
    }
    schedule = oracle(tables)(ground, {})
    names = list(CLIMATES)
    for start, row in zip(schedule.starts, schedule.sets, strict=True):
        standing = [name for at, name in ground.climates if at <= ground.time(int(start))]
        assert names[int(row[1]) - 1] == standing[-1]
    assert schedule.starts[0] == ground.first


def test_a_piece_is_what_replays_say(ground, feed):
    """Periods of S0 add up to its replay's profit; N has none."""
    document = computed(task(feed), "key", quiet)
    assert tuple(document["arms"]) == ("N", "S0", "S1", "P1")
    record = replay_one(
        ground.tape,
        playing.suggested(ground, {}).sets[0],
        ground.session.setup,
        first_step=ground.first,
        last_step=ground.last,
    )
    excess = record.equity[: document["periods"] * 4 + 1, EQUITY_EXCESS]
    nets = np.array(document["arms"]["S0"]["rows"])[:, PERIOD_NET]
    assert nets.sum() == pytest.approx((excess[-1] - excess[0]) / 1e8)
    assert document["arms"]["S0"]["fills"] == len(record.filled) > 0
    assert not np.array(document["arms"]["N"]["rows"]).any()


def test_a_piece_that_is_there_is_not_computed_again(feed, tmp_path):
    """Found by its digest; another fee, arm, setting or code is another piece."""
    code, played = sources_digest(), []
    first = piece(task(feed, arms=("N",)), tmp_path, code=code, on_arm=played.append)
    assert played == ["training", "N"]
    assert piece(task(feed, arms=("N",)), tmp_path, code=code, on_arm=played.append) == first
    assert played == ["training", "N"]
    same = key_of(task(feed, arms=("N",)), code)
    assert same == first["key"]
    dear = settings(feed, maker_fee_bps=1.0)
    given = settings(feed)
    sure = {"coordinator": given.coordinator.model_copy(update={"confidence_min": 0.9})}
    base = {"parameters": given.parameters.model_copy(update={"spread_percentage": 0.3})}
    others = [
        key_of(task(feed, arms=("N",)), "other code"),
        key_of(task(feed, arms=("N", "S0")), code),
        key_of(task(feed, arms=("N",), settings=dear), code),
        key_of(task(feed, arms=("N",), before={"key": "1"}), code),
        key_of(task(feed, arms=("N",), settings=given.model_copy(update=sure)), code),
        key_of(task(feed, arms=("N",), settings=given.model_copy(update=base)), code),
    ]
    assert len({same, *others}) == 7


@pytest.mark.parametrize("harm", [b"", b'{"arms": {}}', b"\xff\xfe", b"[1]", None])
def test_a_damaged_piece_is_computed_again(feed, tmp_path, harm):
    """Empty, cut, of another shape, or with one digit changed: it counts for nothing."""
    code = sources_digest()
    first = piece(task(feed, arms=("N",)), tmp_path, code=code, on_arm=quiet)
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b'"fills": 0', b'"fills": 9') if harm is None else harm)
    assert path.read_bytes() != sound
    assert piece(task(feed, arms=("N",)), tmp_path, code=code, on_arm=quiet) == first
    assert path.read_bytes() == sound


def test_what_cannot_be_better_differs_by_its_handicap_alone(ground, carried, feed):
    """The same spreads at other times; the same fills and twice the fee."""
    mixed = playing.shuffled(ground, carried)
    row = playing.kept_on("V")(ground, carried).sets[0]
    steady = scaled(ground.tape, row, mixed.starts, reference=carried["reference"])
    assert (mixed.sets != steady).any()
    assert sorted(mixed.sets[:, 0]) == sorted(steady[:, 0])
    assert (mixed.sets[:, 1:] == steady[:, 1:]).all()
    arms = computed(task(feed, arms=("S1", "D")), "key", quiet)["arms"]
    assert arms["D"]["turnover"] == arms["S1"]["turnover"] > 0.0
    nets = {name: np.array(each["rows"])[:, PERIOD_NET].sum() for name, each in arms.items()}
    assert nets["S1"] - nets["D"] == pytest.approx(arms["S1"]["turnover"] * 1e-4, rel=0.01)


@pytest.mark.slow
def test_later_recordings_go_on_from_the_first(feed):
    """S1 is not tuned again, R is on the one before, and the whole is joined in order."""
    one = computed(task(feed, arms=ALL), "one", quiet)
    two = computed(task(feed, arms=ALL, number=1, before=one), "two", quiet)
    assert two["carried"]["S1"] == one["carried"]["S1"]
    assert one["carried"]["R"] == two["carried"]["R"]  # tuned on the same day twice
    assert two["periods"] > one["periods"]  # no training
    document = document_of([one, two], PLAN, ALL)
    (tier,) = document["tiers"]
    assert tuple(tier["arms"]) == ALL
    assert tier["periods"] == one["periods"] + two["periods"]
    assert len(tier["curves"]["T"]) == tier["periods"]
    pairs = [(each["ours"], each["theirs"]) for each in tier["differences"]]
    assert pairs == [each for each in PLAN.pairs if set(each) <= set(ALL)]
    assert len(tier["progress"]["T"]) == 4
    quarter = tier["periods"] // 4  # the first parts have one more, where it does not divide
    assert tier["progress"]["T"][-1] == pytest.approx(
        tier["curves"]["T"][-1] - tier["curves"]["T"][-1 - quarter]
    )
    assert sum(tier["progress"]["T"]) == pytest.approx(tier["arms"]["T"]["figures"]["net"])
    still = next(each for each in tier["differences"] if each["theirs"] == "N")
    assert still["figures"]["net"]["theirs"] == 0.0
    assert json.loads(json.dumps(document)) == document

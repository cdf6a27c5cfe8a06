"""The merges of PROTOCOL.md 4: what peers add up to, what voters agree on."""

import itertools
import json
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocol.merge import (
    UNITS,
    candidate_of,
    digest,
    median_merge,
    on_grid,
    peer_merge,
    quantise,
    weight_units,
    within_step,
)
from protocol.messages import Mode, PerformanceMetrics, QuoteParameters, Round, RoundSet
from tests.protocol import merge_vectors
from tests.protocol.test_merge import changed, on_the_grid
from tests.protocol.words import parameters, params

QUARTER = 0.25


def coordinates(whole):
    """Spread, levels, base x levels, max_position as integers."""
    spread, _, base, position = quantise(whole)
    return spread, whole.levels, base * whole.levels, position


@st.composite
def coarse(draw):
    """A valid set of a few units, where hardly any quantity fits."""
    levels, base = draw(st.integers(1, 50)), draw(st.integers(1, 6))
    return QuoteParameters(
        spread_percentage=draw(st.integers(1, 9)) / 1e8,
        levels=levels,
        base_quantity=base / 1e8,
        max_position=(base * levels + draw(st.integers(0, 9))) / 1e8,
    )


incumbents = on_the_grid() | coarse()
proposals = on_the_grid() | coarse() | parameters()


@st.composite
def around(draw, held, spread=0.4):
    """A valid set within some forty percent of `held` on every coordinate."""
    near = st.floats(1 - spread, 1 + spread)
    levels = max(1, min(50, held.levels + draw(st.integers(-3, 3))))
    total = held.base_quantity * held.levels * draw(near)
    return QuoteParameters(
        spread_percentage=min(10.0, held.spread_percentage * draw(near)),
        levels=levels,
        base_quantity=total / levels,
        max_position=max(total * 1.000001, held.max_position * draw(near)),
    )


@st.composite
def rounds(draw, seats_max=7):
    """(incumbent, seats, sets)."""
    held = draw(incumbents)
    seats = draw(st.integers(1, seats_max))
    each = st.one_of(proposals, around(held))
    return held, seats, draw(st.lists(each, max_size=seats))


@settings(max_examples=300, deadline=None)
@given(rounds(), st.data(), st.sampled_from([0.0, 0.1, QUARTER, 1.0]))
def test_valid_sets_merge_to_a_valid_set_in_any_order(play, data, fraction):
    """Both merges: valid on the grid, one step from the incumbent, the order irrelevant."""
    held, seats, sets = play
    weights = st.integers(0, UNITS // seats)
    weighted = [(each, data.draw(weights)) for each in sets]
    shuffled = data.draw(st.permutations(weighted))
    peers = peer_merge(held, weighted, seats=seats, fraction=fraction)
    voters = median_merge(held, sets, seats=seats, fraction=fraction)
    for merged in (peers, voters):
        assert on_grid(merged) == merged
        assert within_step(held, merged, fraction) is None
    assert peer_merge(held, shuffled, seats=seats, fraction=fraction) == peers
    plain = [each for each, _ in shuffled]
    assert median_merge(held, plain, seats=seats, fraction=fraction) == voters


@given(rounds())
def test_zero_confidence_changes_nothing(play):
    """Whoever is sure of nothing weighs nothing, and so does whoever is absent."""
    held, seats, sets = play
    weight = weight_units(0.0, wins=3, outcomes=3, seats=seats)
    merged = peer_merge(held, [(each, weight) for each in sets], seats=seats, fraction=QUARTER)
    assert digest(merged) == digest(held)
    assert digest(median_merge(held, [], seats=seats, fraction=QUARTER)) == digest(held)


@settings(max_examples=300, deadline=None)
@given(rounds(), proposals, st.floats(0, 1), st.integers(0, 30), st.data())
def test_a_peer_moves_nothing_further_than_its_weight_times_the_step(
    play, attack, confidence, outcomes, data
):
    """With him or without him: w_max x delta apart at most, but for the rounding to the grid."""
    held, seats, sets = play
    assume(seats > 1)
    weights = st.integers(0, UNITS // seats)
    others = [(each, data.draw(weights)) for each in sets[: seats - 1]]
    weight = weight_units(confidence, wins=outcomes, outcomes=outcomes, seats=seats)
    assert weight <= UNITS // seats
    without = coordinates(peer_merge(held, others, seats=seats, fraction=QUARTER))
    attacked = [*others, (attack, weight)]
    with_him = coordinates(peer_merge(held, attacked, seats=seats, fraction=QUARTER))
    figures = coordinates(held)
    share = Fraction(weight, UNITS)
    for place, (one, other, figure) in enumerate(zip(without, with_him, figures, strict=True)):
        delta = max(1, figure // 4) if place == 1 else figure // 4
        # Levels are whole; base = floor(total / levels) loses up to a unit a level.
        grain = (1, 1, 2 * 50, 1)[place]
        assert abs(one - other) <= share * delta + grain


@given(incumbents, proposals, st.integers(2, 8))
def test_a_lone_peer_stays_inside_his_bound_exactly(held, attack, seats):
    """The sum is rounded towards the incumbent: no grain of grace for spread and position."""
    weight = UNITS // seats
    merged = peer_merge(held, [(attack, weight)], seats=seats, fraction=QUARTER)
    for place in (0, 3):
        one, other = coordinates(held)[place], coordinates(merged)[place]
        assert abs(one - other) * seats <= one // 4


def test_peers_add_up_as_written():
    """A trader's example: half of the weight says a quarter wider, the rest keeps silent."""
    held = params()
    wider = changed(spread_percentage=0.3, levels=5, base_quantity=0.001, max_position=0.0115)
    merged = peer_merge(held, [(wider, UNITS // 2)], seats=2, fraction=QUARTER)
    # 0.3 counts as 0.225, half of the way is 0.2025; levels 4.5 are 4; 0.0045 over 4 levels.
    assert merged == QuoteParameters(
        spread_percentage=0.2025, levels=4, base_quantity=0.001125, max_position=0.01075
    )
    fewer = changed(levels=3)
    assert peer_merge(held, [(fewer, UNITS // 2)], seats=2, fraction=QUARTER).levels == 3


@pytest.mark.parametrize(
    ("confidence", "wins", "outcomes", "seats", "weight"),
    [
        (1.0, 0, 0, 2, 25_000_000),
        (0.8, 0, 0, 4, 10_000_000),
        (0.1, 1, 1, 3, 2_222_222),
        (0.29, 8, 8, 3, 8_700_000),  # in floats 0.29 * 1e8 is 28999999.999999996
        (0.0, 5, 5, 2, 0),
    ],
)
def test_a_weight_is_whole_arithmetic(confidence, wins, outcomes, seats, weight):
    """Confidence as its decimal text, times (wins + 1) / (outcomes + 2), over the seats."""
    assert weight_units(confidence, wins=wins, outcomes=outcomes, seats=seats) == weight


@pytest.mark.parametrize("confidence", [float("nan"), -0.1, 1.1])
def test_a_weight_of_nonsense_is_refused(confidence):
    """NaN is in no range."""
    with pytest.raises(ValueError, match="no weight follows"):
        weight_units(confidence, wins=0, outcomes=0, seats=2)


def test_weights_beyond_their_share_are_refused():
    """A coordinator that gives one peer more than its share is told so by everybody else."""
    with pytest.raises(ValueError, match="a weight must be in"):
        peer_merge(params(), [(params(), UNITS // 2 + 1)], seats=2, fraction=QUARTER)
    with pytest.raises(ValueError, match="sum to at most"):
        peer_merge(params(), [(params(), UNITS // 2)] * 3, seats=2, fraction=QUARTER)
    with pytest.raises(ValueError, match="one set a seat"):
        median_merge(params(), [params()] * 3, seats=2, fraction=QUARTER)


@settings(max_examples=400, deadline=None)
@given(incumbents, st.data(), st.integers(1, 3))
def test_a_minority_of_liars_stays_inside_the_honest_range(held, data, liars):
    """2 f + 1 seats or 2 f + 2, f of them lie: coordinates between honest sets and incumbent."""
    honest = data.draw(st.lists(around(held, 0.2), min_size=1, max_size=liars + 2))
    seats = data.draw(st.integers(max(2 * liars + 1, len(honest) + liars), 2 * liars + 2))
    lies = data.draw(st.lists(proposals, min_size=liars, max_size=liars))
    sets = data.draw(st.permutations([*honest, *lies]))
    merged = coordinates(median_merge(held, sets, seats=seats, fraction=QUARTER))
    sound = [coordinates(each) for each in [*honest, held]]
    for place, figure in enumerate(merged):
        # Rounding can lift base x levels over the position that it fits into; it counts as that.
        column = [min(row[2], row[3]) if place == 2 else row[place] for row in sound]
        grain = merged[1] if place == 2 else 0
        assert min(column) - grain <= figure <= max(column) + grain


def test_an_even_count_takes_the_lower_median():
    """Four seats, one silent: the second lowest, coordinate by coordinate."""
    held = params()
    spreads = [0.2, 0.21, 0.22]
    sets = [changed(spread_percentage=each) for each in spreads]
    assert median_merge(held, sets, seats=4, fraction=QUARTER).spread_percentage == 0.2
    assert median_merge(held, sets, seats=3, fraction=QUARTER).spread_percentage == 0.21
    assert median_merge(held, sets[:1], seats=3, fraction=QUARTER) == held
    for order in itertools.permutations(sets):
        assert median_merge(held, order, seats=3, fraction=QUARTER).spread_percentage == 0.21


def asked(*sets, candidate=None):
    """A round of (seat, set, weight)."""
    rows = tuple(
        RoundSet(
            id=f"{place:032x}",
            src=src,
            timestamp="2024-01-20T15:30:45Z",
            params=whole,
            performance_metrics=PerformanceMetrics(
                sqn_score=0.0, sharpe_ratio=0.0, max_drawdown=0.0
            ),
            confidence_score=0.5,
            weight=weight,
        )
        for place, (src, whole, weight) in enumerate(sets)
    )
    held = params()
    return Round(round=1, incumbent=held, sets=rows, candidate=candidate or held, deadline=0)


def test_everybody_recomputes_the_candidate_from_the_round_alone():
    """The mode says how; the supervisor of the hierarchical mode asks nobody."""
    wide, wider = changed(spread_percentage=0.2), changed(spread_percentage=0.22)
    word = asked(("a", wide, UNITS // 4), ("b", wider, UNITS // 4))
    given = {"seats": 3, "fraction": QUARTER}
    assert candidate_of(word, Mode.PEER, **given).spread_percentage == 0.195
    assert candidate_of(word, Mode.CONSENSUS, **given).spread_percentage == 0.2
    assert candidate_of(word, Mode.MASTER_SLAVE, **given) is None
    assert candidate_of(word, Mode.HIERARCHICAL, **given) is None
    assert candidate_of(asked(("a", wide, 0)), Mode.MASTER_SLAVE, **given) == wide
    with pytest.raises(ValueError, match="two of one"):
        candidate_of(asked(("a", wide, 0), ("a", wider, 0)), Mode.CONSENSUS, **given)


def test_the_vectors_for_other_languages_are_what_is_computed():
    """`python -m tests.protocol.merge_vectors` makes them anew."""
    assert merge_vectors.PATH.read_text(encoding="utf-8") == merge_vectors.text()
    cases = json.loads(merge_vectors.PATH.read_text(encoding="utf-8"))["cases"]
    moved = [case for case in cases if case["peer"]["params"] != case["incumbent"]]
    agreed = [case for case in cases if case["consensus"]["params"] != case["incumbent"]]
    assert len(moved) > 10
    assert len(agreed) > 10

"""What a resting order would have met: public prints and moves of mid, cycle by cycle.

A sample is one cycle: how deep below (above) the mid at its begin sellers (buyers) came, and where
mid stands at its end. So an order's chance of a fill, and what the market does to it afterwards,
are counted as the executor's orders live, from one decision to the next; nothing here knows them.

Shape and scale are apart. The *shape*, how often a multiple of the mean reach is reached, has a
long memory. The *scale*, the mean reach, how often a side is hit at all and the variance of mid, is
counted twice: slowly, and by a quick counter that has seen but the last cycles. Each sample moves
the odds that the market has changed, by what either had said of it (fixed share: Herbster and
Warmuth 1998, "Tracking the best expert", Machine Learning 32, 151-178); beyond SURE the quick
counts replace the slow.
"""

import math

from market.jit import inlined_kernel, kernel
from market.types import F8

BINS = 16
REGIMES = 5  # of imbalance, each 2 / REGIMES wide
FINE = 4  # nodes from one edge to the next
NODES = (BINS - 1) * FINE + 1
EDGE_MIN = 0.05  # of the second bin, in mean reaches; the first begins at 0
EDGE_GROWTH = 1.48  # from one edge to the next: the last is at 12 mean reaches

# --- a counter: f8[COUNTER_COLUMNS] -----------------------------------------------------------
COUNTER_CYCLES = 0  # decayed
COUNTER_HITS = 1  # sides that saw a print, at most two a cycle
COUNTER_REACH = 2  # sum of how deep they were reached, fraction of mid
COUNTER_SQUARES = 3  # of the moves of mid, fraction^2
COUNTER_COLUMNS = 4

# --- what is remembered: f8[SURVEY_COLUMNS], zeros at first ----------------------------------
SURVEY_SLOW = 0
SURVEY_QUICK = COUNTER_COLUMNS
SURVEY_ODDS = 2 * COUNTER_COLUMNS  # chance that the market has changed
SURVEY_SEEN = SURVEY_ODDS + 1  # cycles
SURVEY_LOW = SURVEY_SEEN + 1  # lowest price of a seller's print since the last step; 0: none
SURVEY_HIGH = SURVEY_LOW + 1  # highest of a buyer's
SURVEY_HITS = SURVEY_HIGH + 1  # [2, BINS], bids then asks, by depth in mean reaches
SURVEY_LOSS = SURVEY_HITS + 2 * BINS  # the same: unexpected moves against the order, mean reaches
SURVEY_CHAIN = SURVEY_LOSS + 2 * BINS  # [REGIMES, REGIMES], moves of imbalance in a cycle
SURVEY_COLUMNS = SURVEY_CHAIN + REGIMES * REGIMES

PRIOR = 4.0  # samples by which a count doubts itself
POOLED = 20.0  # hits by which a side leans on both
LOSS_RIDGE = 20.0  # hits by which the loss of a fill is drawn to 0
CHANGE = 1.0 / 300.0  # chance of a change from one cycle to the next
SURE = 0.5
STRONGEST = 3.0  # most that one sample may say, natural log
QUEUE_SHARE = 0.25  # of the prints at an order's own price, those behind the queue before it


@inlined_kernel
def note_price(side: int, price: int, survey: F8) -> None:
    """Take in one print; `side` is the aggressor's."""
    if side < 0 and (survey[SURVEY_LOW] == 0.0 or price < survey[SURVEY_LOW]):
        survey[SURVEY_LOW] = price
    elif side > 0:
        survey[SURVEY_HIGH] = max(survey[SURVEY_HIGH], price)


@inlined_kernel
def regime_of(imbalance: float) -> int:
    """Return the regime of an imbalance in [-1, 1]."""
    return int(min(REGIMES - 1, max(0, int(0.5 * (imbalance + 1.0) * REGIMES))))


@inlined_kernel
def bin_of(multiple: float) -> int:
    """Return the bin of a depth in mean reaches."""
    if multiple < EDGE_MIN:
        return 0
    return int(min(BINS - 1.0, 1.0 + math.log(multiple / EDGE_MIN) / math.log(EDGE_GROWTH)))


@inlined_kernel
def mean_reach(counter: F8) -> float:
    """Return the mean reach of a hit, fraction of mid; 0 before the first."""
    if counter[COUNTER_HITS] <= 0.0:
        return 0.0
    return float(counter[COUNTER_REACH] / counter[COUNTER_HITS])


@kernel
def shape_at(survey: F8, reach: float, mean: float) -> float:
    """Return the share of hits whose depth lies in the bin of `reach`, given the mean reach."""
    place = bin_of(reach / mean)
    hits = PRIOR / BINS
    total = PRIOR
    for row in range(2):
        hits += survey[SURVEY_HITS + row * BINS + place]
        for column in range(BINS):
            total += survey[SURVEY_HITS + row * BINS + column]
    return hits / total


@kernel
def weigh_sample(survey: F8, reaches: tuple[float, float], square: float) -> None:
    """Move the odds by what both counters had said of a sample; at SURE, replace the slow one.

    Args:
        survey: f8[SURVEY_COLUMNS], changed.
        reaches: of bids and asks, fraction of mid; below 0 without a print.
        square: of the move of mid, fraction^2.
    """
    slow = survey[SURVEY_SLOW : SURVEY_SLOW + COUNTER_COLUMNS]
    quick = survey[SURVEY_QUICK : SURVEY_QUICK + COUNTER_COLUMNS]
    if quick[COUNTER_HITS] < 1.0 or slow[COUNTER_SQUARES] <= 0.0 or mean_reach(slow) <= 0.0:
        return
    old = slow[COUNTER_SQUARES] / slow[COUNTER_CYCLES]
    new = (quick[COUNTER_SQUARES] + old) / (quick[COUNTER_CYCLES] + 1.0)
    word = 0.5 * (math.log(old / new) + square * (1.0 / old - 1.0 / new))
    before = mean_reach(slow)
    after = (quick[COUNTER_REACH] + before) / (quick[COUNTER_HITS] + 1.0)
    often = (slow[COUNTER_HITS] + 1.0) / (2.0 * slow[COUNTER_CYCLES] + 2.0)
    lately = (quick[COUNTER_HITS] + often) / (2.0 * quick[COUNTER_CYCLES] + 1.0)
    for reach in reaches:
        if reach < 0.0:
            word += math.log((1.0 - lately) / (1.0 - often))
        else:
            word += math.log(lately / often)
            word += math.log(shape_at(survey, reach, after) / shape_at(survey, reach, before))
    belief = survey[SURVEY_ODDS] * math.exp(min(STRONGEST, max(-STRONGEST, word)))
    belief /= belief + 1.0 - survey[SURVEY_ODDS]
    survey[SURVEY_ODDS] = CHANGE + (1.0 - CHANGE) * belief
    if survey[SURVEY_ODDS] > SURE:
        for column in range(COUNTER_COLUMNS):
            slow[column] = quick[column]
        survey[SURVEY_ODDS] = CHANGE


@kernel
def note_sample(
    survey: F8,
    reaches: tuple[float, float],
    tick: float,
    move: float,
    surprise: float,
    keeps: tuple[float, float],
    regimes: tuple[int, int],
) -> None:
    """Count a sample.

    Args:
        survey: f8[SURVEY_COLUMNS], changed.
        reaches: of bids and asks, fraction of mid; below 0 without a print.
        tick: fraction of mid.
        move: of mid, fraction.
        surprise: the move less the expected one, fraction.
        keeps: share that (slow, quick) keep from one cycle to the next.
        regimes: of imbalance at the cycle's begin and end.
    """
    weigh_sample(survey, reaches, move * move)
    survey[SURVEY_SEEN] += 1.0
    for each in range(2):
        counter = survey[each * COUNTER_COLUMNS : (each + 1) * COUNTER_COLUMNS]
        for column in range(COUNTER_COLUMNS):
            counter[column] *= keeps[each]
        counter[COUNTER_CYCLES] += 1.0
        counter[COUNTER_SQUARES] += move * move
        for reach in reaches:
            if reach >= 0.0:
                counter[COUNTER_HITS] += 1.0
                counter[COUNTER_REACH] += reach
    for column in range(SURVEY_HITS, SURVEY_COLUMNS):
        survey[column] *= keeps[0]
    survey[SURVEY_CHAIN + REGIMES * regimes[0] + regimes[1]] += 1.0
    mean = mean_reach(survey[SURVEY_SLOW : SURVEY_SLOW + COUNTER_COLUMNS])
    if mean <= 0.0:
        return
    for row in range(2):
        if reaches[row] < 0.0:
            continue
        lost = -surprise if row == 0 else surprise
        for part in range(2):  # an order there, behind the queue or not
            share = QUEUE_SHARE if part == 0 else 1.0 - QUEUE_SHARE
            column = row * BINS + bin_of((reaches[row] - part * tick) / mean)
            survey[SURVEY_HITS + column] += share
            survey[SURVEY_LOSS + column] += share * lost / mean


@kernel
def write_nodes(survey: F8, row: int, depths: F8, chances: F8, losses: F8) -> None:
    """Write what an order of one side would meet in a cycle, by its depth at the cycle's begin.

    Args:
        survey: f8[SURVEY_COLUMNS]; a hit was seen.
        row: 0 for bids, 1 for asks.
        depths: f8[NODES], fractions of mid, rising; written.
        chances: f8[NODES], of a fill, not rising; written.
        losses: f8[NODES], expected move against a filled order, fraction of mid; written.
    """
    slow = survey[SURVEY_SLOW : SURVEY_SLOW + COUNTER_COLUMNS]
    mean = mean_reach(slow)
    own, both = 0.0, 0.0
    for column in range(BINS):
        own += survey[SURVEY_HITS + row * BINS + column]
        both += survey[SURVEY_HITS + column] + survey[SURVEY_HITS + BINS + column]
    lean = POOLED / both
    often = slow[COUNTER_HITS] / (2.0 * slow[COUNTER_CYCLES])
    # The side's own part of the hits, drawn to a half.
    often = min(1.0, often * 2.0 * (own + 0.5 * POOLED) / (both + POOLED))
    hits, loss = 0.0, 0.0
    for back in range(BINS):
        column = BINS - 1 - back
        place = row * BINS + column
        hits += survey[SURVEY_HITS + place]
        hits += lean * (survey[SURVEY_HITS + column] + survey[SURVEY_HITS + BINS + column])
        loss += survey[SURVEY_LOSS + place]
        loss += lean * (survey[SURVEY_LOSS + column] + survey[SURVEY_LOSS + BINS + column])
        node = column * FINE
        depths[node] = mean * EDGE_MIN * EDGE_GROWTH ** (column - 1) if column > 0 else 0.0
        chances[node] = often * hits / (own + POOLED)
        losses[node] = mean * loss / (hits + LOSS_RIDGE)
    for column in range(BINS - 1):
        left = column * FINE
        right = left + FINE
        for part in range(1, FINE):
            far = part / FINE
            depths[left + part] = depths[left] + far * (depths[right] - depths[left])
            losses[left + part] = losses[left] + far * (losses[right] - losses[left])
            if chances[right] > 0.0:  # as an exponential between them
                fall = math.log(chances[right] / chances[left])
                chances[left + part] = chances[left] * math.exp(far * fall)
            else:
                chances[left + part] = (1.0 - far) * chances[left]


@kernel
def write_chain(survey: F8, transition: F8) -> None:
    """Write how imbalance moves in a cycle, f8[REGIMES, REGIMES]; few samples: to anywhere."""
    for before in range(REGIMES):
        total = PRIOR
        for after in range(REGIMES):
            total += survey[SURVEY_CHAIN + REGIMES * before + after]
        for after in range(REGIMES):
            count = survey[SURVEY_CHAIN + REGIMES * before + after]
            transition[before, after] = (count + PRIOR / REGIMES) / total

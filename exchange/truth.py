"""The truth test: fill models against what became of real orders (docs/fills.md).

Every resting order of a recording with order ids that the touch reached is replayed through each
fill model, which sees the levels alone. What the model says of it by its real end (nothing filled,
a part, the whole) becomes probabilities by counting on the first two thirds of the recording, where
the powers are fitted too; the last third is only scored.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from exchange.errors import RecordingError
from exchange.ghosts import OrderLevel, find_ghosts, touched
from market.ghosts import (
    FATE_COLUMNS,
    FATE_DONE_NS,
    FATE_FIRST_NS,
    FATE_LOTS,
    GHOST_BIRTH,
    GHOST_BORN_NS,
    GHOST_DONE_NS,
    GHOST_END_NS,
    GHOST_FILLED_LOTS,
    GHOST_FIRST_NS,
    GHOST_LOTS,
    GHOST_TOUCHED_NS,
    WHOLE,
    replay_ghosts,
)
from market.layout import EVENT_LOTS, NEVER
from market.queueing import (
    FIFO,
    MODEL_KIND,
    MODEL_NAMES,
    MODEL_POWER,
    POWERED,
    QUEUE_COLUMNS,
    TOUCH,
    TRADE_THROUGH,
    fill_model,
    model_text,
)
from market.scores import (
    Blocks,
    Estimate,
    Mask,
    brier_scores,
    cell_probabilities,
    log_scores,
)
from market.types import F8, I8

SECOND_NS = 1_000_000_000
SETTLING_NS = 600 * SECOND_NS  # the book of a log begins without the orders from before
FIT_SHARE = 2 / 3
BLOCK_NS = 600 * SECOND_NS
DRAWS = 2_000
AFTER_NS = 60 * SECOND_NS  # a model that has not filled a filled order so long after never does
HORIZONS_S = (1, 10, 30)
CURVE_S = tuple(range(61))
REALITY = "reality"
ORDERS_MIN = 100  # of each part
POWERS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
NOTHING, PART, ALL = range(3)
CLASSES = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """One model on the held-out orders; scores are means, biases percentage points."""

    model: str
    needs_ids: bool
    bound: bool  # an end between which models lie, no candidate for the default
    fit_log_score: float  # on the orders it was fitted on
    log_score: Estimate
    brier: Estimate
    log_score_any: Estimate  # of filled at all or not
    log_score_queued: Estimate  # of orders born behind others
    right: float  # share of orders whose class was told exactly
    bias_birth: dict[int, Estimate]  # by seconds after birth: filled at all, said less actual
    bias_touch: dict[int, Estimate]  # by seconds after the touch was reached
    error_median_s: Estimate  # of the time of the complete fill, orders really filled
    error_p90_s: Estimate
    never: float  # share of these that the model had not filled a minute later


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """All of a truth test."""

    symbol: str
    source: str
    resting: int  # real orders that rested
    reached: int  # of them, those that the touch reached
    fit: int
    held_out: int
    queued: int  # of the held-out, those born behind others
    filled: tuple[int, int]  # held-out: at all, whole
    fit_span_ns: tuple[int, int]
    held_out_span_ns: tuple[int, int]
    base_rate: Estimate  # log score of the shares of the fit part, whoever the order
    scores: tuple[Score, ...]
    fitted: dict[str, float]  # power by family
    fit_scores: dict[str, dict[str, float]]  # family -> power -> log score on the fit part
    winner: str  # best held-out log score of those that need no ids and are no bounds
    default: str  # the engine's
    differences: dict[str, Estimate]  # default less each other, log score, paired
    curves: dict[str, list[float]]  # held-out share with a fill, second by second since the touch


class Examination:
    """The ghosts of one recording, split in time, and what models say of them."""

    def __init__(self, orders: OrderLevel, *, seed: int) -> None:
        self.orders = orders
        events = orders.recording.events
        every = find_ghosts(orders)
        self.resting = len(every)
        self.ghosts = touched(every)
        first_ns, last_ns = orders.recording.meta.span_ns
        minute_ns = 60 * SECOND_NS
        split_ns = first_ns + (last_ns - first_ns) * FIT_SHARE
        self.split_ns = round(split_ns / minute_ns) * minute_ns
        self.first_ns, self.last_ns = first_ns + SETTLING_NS, last_ns
        born = self.ghosts[:, GHOST_BORN_NS]
        self.fit = (born >= self.first_ns) & (self.ghosts[:, GHOST_END_NS] < self.split_ns)
        self.held_out = born >= self.split_ns
        if min(self.fit.sum(), self.held_out.sum()) < ORDERS_MIN:
            raise RecordingError(
                f"{orders.recording.meta.source}: the touch reached {self.fit.sum()} orders in the "
                f"first two thirds and {self.held_out.sum()} after, {ORDERS_MIN} each are needed; "
                "give a longer recording"
            )
        self.came = self.classes(self.ghosts[:, GHOST_FILLED_LOTS])
        others = events[self.ghosts[:, GHOST_BIRTH], EVENT_LOTS] - self.ghosts[:, GHOST_LOTS]
        self.queued = others[self.held_out] > 1  # one lot is rounding
        self.blocks = Blocks(
            born[self.held_out],
            block_ns=BLOCK_NS,
            draws=DRAWS,
            rng=np.random.default_rng(seed),
        )

    def classes(self, filled: I8) -> I8:
        """Return NOTHING, PART or ALL by the lots filled of each ghost."""
        lots = self.ghosts[:, GHOST_LOTS]
        whole = (lots - filled) * WHOLE <= lots
        return np.where(whole, ALL, np.where(filled > 0, PART, NOTHING)).astype(np.int64)

    def fates(self, model: F8) -> I8:
        """Return i8[ghosts, FATE_COLUMNS] under a model."""
        fates = np.zeros((len(self.ghosts), FATE_COLUMNS), np.int64)
        orders = self.orders
        replay_ghosts(
            orders.recording.events,
            orders.order_ids,
            orders.deltas,
            orders.bests,
            orders.born,
            self.ghosts,
            model,
            AFTER_NS,
            np.zeros(QUEUE_COLUMNS),
            fates,
        )
        return fates

    def probabilities(self, said: I8, came: I8, classes: int, part: Mask) -> F8:
        """Return f8[n, classes] for a part, counted on the fit part."""
        table = cell_probabilities(said[self.fit], came[self.fit], classes)
        result: F8 = table[said[part]]
        return result

    def fit_score(self, model: F8) -> float:
        """Return the mean log score on the fit part."""
        said = self.classes(self.fates(model)[:, FATE_LOTS])
        chances = self.probabilities(said, self.came, CLASSES, self.fit)
        return float(log_scores(chances, self.came[self.fit]).mean())

    def held_out_scores(self, model: F8) -> F8:
        """Return f8[held-out]: the log score of each order."""
        said = self.classes(self.fates(model)[:, FATE_LOTS])
        chances = self.probabilities(said, self.came, CLASSES, self.held_out)
        return log_scores(chances, self.came[self.held_out])

    def base_rate(self) -> Estimate:
        """Return the log score of saying the same of every order."""
        nothing = np.zeros(len(self.ghosts), np.int64)
        chances = self.probabilities(nothing, self.came, CLASSES, self.held_out)
        return self.blocks.mean(log_scores(chances, self.came[self.held_out]))

    def score(self, model: F8) -> Score:
        """Score one model on the held-out orders."""
        part, blocks = self.held_out, self.blocks
        fates = self.fates(model)
        said, came = self.classes(fates[:, FATE_LOTS]), self.came
        chances = self.probabilities(said, came, CLASSES, part)
        logs = log_scores(chances, came[part])
        some_said, some_came = (said > NOTHING).astype(np.int64), (came > NOTHING).astype(np.int64)
        some = self.probabilities(some_said, some_came, 2, part)
        ghosts, fates = self.ghosts[part], fates[part]
        done = ghosts[:, GHOST_DONE_NS] != NEVER
        late = fates[:, FATE_DONE_NS] == NEVER
        late |= fates[:, FATE_DONE_NS] - ghosts[:, GHOST_DONE_NS] > AFTER_NS
        errors = np.abs(fates[:, FATE_DONE_NS] - ghosts[:, GHOST_DONE_NS]) / SECOND_NS
        errors[late] = AFTER_NS / SECOND_NS
        kind = int(model[MODEL_KIND])
        return Score(
            model=model_text(model),
            needs_ids=kind == FIFO,
            bound=kind in {TRADE_THROUGH, TOUCH},
            fit_log_score=self.fit_score(model),
            log_score=blocks.mean(logs),
            brier=blocks.mean(brier_scores(chances, came[part])),
            log_score_any=blocks.mean(log_scores(some, some_came[part])),
            log_score_queued=blocks.mean(logs, self.queued),
            right=float((said[part] == came[part]).mean()),
            bias_birth=self.bias(ghosts, fates, GHOST_BORN_NS),
            bias_touch=self.bias(ghosts, fates, GHOST_TOUCHED_NS),
            error_median_s=blocks.quantile(errors, 0.5, done),
            error_p90_s=blocks.quantile(errors, 0.9, done),
            never=float(late[done].mean()) if done.any() else 0.0,
        )

    def curve(self, table: I8, first_fill: int) -> list[float]:
        """Return by second of CURVE_S the share of the held-out orders that had a fill.

        Args:
            table: i8[ghosts, columns], ghosts or fates.
            first_fill: its column of the first fill.
        """
        reached = self.ghosts[self.held_out, GHOST_TOUCHED_NS]
        first = table[self.held_out, first_fill]
        return [float((first <= reached + each * SECOND_NS).mean()) for each in CURVE_S]

    def bias(self, ghosts: I8, fates: I8, origin: int) -> dict[int, Estimate]:
        """Return by horizon the share said to have a fill less the share that had, in points."""
        found = {}
        for seconds in HORIZONS_S:
            until = ghosts[:, origin] + seconds * SECOND_NS
            said = (fates[:, FATE_FIRST_NS] <= until).astype(np.float64)
            had = (ghosts[:, GHOST_FIRST_NS] <= until).astype(np.float64)
            found[seconds] = self.blocks.mean(100.0 * (said - had))
        return found


def families(unit: float) -> dict[str, list[F8]]:
    """Return by name the models of each family: a model, or one for each power."""
    found = {}
    for kind, name in enumerate(MODEL_NAMES):
        powers = POWERS if kind in POWERED else (1.0,)
        found[name] = [fill_model(name, power=power, unit=unit) for power in powers]
    return found


def examine(
    orders: OrderLevel, *, seed: int = 1, progress: Callable[[str, float], None] | None = None
) -> Truth:
    """Fit each family's power on the first two thirds, score it on the last third.

    Args:
        orders: a recording with order ids.
        seed: of the resamples.
        progress: told what is being done, and how far it is.

    Raises:
        RecordingError: too few orders.
    """
    at = Examination(orders, seed=seed)
    unit = float(orders.recording.meta.lot)
    every = families(unit)
    count = sum(len(models) for models in every.values())
    done = 0
    fit_scores: dict[str, dict[str, float]] = {}
    best: dict[str, F8] = {}
    for name, models in every.items():
        table = []
        for model in models:
            table.append(at.fit_score(model))
            done += 1
            if progress is not None:
                progress(f"replaying {len(at.ghosts)} orders", done / count)
        best[name] = models[int(np.argmax(table))]  # the lowest power of several equal ones
        if len(models) > 1:
            powers = [f"{model[MODEL_POWER]:g}" for model in models]
            fit_scores[name] = dict(zip(powers, table, strict=True))
    curves = {REALITY: at.curve(at.ghosts, GHOST_FIRST_NS)}
    curves |= {name: at.curve(at.fates(best[name]), FATE_FIRST_NS) for name in best}
    scores = tuple(at.score(model) for model in best.values())
    rivals = [score for score in scores if not (score.bound or score.needs_ids)]
    default = fill_model(unit=unit)
    mine = at.held_out_scores(default)
    came = at.came[at.held_out]
    return Truth(
        symbol=orders.recording.meta.symbol,
        source=orders.recording.meta.source,
        resting=at.resting,
        reached=len(at.ghosts),
        fit=int(at.fit.sum()),
        held_out=int(at.held_out.sum()),
        queued=int(at.queued.sum()),
        filled=(int((came > NOTHING).sum()), int((came == ALL).sum())),
        fit_span_ns=(at.first_ns, at.split_ns),
        held_out_span_ns=(at.split_ns, at.last_ns),
        base_rate=at.base_rate(),
        scores=scores,
        fitted={name: float(best[name][MODEL_POWER]) for name in fit_scores},
        fit_scores=fit_scores,
        winner=max(rivals, key=lambda score: score.log_score.value).model,
        default=model_text(default),
        differences={
            model_text(model): at.blocks.mean(mine - at.held_out_scores(model))
            for model in best.values()
            if model_text(model) != model_text(default)
        },
        curves=curves,
    )

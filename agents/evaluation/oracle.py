"""O: the arm that knows the regime of an artificial market, and the best set of each.

Its sets come from days of one regime alone, made with seeds that no arm is judged on, on which the
plan quotes: many are tried on one day, the best of them on another. Quantities are in proportion to
mean over variance, by which all regimes together have the best ratio of mean to deviation; where
nothing is earned it does not quote. It knows when the regime changes and what is best then; it does
not know the noise.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from agents.evaluation.arms import Arm, Carried, Schedule
from agents.evaluation.ground import Ground
from agents.evaluation.learned import planned
from agents.evaluation.plan import Plan
from agents.evaluation.store import keep, kept
from agents.evaluation.tuning import nets_of, ratios, sets_of, steadiest
from agents.session import parameter_row
from agents.settings import Settings
from exchange.importers.synthetic import climate_recording
from exchange.recording import save
from market.climates import CLIMATES
from protocol.messages import QuoteParameters

Tables = Mapping[str, QuoteParameters]
"""The best set by climate."""
NOTHING = 1e-6
"""Share of a set's quantities below the least order."""


def oracle(tables: Tables) -> Arm:
    """Return the arm that puts a climate's set into force at the cycle at which it begins."""

    def play(ground: Ground, _carried: Carried) -> Schedule:
        edges = ground.cycles(ground.first, ground.last)
        chosen: dict[int, str] = {}
        for at_ns, name in ground.climates:
            step = max(ground.first, ground.tape.step_at(at_ns))
            later = edges[np.searchsorted(edges, step) :]
            if later.size:
                chosen[int(later[0])] = name
        starts = np.array(sorted(chosen))
        sets = np.array([parameter_row(tables[chosen[int(each)]]) for each in starts])
        return Schedule(starts, sets)

    return play


def tables_of(
    settings: Settings,
    plan: Plan,
    setting: str,
    folder: Path,
    *,
    code: str,
    on_climate: Callable[[str], None],
) -> Tables:
    """Return the best set of every climate: from its file, or tuned and kept there.

    Args:
        settings: of the evaluation, its fee among them.
        plan: the rules.
        setting: of the recordings, as "climates-value".
        folder: for the file and the days that are tuned on.
        code: digest of the code that the result depends on.
        on_climate: told which climate is tuned on.
    """
    plain = settings.model_dump(mode="json")
    told = [plain[name] for name in ("executor", "risk", "account", "parameters", "seed")]
    told += [plain["feed"]["maker_fee_bps"], plan.model_dump(mode="json"), setting, code]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    path = folder / f"oracle-{key[:16]}.json"
    sized = kept(path)
    if sized is None:
        found = {}
        for number, name in enumerate(CLIMATES):
            on_climate(name)
            found[name] = _tuned_on(settings, plan, setting, name, number, folder)
        most = max(worth for _, worth in found.values())
        sized = {
            name: resized(held, worth / most if most > 0.0 else 0.0).model_dump()
            for name, (held, worth) in found.items()
        }
        keep(path, sized)
    return {name: QuoteParameters.model_validate(each) for name, each in sized.items()}


def resized(held: QuoteParameters, share: float) -> QuoteParameters:
    """Return a set with a share of its quantities; of nothing, less than any order may be."""
    share = max(share, NOTHING)
    changed = {name: getattr(held, name) * share for name in ("base_quantity", "max_position")}
    return held.model_copy(update=changed)


def _tuned_on(
    settings: Settings, plan: Plan, setting: str, name: str, number: int, folder: Path
) -> tuple[QuoteParameters, float]:
    """Return the best set of one climate, and its mean over variance on a day of it alone."""
    seed = plan.seeds.oracle + number
    with _alone(settings, plan, setting, name, seed, folder) as ground:
        sets = sets_of(ground, plan.oracle_sets)
        best = np.argsort(-ratios(nets_of(ground, sets, ground.begin, ground.last)))
        sets = tuple(sets[int(row)] for row in best[: plan.oracle_finalists])
    with _alone(settings, plan, setting, name, seed + len(CLIMATES), folder) as ground:
        nets = nets_of(ground, sets, ground.begin, ground.last)
    row = steadiest(nets)
    variance = float(nets[row].var(ddof=1))
    return sets[row], max(0.0, float(nets[row].mean())) / variance if variance > 0.0 else 0.0


@contextmanager
def _alone(
    settings: Settings, plan: Plan, setting: str, name: str, seed: int, folder: Path
) -> Iterator[Ground]:
    """Give the ground of a day of one climate alone; its file is gone afterwards."""
    day = folder / f"oracle-{setting}-{name}-{os.getpid()}.npz"
    save(day, climate_recording(setting, seed, plan.oracle_hours, only=name))
    try:
        feed = settings.feed.model_copy(update={"path": day, "hours": None, "start": None})
        yield planned(settings.model_copy(update={"feed": feed}), plan, training=False)
    finally:
        day.unlink()

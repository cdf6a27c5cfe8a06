"""A study as Optuna studies, for its plots and its dashboard: one a window, in an SQLite file.

Every window has bounds of its own, around the set that was in force; so each is a study of its own.
The constraint is where Optuna's plots look for it.
"""

import warnings
from pathlib import Path
from typing import Any

from agents.optimizer.studies import Studies, StudyError

NAMES = ("lower_bound_of_gain_negated", "steadiness_negated", "drawdown_share")
CONSTRAINTS = "constraints"


def export(studies: Studies, name: str, path: Path) -> int:
    """Write the candidates of a study to a new file; return how many.

    Raises:
        StudyError: the file is there already, or cannot be written.
    """
    import optuna

    if path.exists():
        raise StudyError(f"{path} is there already; name another file")
    windows = sorted({each.window for each in studies.batches(name)})
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    count = 0
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        for window in windows:
            rows = studies.trials(name, window)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # names of objectives are marked experimental
                study = optuna.create_study(
                    storage=storage,
                    study_name=f"{name}, window {window} of {windows[-1]}",
                    directions=["minimize"] * len(NAMES),
                )
                study.set_metric_names(list(NAMES))
            study.add_trials(trials_of(rows))
            count += len(rows)
        storage.remove_session()
        storage.engine.dispose()
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        optuna.logging.set_verbosity(level)
    return count


def trials_of(rows: list[dict[str, Any]]) -> list[Any]:
    """Return rows of one window as finished Optuna trials."""
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
    from optuna.trial import create_trial

    spans: dict[str, BaseDistribution] = {}
    for key, value in rows[0]["parameters"].items():
        values = [row["parameters"][key] for row in rows]
        low, high = min(values), max(values)
        if isinstance(value, int):
            spans[key] = IntDistribution(low, high)
        else:
            spans[key] = FloatDistribution(low, high, log=True)
    return [
        create_trial(
            params=dict(row["parameters"]),
            distributions=spans,
            values=row["values"],
            user_attrs={key: row[key] for key in ("source", "batch", "slices", "point")},
            system_attrs={CONSTRAINTS: [row["violation"]]},
        )
        for row in rows
    ]

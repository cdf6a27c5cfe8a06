"""`counterpoint backtest --calibrate FEED`: are our fills true? Fits the queue model, shows errors.

The test itself is `exchange/truth.py`; here it is read in, told, drawn and printed.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.cli.exits import CONFIGURATION, OK, CommandError
from agents.cli.output import put

if TYPE_CHECKING:
    from exchange.truth import Score, Truth
    from market.scores import Estimate

NOTE = """
fit, held out, behind others (when born): log scores, 0 is best
bias: share said to have a fill less the share that had, points, by seconds since birth and since
the touch reached the order; time: its error, of the complete fill, orders really filled whole
""".strip()
DRAWN = ("reality", "touch", "power", "trade-through")


def calibrate(
    path: Path, *, as_json: bool = False, pictures: Path | None = None, seed: int = 1
) -> int:
    """Fit the queue model on the first two thirds of a recording, print its error on the last.

    Args:
        path: a recording with order ids (.npz), or a raw order log.
        as_json: print one JSON document in place of the table.
        pictures: folder for two SVG files, fills-score.svg and fills-rate.svg.
        seed: of the resamples behind the intervals.

    Raises:
        RecordingError: it has no order ids, or too few orders; one line that says what is needed.
        FeedError: the raw log is damaged.
        CommandError: a picture cannot be written; the table was printed before.
    """
    truth = examined(path, seed=seed)
    if as_json:
        put(json.dumps(document(truth)))
    else:
        show(truth)
    if pictures is not None:
        try:
            draw(truth, pictures)
        except OSError as error:
            where = error.filename or pictures
            line = f"{where} cannot be written: {error.strerror}"
            raise CommandError(line, CONFIGURATION) from None
    return OK


def examined(path: Path, *, seed: int = 1) -> "Truth":
    """Run the truth test of a file, telling how far it is; raises as `calibrate` does."""
    from agents.cli.talk import Talk
    from exchange.ghosts import read_orders
    from exchange.truth import examine

    talk = Talk()
    try:
        return examine(read_orders(path, talk), seed=seed, progress=talk)
    finally:
        talk.done()


# --- as JSON ---------------------------------------------------------------------------------
def document(truth: "Truth") -> dict[str, Any]:
    """Return a truth test as JSON values; an estimate is [value, low, high], 95 %."""
    return {
        "symbol": truth.symbol,
        "source": truth.source,
        "orders_that_rested": truth.resting,
        "orders_the_touch_reached": truth.reached,
        "fit": {"orders": truth.fit, "span_ns": truth.fit_span_ns},
        "held_out": {
            "orders": truth.held_out,
            "span_ns": truth.held_out_span_ns,
            "born_behind_others": truth.queued,
            "filled_at_all": truth.filled[0],
            "filled_whole": truth.filled[1],
        },
        "base_rate_log_score": truth.base_rate.as_list(),
        "models": [score_document(score) for score in truth.scores],
        "fitted_power": truth.fitted,
        "fit_log_score": truth.fit_scores,
        "winner": truth.winner,
        "default": truth.default,
        "default_less": {name: each.as_list() for name, each in truth.differences.items()},
        "fill_rate_by_second_since_touch": truth.curves,
    }


def score_document(score: "Score") -> dict[str, Any]:
    """Return one model's line."""
    return {
        "model": score.model,
        "needs_order_ids": score.needs_ids,
        "bound": score.bound,
        "fit_log_score": score.fit_log_score,
        "log_score": score.log_score.as_list(),
        "brier": score.brier.as_list(),
        "log_score_any_fill": score.log_score_any.as_list(),
        "log_score_born_behind_others": score.log_score_queued.as_list(),
        "right": score.right,
        "bias_points_after_birth": points(score.bias_birth),
        "bias_points_after_touch": points(score.bias_touch),
        "fill_time_error_median_s": score.error_median_s.as_list(),
        "fill_time_error_p90_s": score.error_p90_s.as_list(),
        "not_filled_a_minute_later": score.never,
    }


def points(bias: dict[int, "Estimate"]) -> dict[str, list[float | None]]:
    """Return estimates by horizon as JSON."""
    return {f"{seconds}s": each.as_list() for seconds, each in bias.items()}


# --- as a table ------------------------------------------------------------------------------
def show(truth: "Truth") -> None:
    """Print the table."""
    from rich.markup import escape
    from rich.table import Table

    from agents.cli.console import Screen

    console = Screen(148, markup=True)
    at_all, whole = truth.filled
    console.print(
        f"\n[bold]{escape(truth.symbol)}[/bold], {escape(truth.source)}: "
        f"{truth.resting:,} orders rested, the touch reached {truth.reached:,}\n"
        f"fitted on {truth.fit:,} of them ({span(truth.fit_span_ns)}), scored on "
        f"{truth.held_out:,} ({span(truth.held_out_span_ns)}): {at_all:,} had a fill, "
        f"{whole:,} a whole one; {truth.queued:,} were born behind others\n"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("fill model", no_wrap=True)
    for title in (
        "fit", "held out [95 %]", "behind others", "Brier", "right",
        "bias 1/10/30 s", "since the touch", "time p50/p90",
    ):  # fmt: skip
        table.add_column(title, justify="right", no_wrap=True)
    table.add_row("none: the base rate", "", interval(truth.base_rate), *[""] * 6)
    for score in sorted(truth.scores, key=lambda each: -each.log_score.value):
        table.add_row(*row(score))
    console.print(table)
    console.print(f"\n{notes(truth)}")


def row(score: "Score") -> list[str]:
    """Return the cells of one model."""
    mark = " (bound)" if score.bound else " (needs ids)" if score.needs_ids else ""
    errors = [score.error_median_s.value, score.error_p90_s.value]
    return [
        score.model + mark,
        f"{score.fit_log_score:.4f}",
        interval(score.log_score),
        f"{score.log_score_queued.value:.4f}",
        f"{score.brier.value:.4f}",
        f"{score.right:.2%}",
        slashed(each.value for each in score.bias_birth.values()),
        slashed(each.value for each in score.bias_touch.values()),
        "/".join(">60 s" if error >= 60.0 else f"{error:.2f} s" for error in errors),
    ]


def notes(truth: "Truth") -> str:
    """Return what closes the table: the fitted powers, the winner, the default's lead."""
    lines = [NOTE]
    fitted = ", ".join(f"{name} {power:g}" for name, power in truth.fitted.items())
    lines.append(f"powers fitted: {fitted}")
    lines.append(f"best on the held-out part without order ids: {truth.winner}")
    for name in ("trade-through", "touch"):
        lead = truth.differences.get(name)
        if lead is not None:
            lines.append(f"default {truth.default} less {name}, log score: {interval(lead)}")
    return "\n".join(lines)


def interval(found: "Estimate") -> str:
    """Return an estimate as text."""
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def slashed(values: Any) -> str:
    """Return figures with their signs, one decimal."""
    return "/".join(f"{value + 0.0:+.1f}" for value in values)


def span(times_ns: tuple[int, int]) -> str:
    """Return two times of a day as text."""
    first, last = (np.datetime64(each, "ns").astype("datetime64[m]") for each in times_ns)
    return f"{first} to {str(last)[11:]}"


# --- as pictures -----------------------------------------------------------------------------
def draw(truth: "Truth", folder: Path) -> None:
    """Write fills-score.svg and fills-rate.svg."""
    from agents.cli.picture import Bar, Line, Panel, bars, number_axis, plot
    from exchange.truth import CURVE_S

    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        Bar(
            score.model,
            -1000.0 * score.log_score.value,
            -1000.0 * score.log_score.high,
            -1000.0 * score.log_score.low,
            tone=1 if score.bound else 4 if score.needs_ids else 0,
        )
        for score in sorted(truth.scores, key=lambda each: -each.log_score.value)
    ]
    (folder / "fills-score.svg").write_text(
        bars(
            rows,
            title="What each fill model does not know of a real order",
            subtitle=f"{truth.held_out:,} held-out orders that the touch reached; 95 % by blocks",
            unit="thousandths of a nat lost an order, 0 is perfect",
        ),
        encoding="utf-8",
    )
    x = np.array(CURVE_S, dtype=np.float64)
    lines = tuple(
        Line(name, x, 100.0 * np.array(truth.curves[name]), tone) for tone, name in enumerate(DRAWN)
    )
    (folder / "fills-rate.svg").write_text(
        plot(
            [Panel("orders with a fill, percent", lines, height=260)],
            number_axis(0.0, float(CURVE_S[-1]), "seconds since the touch reached the order"),
            title="Fill rate, real and by model",
            subtitle=f"{truth.held_out:,} held-out orders; power is hidden where it meets reality",
        ),
        encoding="utf-8",
    )

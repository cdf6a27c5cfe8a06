"""The charts of a report: what is drawn of a sheet, and in which order."""

import math

import numpy as np

from desk.report.charts import Chart, Dots, Line, bars, drawn
from desk.report.figures import HORIZONS_S, net_curve, profit_of
from desk.report.labels import duration
from desk.report.progression import steps_of
from desk.report.sheet import Sheet
from desk.rows import UNITS
from market.types import F8, I8

SPLIT = (
    ("spread", "spread captured"), ("fees", "fees"), ("inventory", "inventory"),
    ("funding", "funding"), ("holding", "of all, holding"), ("net", "net of holding"),
)  # fmt: skip
CELLS = 40


def pictures(sheet: Sheet) -> str:
    """Return every chart of a sheet as HTML."""
    history = sheet.history
    ends = history.since_ns / 1e9, history.until_ns / 1e9
    rules = [time_ns / 1e9 for time_ns, _ in steps_of(history)[1:]]
    wide = "".join(f'<div class="wide">{drawn(each, *ends)}</div>' for each in _wide(sheet, rules))
    narrow = [drawn(each, *ends) for each in _narrow(sheet, rules)]
    return (
        f'<div class="charts">{wide}{_split(sheet)}{_markouts(sheet)}{"".join(narrow)}'
        f"{_trips(sheet)}</div>"
    )


def seconds(times_ns: I8) -> F8:
    """Return seconds since the epoch."""
    found: F8 = times_ns / 1e9
    return found


def _wide(sheet: Sheet, rules: list[float]) -> list[Chart]:
    cycles, fills, quote = sheet.history.cycles, sheet.history.fills, sheet.instrument.quote
    times = seconds(cycles["time_ns"])
    net = net_curve(sheet.history, 0) / UNITS
    equity = (cycles["equity"] - cycles["equity"][0]) / UNITS
    below = net - np.maximum.accumulate(net)
    bought = fills["side"] == 1
    known = cycles["mark"] > 0
    return [
        Chart("Profit", quote, (
            Line("net of holding", times, net, 0),
            Line("equity, with the target inventory", times, equity, 4),
        ), zero=True, rules=rules, height=260),
        Chart("Below the peak, net of holding", quote,
              (Line("drawdown", times, below, 1, area=True),), zero=True, rules=rules, height=110),
        Chart("Price and fills", f"{quote} for a {sheet.instrument.base}", (
            Dots(f"bought {int(np.sum(bought)):,}", seconds(fills["time_ns"][bought]),
                 fills["price"][bought] / UNITS, 2),
            Dots(f"sold {int(np.sum(~bought)):,}", seconds(fills["time_ns"][~bought]),
                 fills["price"][~bought] / UNITS, 1),
            Line("mid at decisions", times[known], cycles["mark"][known] / UNITS, 4),
        ), rules=rules, height=240),
    ]  # fmt: skip


def _narrow(sheet: Sheet, rules: list[float]) -> list[Chart]:
    cycles, instrument = sheet.history.cycles, sheet.instrument
    times = seconds(cycles["time_ns"])
    limit = instrument.max_position_units / UNITS
    parts = tuple(
        Line(name, times, (cycles[name] - cycles[name][0]) / UNITS, tone)
        for tone, name in enumerate(("spread", "fees", "inventory", "funding"))
        if np.any(cycles[name] != cycles[name][0])
    )
    steps = steps_of(sheet.history)
    begins = np.array([*(each / 1e9 for each, _ in steps), sheet.history.until_ns / 1e9])

    def held(name: str) -> F8:
        values = [float(params[name]) for _, params in steps]
        return np.array([*values, values[-1]])

    return [
        Chart("Parts of the profit", instrument.quote, parts, zero=True, rules=rules),
        Chart("Position, and the largest allowed", f"{instrument.base} over the target",
              (Line("position", times, cycles["position"] / UNITS, 0, area=True, steps=True),),
              zero=True, rules=rules, bounds=(-limit, limit)),
        Chart("Spread in force", "percent of mid",
              (Line("spread", begins, held("spread_percentage"), 3, steps=True),), rules=rules,
              height=130),
        Chart("Largest position in force", instrument.base,
              (Line("max_position", begins, held("max_position"), 3, steps=True),), rules=rules,
              height=130),
        Chart("Levels in force", "on a side",
              (Line("levels", begins, held("levels"), 3, steps=True),), rules=rules, height=130),
        Chart("Base quantity in force", instrument.base,
              (Line("base_quantity", begins, held("base_quantity"), 3, steps=True),), rules=rules,
              height=130),
    ]  # fmt: skip


def _split(sheet: Sheet) -> str:
    profit = profit_of(sheet.history)
    rows = [(words, profit[name] / UNITS, f"{profit[name] / UNITS:+,.2f}") for name, words in SPLIT]
    return bars("Where the profit comes from", sheet.instrument.quote, rows)


def _markouts(sheet: Sheet) -> str:
    rows = []
    for horizon in HORIZONS_S:
        figure = sheet.figures[f"markout_{horizon}s_bps"]
        label = "at the fill" if horizon == 0 else duration(float(horizon))
        words = "-" if figure.value is None else f"{figure.value:+.2f}  (n {figure.count:,})"
        rows.append((label, figure.value, words))
    return bars("Markout of fills", "basis points, in our favour if positive", rows)


def _trips(sheet: Sheet) -> str:
    """Return the distribution of the profit of round trips as bars from its 1 % to its 99 %."""
    profits = sheet.history.trips["profit"] / UNITS
    if len(profits) < CELLS:
        return ""
    low, high = (float(each) for each in np.quantile(profits, (0.01, 0.99)))
    if not high > low:
        return ""
    counts, edges = np.histogram(np.clip(profits, low, high), CELLS, (low, high))
    top = float(np.max(counts))
    cells = "".join(
        f'<rect class="{"down" if edge < 0.0 else "up"}" x="{25.0 * place:.1f}" '
        f'y="{180.0 * (1.0 - count / top):.1f}" width="23" height="{180.0 * count / top:.1f}"/>'
        for place, (count, edge) in enumerate(
            zip(counts.tolist(), edges[:-1].tolist(), strict=True)
        )
    )
    digits = max(2, 1 - math.floor(math.log10(high - low)))
    ends = "".join(
        f'<span style="left:{at}%">{value:+,.{digits}f}</span>'
        for at, value in ((4, low), (50, (low + high) / 2), (96, high))
    )
    return (
        "<figure><figcaption><b>Profit of a round trip</b><i>"
        f"from the 1st to the 99th percentile, n {len(profits):,}</i></figcaption>"
        '<div class="plot bare"><svg viewBox="0 0 1000 180" style="height:180px" role="img" '
        f'preserveAspectRatio="none" aria-label="Profit of a round trip">{cells}</svg>'
        f'<div class="x">{ends}</div></div></figure>'
    )

"""`counterpoint replay-session`: how far the backtest can be believed, shown by a run's own orders.

It reads files, not the bus, so it works beside a run and after it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.exits import ERROR, NOT_RUNNING, OK, USAGE, CommandError
from agents.cli.options import Config, Data, Json
from agents.cli.output import put

if TYPE_CHECKING:
    from agents.executor.agreement import Agreement, Filled, Match
    from market.types import I8

JOURNAL = "executor.db"
QUANTILES = (0.1, 0.5, 0.9)


def replay_session(
    *,
    run: Annotated[
        Path | None, typer.Option("--run", help="folder of a run at a venue; default: the newest")
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option("--at-least", help="exit code 1 below this overlap with measured delays"),
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send a run's orders through the backtest again: predicted fills beside the actual ones."""
    from agents.cli.flags import resolve
    from agents.cli.stack import settings_in
    from agents.executor.agreement import agreement
    from agents.session import open_session

    if at_least is not None and not 0 <= at_least <= 1:
        raise CommandError(f"--at-least must be in [0, 1], found {at_least:g}", USAGE)
    folder = run if run is not None else newest(resolve(config, None, {"data": data}).settings.data)
    if not (folder / JOURNAL).exists():
        raise CommandError(f"{folder} holds no executor's journal ({JOURNAL})", NOT_RUNNING)
    found = agreement(folder, open_session(settings_in(folder).located(folder)))
    put(json.dumps(document(found)) if as_json else "\n".join(lines(found)))
    low = at_least is not None and found.measured.overlap < at_least
    raise typer.Exit(ERROR if low else OK)


def newest(data: Path) -> Path:
    """Return the folder of the newest run at a venue.

    Raises:
        CommandError: there is none; exit code 3.
    """
    from agents.cli.log_command import started
    from agents.facts import FACTS_NAME

    folders = [path.parent for path in data.glob(f"runs/*/{FACTS_NAME}")]
    runs = [folder for folder in folders if not folder.is_symlink()]
    if not runs:
        raise CommandError(
            f"no run at a venue under {data}; start one with `counterpoint run --venue ...`, or "
            "name a folder with --run",
            NOT_RUNNING,
        )
    return max(runs, key=started)


def document(found: "Agreement") -> dict[str, Any]:
    """Return an agreement as JSON values: times in ms, money in quote, shares of 1."""
    return {
        "symbol": found.symbol,
        "hours": round((found.span_ns[1] - found.span_ns[0]) / 3.6e12, 4),
        "orders": found.orders,
        "refused": found.refused,
        "order_delay_ms": quantiles(found.delays_ns),
        "actual": side(found.actual),
        "configured": matched(found.configured, found.actual),
        "measured": matched(found.measured, found.actual),
    }


def matched(match: "Match", actual: "Filled") -> dict[str, Any]:
    """Return a prediction as JSON values; the difference of net in bps of what was turned over."""
    difference_units = match.predicted.net_units - actual.net_units
    turnover_units = max(match.predicted.turnover_units, actual.turnover_units)
    return {
        **side(match.predicted),
        "overlap": round(match.overlap, 4),
        "net_difference_bps": round(difference_units / max(turnover_units, 1) * 1e4, 4),
        "both": match.both,
        "only_actual": match.only_actual,
        "only_predicted": match.only_predicted,
        "first_fill_shift_ms": quantiles(match.shifts_ns),
    }


def side(filled: "Filled") -> dict[str, Any]:
    """Return one side as JSON values."""
    return {
        "fills": len(filled.rows),
        "lots": filled.lots,
        "net": filled.net_units / 1e8,
        "turnover": filled.turnover_units / 1e8,
        "markouts_bps": dict(filled.markouts_bps),
    }


def quantiles(times_ns: "I8") -> dict[str, float] | None:
    """Return some quantiles in ms; None of nothing."""
    import numpy as np

    if not len(times_ns):
        return None
    values: np.ndarray[Any, Any] = np.quantile(times_ns, QUANTILES) / 1e6
    return {
        f"p{round(q * 100)}": round(float(v), 3) for q, v in zip(QUANTILES, values, strict=True)
    }


def lines(found: "Agreement") -> list[str]:
    """Return an agreement as a table."""
    told = document(found)
    sides = [told[name] for name in ("actual", "configured", "measured")]
    rows = [
        ("", "as it was", "configured", "measured"),
        ("fills", *(f"{each['fills']:,}" for each in sides)),
        ("lots", *(f"{each['lots']:,}" for each in sides)),
        ("net, quote", *(f"{each['net']:+,.4f}" for each in sides)),
    ]
    apart = (f"{each['net_difference_bps']:+.2f}" for each in sides[1:])
    rows.append(("net, bps of turnover", "", *apart))
    for name in sides[0]["markouts_bps"]:
        horizon = name.removeprefix("markout_").removesuffix("_bps")
        values = (figure(each["markouts_bps"][name]) for each in sides)
        rows.append((f"markout {horizon}, bps", *values))
    for name, key in (
        ("orders filled in both", "both"),
        ("only as it was", "only_actual"),
        ("only predicted", "only_predicted"),
    ):
        rows.append((name, "", *(f"{each[key]:,}" for each in sides[1:])))
    rows.append(("overlap of lots", "", *(f"{each['overlap']:.1%}" for each in sides[1:])))
    orders = f"{found.orders} orders ({found.refused} refused)"
    head = f"{found.symbol}, {told['hours']:.2f} h, {orders}; predicted with the "
    return [
        head + "delays of executor.latency, and with those measured",
        "",
        *("".join((f"{row[0]:<24}", *(f"{each:>16}" for each in row[1:]))) for row in rows),
        "",
        f"first fill, predicted less actual: {spread(told['measured']['first_fill_shift_ms'])}",
        f"an order was accepted after: {spread(told['order_delay_ms'])}",
    ]


def figure(value: float | None) -> str:
    """Return a figure, or a dash."""
    return "-" if value is None else f"{value:+.2f}"


def spread(told: dict[str, float] | None) -> str:
    """Return quantiles as text."""
    if told is None:
        return "-"
    return ", ".join(f"{name} {value:,.1f} ms" for name, value in told.items())

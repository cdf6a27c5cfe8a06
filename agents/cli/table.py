"""Renders a result document as the table that closes a run. Reads a dict, decides nothing."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from agents.cli.console import Screen
from agents.costs import costs_line

DASH = "-"


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure, or a dash when it is not defined."""
    return DASH if value is None else f"{value:,.{digits}f}"


def with_unit(text: str, unit: str) -> str:
    """Return a figure with its unit; a dash has none."""
    return text if text == DASH else f"{text} {unit}"


def cash(text: str) -> str:
    """Return decimal text with two places for a reader; the file holds all eight."""
    return f"{float(text):+,.2f}"


def metric(figures: dict[str, Any], name: str, digits: int = 2, factor: float = 1.0) -> str:
    """Return one metric of a figures document."""
    value = figures["metrics"][name]["value"]
    return number(None if value is None else value * factor, digits)


def parameters_line(parameters: dict[str, Any] | None) -> str:
    """Return a set as one line."""
    if parameters is None:
        return DASH
    return (
        f"spread {parameters['spread_percentage']:.4g} %, levels {parameters['levels']}, "
        f"base {parameters['base_quantity']:.6g}, max {parameters['max_position']:.6g}"
    )


def has_funding(*figures: dict[str, Any]) -> bool:
    """Return whether a line for funding says anything."""
    return any(float(each["profit"]["funding"]) != 0.0 for each in figures)


def rows(f: dict[str, Any], quote: str, *, funding: bool) -> list[tuple[str, str]]:
    """Return title and text of every line of one column.

    Args:
        f: a figures document.
        quote: name of the asset.
        funding: whether it has a line.
    """
    profit, orders = f["profit"], f["orders"]
    paid = [("  funding", cash(profit["funding"]))] if funding else []
    return [
        ("net of holding", f"{cash(profit['net_of_holding'])} {quote}"),
        ("equity change", cash(profit["total"])),
        ("  spread captured", cash(profit["spread"])),
        ("  fees", cash(profit["fees"])),
        ("  inventory, with the target", cash(profit["inventory"])),
        *paid,
        ("verdict on net of holding", verdict(f)),
        ("orders sent", f"{orders['sent']:,}"),
        ("  accepted", f"{orders['accepted']:,}"),
        ("  rejected, would have crossed", f"{orders['rejected']:,}"),
        ("refused by the gate", f"{sum(orders['refused'].values()):,}"),
        ("quoted in all", f"{float(f['quoted']['sent_quote']):,.0f} {quote}"),
        ("fills", f"{f['fills']['count']:,}"),
        ("fill rate, orders with a fill", with_unit(metric(f, "fill_rate", 1, 100), "%")),
        ("round trips, FIFO matches", f"{f['fills']['round_trips']:,}"),
        ("hit rate", with_unit(metric(f, "hit_rate", 1, 100), "%")),
        ("average trade duration", with_unit(metric(f, "average_trade_duration_s", 0), "s")),
        ("markout 1 / 10 / 60 s", markouts(f)),
        ("SQN", metric(f, "sqn")),
        ("Sharpe, a year of 365 days", sharpe(f)),
        ("largest drawdown", with_unit(metric(f, "max_drawdown", 4, 100), "%")),
    ]


def sharpe(figures: dict[str, Any]) -> str:
    """Return the Sharpe ratio with its returns; a few hours make it large and mean little."""
    found = figures["metrics"]["sharpe"]
    if found["value"] is None:
        return DASH
    return f"{found['value']:,.2f} (of {found['count']} returns)"


def markouts(figures: dict[str, Any]) -> str:
    """Return the three markouts in basis points."""
    names = ("markout_1s_bps", "markout_10s_bps", "markout_60s_bps")
    return " / ".join(metric(figures, name) for name in names) + " bps"


def reason_of(found: dict[str, Any]) -> str:
    """Return why a verdict is what it is, and how many round trips it rests on, said once."""
    reason, trips = str(found["reason"]), f"{found['round_trips']:,} round trips"
    return reason if "round trips" in reason else f"{reason}; {trips}"


def verdict(figures: dict[str, Any]) -> str:
    """Return the edge verdict with its bounds, quote asset."""
    found = figures["verdict"]
    name = str(found["edge"]).replace("_", " ")
    if found["lower"] is None:
        return name
    return f"{name} [{found['lower']:+,.2f}, {found['upper']:+,.2f}]"


def render(result: dict[str, Any], machine: dict[str, Any], where: str) -> None:
    """Print the closing table of a run on stdout."""
    console = Screen(108, markup=True)
    recording = result["recording"]
    quote = recording["symbol"].split("-")[1]
    console.print(
        f"\n[bold]{escape(recording['symbol'])}[/bold] on {escape(recording['venue'])}, "
        f"{recording['first']} to {recording['last']} ({recording['hours']:.1f} h)\n"
        f"{costs_line(recording)}, mode {result['mode']}, "
        f"seed {result['seed']}, {escape(recording['fills'])}",
    )
    if result["ended"] != "complete":
        console.print(f"[bold]ended early[/bold] at {result['ended_at']}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for title in ("tuned", "untuned", "holding"):
        table.add_column(title, justify="right")
    funding = has_funding(result["tuned"], result["untuned"])
    tuned, untuned = (rows(result[name], quote, funding=funding) for name in ("tuned", "untuned"))
    for (title, left), (_, right) in zip(tuned, untuned, strict=True):
        holding = DASH
        if title == "net of holding":
            holding = f"+0.00 {quote}"
        if title == "equity change":
            holding = cash(result["tuned"]["profit"]["holding"])
        table.add_row(title, left, right, holding)
    console.print(table)
    explain(console, result, machine)
    console.print(f"result      {where}", markup=False)


def pace(boundaries: int) -> str:
    """Return when optimizers spoke: on the wall clock there are no boundaries."""
    return f"{boundaries} boundaries" if boundaries else "at the optimizers' own pace"


def explain(console: Screen, result: dict[str, Any], machine: dict[str, Any]) -> None:
    """Print parameters, proposals, uptime and the count behind the verdict."""
    tuning = result["tuning"]
    console.print()
    console.print(f"parameters  first  {parameters_line(result['parameters']['initial'])}")
    console.print(f"            last   {parameters_line(result['parameters']['final'])}")
    refused = ", ".join(f"{code} {n}" for code, n in tuning["proposals_refused"].items())
    nothing = sum(n for seat, n in tuning["no_updates"].items() if seat.startswith("optimizer"))
    applied = sum(row["fate"] == "applied" for row in tuning["decisions"])
    when = pace(tuning["boundaries"])
    console.print(
        f"tuning      {when}: {nothing} times nothing "
        f"better, {tuning['proposals_made']} proposals, {tuning['proposals_approved']} approved, "
        f"{applied} applied, refused: {refused or 'none'}",
    )
    found = result["tuned"]["verdict"]
    console.print(
        f"verdict     {verdict(result['tuned'])}: {reason_of(found)}; "
        f"parameter sets paid for: {found['trials']}",
    )
    uptime = ", ".join(
        f"{name} {100 * part['uptime']:.1f} % (deaths {part['deaths']})"
        for name, part in machine["parts"].items()
    )
    console.print(f"processes   alive {uptime} of the run's time")
    if result["recording"]["artificial"]:
        console.print("note        the recording is artificial: its profit is no promise")

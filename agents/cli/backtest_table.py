"""Renders a backtest's document as text. Reads a dict, decides nothing."""

import shlex
from typing import Any

from rich.table import Table

from agents.cli.console import Screen
from agents.cli.output import put
from agents.cli.table import (
    DASH,
    cash,
    has_funding,
    metric,
    number,
    reason_of,
    rows,
    verdict,
    with_unit,
)
from agents.costs import costs_line

WIDTH = 160
TITLES = ["", "spread %", "levels", "base", "max", "net", "spread", "fees", "fills", "trips"]
TITLES += ["drawdown", "turnover", "2-sided", "markout 10 s", "parts +", "bounds of net"]


def assumption_lines(document: dict[str, Any]) -> list[str]:
    """Return what the result rests on, one thought a line."""
    recording, told = document["recording"], document["assumptions"]
    quote = recording["symbol"].partition("-")[2]
    capital = document["configuration"]["account"]["capital"]
    where = f"{recording['symbol']} on {recording['venue']}, {recording['first']} to "
    fees = f"{costs_line(told)}, taker fee {told['taker_fee_bps']:g} bps (cost positive)"
    delays = f"latency {told['latency']}, feed {told['feed_delay']}"
    pace = f"decisions every {told['decision_s']} s, guard every {told['guard_interval_ms']} ms"
    return [
        f"{where}{recording['last']} ({recording['hours']:.1f} h)",
        f"{fees}, capital {capital:,.0f} {quote}",
        f"fills {told['fill_model']}; {delays}; {pace}; {told['own_orders']}",
    ]


def render(document: dict[str, Any]) -> None:
    """Print the result on stdout."""
    console = Screen(WIDTH)
    sweep = document["sweep"]
    console.print()
    for line in assumption_lines(document):
        console.print(line)
    if sweep["kind"] == "single":
        show_single(console, document)
    else:
        show_sweep(console, document)
    for line in document["notes"]:
        console.print(f"note        {line}")
    if document["recording"]["artificial"]:
        console.print("note        the recording is artificial: its profit is no promise")
    for each in document["written"]:
        told = f", {each['fills']:,} fills of the first row" if "fills" in each else ""
        put(f"written     {each['path']}{told}")
    put(f"reproduce   {shlex.join(document['reproduce'])}")


def exact(parameters: dict[str, str]) -> str:
    """Return a set as one line, every digit of it."""
    return (
        f"spread {parameters['spread_percentage']} %, levels {parameters['levels']}, "
        f"base {parameters['base_quantity']}, max {parameters['max_position']}"
    )


def show_single(console: Screen, document: dict[str, Any]) -> None:
    """Print one set with everything that is measured."""
    line = document["rows"][0]
    console.print()
    quote = document["recording"]["symbol"].partition("-")[2]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    figures = line["figures"]
    first = document["first_row"]
    funding = has_funding(first) or "fundings" in document["assumptions"]
    for title, text in rows(first, quote, funding=funding):
        if title == "verdict on net of holding":
            table.add_row("less holding the target", cash(held_back(first)))
        table.add_row(title, text)
    table.add_row("largest drawdown of net", f"{cash(figures['drawdown'])[1:]} {quote}")
    table.add_row("turnover", f"{float(figures['turnover']):,.0f} {quote}")
    table.add_row("net of turnover", with_unit(number(figures["net_bps"]), "bps"))
    table.add_row("quoted on both sides", f"{100 * figures['two_sided']:.1f} % of the time")
    console.print(table)
    console.print()
    console.print(f"parameters  {exact(line['parameters'])}")
    show_parts(console, line)
    show_verdict(console, document)


def held_back(figures: dict[str, Any]) -> str:
    """Return what is taken from the equity change to see what quoting alone brought."""
    return str(0.0 - float(figures["profit"]["holding"]))


def show_parts(console: Screen, line: dict[str, Any]) -> None:
    """Print how the net profit is spread over the parts of the span."""
    parts = [float(text) for text in line["net_by_part"]]
    if len(parts) > 1:
        above = sum(part > 0 for part in parts)
        told = " ".join(f"{part:+,.2f}" for part in parts)
        console.print(f"parts       {above} of {len(parts)} parts of equal length earned: {told}")


def show_verdict(console: Screen, document: dict[str, Any]) -> None:
    """Print what the first row's bounds say, and what they were paid for."""
    found = document["first_row"]
    console.print(f"verdict     {verdict(found)}: {reason_of(found['verdict'])}")
    net = float(found["profit"]["net_of_holding"])
    if abs(net - found["verdict"]["net"]) >= 0.005:
        console.print(
            f"            it looks at whole cycles of {document['assumptions']['decision_s']} s: "
            f"{found['verdict']['net']:+,.2f} by the last one's end, {net:+,.2f} by the span's"
        )
    if document["trials"] > 1:
        console.print(
            f"in sample   it is the best of {document['trials']:,} sets on the recording that it "
            "is judged by: the bounds are deflated for that many trials (Sidak), its net is not; "
            "judge it on another day"
        )


def show_sweep(console: Screen, document: dict[str, Any]) -> None:
    """Print the best rows of a sweep, and the first one's verdict."""
    sweep = document["sweep"]
    tried = f"{sweep['tried']:,} of {sweep['sets']:,} sets tried" + (
        "" if sweep["complete"] else ", interrupted"
    )
    left_out = sweep["illegal_left_out"] if sweep["kind"] == "grid" else 0
    if left_out:
        tried += f"; {left_out:,} illegal ones left out (base_quantity x levels > max_position)"
    console.print(f"{sweep['kind']}, {tried}; sorted by {document['sort']}")
    if sweep["kind"] == "random":
        told = ", ".join(f"{name} {ends}" for name, ends in sweep["ranges"].items())
        console.print(f"drawn from {told}; seed {document['seed']}")
    console.print()
    console.print(sweep_table(document))
    if any(line["starting_set"] for line in document["rows"]):
        console.print("* the starting set")
    console.print()
    line = document["rows"][0]
    console.print(f"first row   {exact(line['parameters'])}")
    show_parts(console, line)
    show_verdict(console, document)


def sweep_table(document: dict[str, Any]) -> Table:
    """Return the table: parameters in full, figures rounded for a reader."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    for line in document["rows"]:
        table.add_row(*sweep_row(line))
    return table


def sweep_row(line: dict[str, Any]) -> list[str]:
    """Return the cells of one row."""
    figures, parameters = line["figures"], line["parameters"]
    parts = [float(text) for text in line["net_by_part"]]
    lower, upper = line["verdict"]["lower"], line["verdict"]["upper"]
    bounds = DASH if lower is None else f"[{lower:+,.2f}, {upper:+,.2f}]"
    return [
        f"{line['rank']}{'*' if line['starting_set'] else ''}",
        *parameters.values(),
        cash(figures["net"]),
        cash(figures["spread"]),
        cash(figures["fees"]),
        f"{figures['fills']:,}",
        f"{figures['round_trips']:,}",
        f"{float(figures['drawdown']):,.2f}",
        f"{float(figures['turnover']):,.0f}",
        f"{100 * figures['two_sided']:.1f} %",
        with_unit(metric(line, "markout_10s_bps"), "bps"),
        f"{sum(part > 0 for part in parts)}/{len(parts)}",
        bounds,
    ]

"""Renders a study's document as text. Reads a dict, decides nothing."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from agents.cli.alone import reliability_line
from agents.cli.console import Screen
from agents.cli.output import put
from agents.cli.table import DASH, number, parameters_line

WIDTH = 132


def render(
    document: dict[str, Any], spent: dict[str, Any], written: Sequence[dict[str, Any]]
) -> None:
    """Print the result on stdout."""
    console = Screen(WIDTH)
    console.print(
        f"\n{document['symbol']} on {document['venue']}, {document['first']} to "
        f"{document['last']}, maker fee {document['maker_fee_bps']:g} bps"
    )
    last = document["verdict"]
    answer = "trade another set" if last["published"] else "keep what is in force"
    console.print(f"verdict     {answer}: {last['reason']}")
    console.print(f"in force    {parameters_line(last['held'])}")
    if last["published"]:
        console.print(f"proposed    {parameters_line(last['chosen'])}")
    ended = f"{last['candidates']:,} candidates, {last['search']}"
    console.print(f"search      {ended}, front of {len(document['front'])}{guards_text(last)}")
    console.print()
    show_windows(console, document)
    show_walk(console, document)
    console.print(f"confidence  {reliability_line(document['summary']['reliability'])}")
    console.print(f"spent       {spent_text(spent)}")
    console.print(f"digest      {document['digest']}")
    for each in written:
        put(f"written     {each['path']}")


def guards_text(row: dict[str, Any]) -> str:
    """Return what the guards say, as far as they say anything."""
    guards = row["guards"]
    if guards is None:
        return ""
    known = (("PBO", guards["overfitting"]), ("deflated Sharpe", guards["deflated_sharpe"]),
             ("SPA p", guards["superior"]), ("by chance", row["chance"]))  # fmt: skip
    return "".join(f", {name} {value:.2f}" for name, value in known if value is not None)


def show_windows(console: Screen, document: dict[str, Any]) -> None:
    """Print a line for each window."""
    table = Table(box=None, pad_edge=False)
    table.add_column("until (UTC)")
    for title in ("hours", "sets", "trained", "tested", "ahead", "efficiency", "net ahead",
                  "of held", "sure", "PBO"):  # fmt: skip
        table.add_column(title, justify="right")
    table.add_column("answer")
    for row in document["rows"]:
        ahead, guards = row["ahead"] or {}, row["guards"] or {}
        table.add_row(
            row["at"][:16].replace("T", " "),
            f"{row['hours']:.1f}",
            f"{row['candidates']}",
            *(number(row[key], 3) for key in ("gain_trained", "gain_tested", "gain_ahead")),
            number(row["efficiency"]),
            number(ahead.get("net_profit")),
            number(ahead.get("net_profit_held")),
            number(row["confidence"]) if row["chosen"] else DASH,
            number(guards.get("overfitting")),
            "published" if row["published"] else row["reason"].partition(":")[0],
        )
    console.print(table)
    found = document["summary"]
    console.print(
        f"together    {found['published']} of {found['windows']} windows published; gain "
        f"trained {number(found['gain_trained'], 3)}, ahead {number(found['gain_ahead'], 3)}, "
        f"efficiency {number(found['efficiency'])}"
    )


def show_walk(console: Screen, document: dict[str, Any]) -> None:
    """Print what the choices earned afterwards, beside the first set."""
    walk, quote = document["walk_forward"], document["symbol"].partition("-")[2]
    for key, words in (
        ("tuned", "sets in force"),
        ("first_set", "first set"),
        ("tuned_less_first_set", "difference"),
    ):
        found = walk[key]
        bounds = found["interval"]
        between = "" if bounds is None else f" [{bounds[0]:+,.2f}, {bounds[1]:+,.2f}]"
        console.print(
            f"{'afterwards' if key == 'tuned' else '':<11} {words:<14} "
            f"{found['net_profit']:+,.2f}{between} {quote} in {walk['hours']:.1f} h"
        )


def spent_text(spent: dict[str, Any]) -> str:
    """Return seconds by what they were spent on."""
    parts = ", ".join(
        f"{name} {spent[f'{name}_s']:.1f}"
        for name in ("tape", "search", "replay", "storage", "other")
    )
    restored = ""
    if spent["batches_restored"]:
        restored = f"; {spent['batches_restored']} of {spent['batches']} batches from the store"
    return f"{spent['wall_s']:.1f} s: {parts}{restored}"

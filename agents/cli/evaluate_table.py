"""The scoreboard as text: a table of arms and one of differences for each fee."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

DASH = "-"
SHOWN = ("net_equal_volatility", "sqn100", "drawdown_equal_volatility")
NAMES = {
    "net": "net",
    "net_equal_volatility": "net, equal volatility",
    "sharpe": "Sharpe",
    "sqn": "SQN",
    "sqn100": "SQN100",
    "drawdown": "drawdown",
    "drawdown_equal_volatility": "drawdown, equal volatility",
}


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure as text; a dash where there is none."""
    return DASH if value is None else f"{value:,.{digits}f}"


def days(value: float | None) -> str:
    """Return days needed; less than one is no nothing."""
    return "<1" if value is not None and value < 1.0 else number(value, 0)


def lined_up(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return rows as lines of columns, the first `left` of them flush left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def arm_rows(tier: Mapping[str, Any]) -> list[list[str]]:
    """Return a heading and a row for each arm."""
    rows = [["", "net", "Sharpe", "SQN100", "N", "drawdown", "fills", "turnover", "changes",
             "deflated", "verdict"]]  # fmt: skip
    for name, arm in tier["arms"].items():
        figures, quiet = arm["figures"], not arm["orders"]
        rows.append(
            [
                name,
                number(figures["net"]),
                number(figures["sharpe"]),
                number(figures["sqn100"]),
                f"{arm['round_trips']:,}",
                number(figures["drawdown"]),
                f"{arm['fills']:,}",
                number(arm["turnover"], 0),
                f"{arm['changes']:,}",
                number(arm["deflated_sharpe"]),
                DASH if quiet else arm["verdict"]["edge"].replace("_", " "),
            ]
        )
    return rows


def difference_rows(tier: Mapping[str, Any], names: Sequence[str] = SHOWN) -> list[list[str]]:
    """Return a heading and a row for each pair and figure."""
    rows = [["", "figure", "theirs", "ours", "difference", "interval", "N", "days needed", ""]]
    for pair in tier["differences"]:
        for name in names:
            each = pair["figures"][name]
            bounds = DASH
            if each["lower"] is not None:
                bounds = f"[{each['lower']:+,.2f}, {each['upper']:+,.2f}]"
            value = DASH if each["value"] is None else f"{each['value']:+,.2f}"
            rows.append(
                [
                    f"{pair['ours']} against {pair['theirs']}",
                    NAMES[name],
                    number(each["theirs"]),
                    number(each["ours"]),
                    value,
                    bounds,
                    f"{min(each['count'], each['their_count']):,}",
                    days(each["days_needed"]),
                    each["finding"],
                ]
            )
    return rows


def progress_rows(tier: Mapping[str, Any]) -> list[list[str]]:
    """Return a heading and a row for each arm that traded: its net by quarter of the test."""
    rows = [["net by quarter of the test", "first", "second", "third", "last"]]
    for name, parts in tier["progress"].items():
        if tier["arms"][name]["orders"]:
            rows.append([name, *(number(each) for each in parts)])
    return rows


def heading(tier: Mapping[str, Any]) -> str:
    """Return what a tier is about."""
    count = len(tier["recordings"])
    told = tier["recordings"]
    in_order = all(one["last"] <= two["first"] for one, two in pairwise(told))
    span = f", {told[0]['first']} to {told[-1]['last']}" if in_order else ", not one after another"
    many = f"{count} recording{'s' if count > 1 else ''}"
    return (
        f"{tier['symbol']} on {tier['venue']}, {many}{span}; "
        f"{tier['days']:.2f} days of test; maker fee {tier['fee_bps']:g} bps"
    )


def false_findings(document: Mapping[str, Any]) -> list[str]:
    """Return how often a pair of which ours cannot be better was called better; none: no line."""
    plan = document["plan"]
    never = [tuple(each) for each in plan["never_better"]]
    found = [
        pair["figures"][plan["primary"]]["finding"]
        for tier in document["tiers"]
        for pair in tier["differences"]
        if (pair["ours"], pair["theirs"]) in never
    ]
    if not found:
        return []
    return [f"of {len(found)} pairs that cannot be better, {found.count('better')} were called so"]


def as_flags(tier: Mapping[str, Any]) -> list[str]:
    """Return the settings that L traded by as flags of `counterpoint run`; none: no line."""
    settings = tier["settings"]
    if not settings:
        return []
    title = "to trade as L does, counterpoint run with"
    if tier["residual"]:
        title += " (and a residual of `counterpoint train`, which L has and these have not)"
    flags = [
        f"--set {name}={value:.4g}" if isinstance(value, float) else f"--set {name}={value}"
        for name, value in settings.items()
    ]
    half = (len(flags) + 1) // 2
    told = [" ".join(flags[:half]) + " \\", " ".join(flags[half:])]
    return [title, *(f"    {each}" for each in told), ""]


def text(document: Mapping[str, Any]) -> str:
    """Return the whole scoreboard."""
    lines: list[str] = []
    for tier in document["tiers"]:
        lines += [heading(tier), "", *lined_up(arm_rows(tier))]
        lines += ["", *lined_up(progress_rows(tier))]
        lines += ["", *lined_up(difference_rows(tier), 2), ""]
        lines += as_flags(tier)
    plan = document["plan"]
    lines += false_findings(document)
    present = document["tiers"][0]["arms"]
    lines += [f"{name:<4}{plan['arms'][name]}" for name in present]
    lines.append(meaning(plan))
    return "\n".join(lines)


def meaning(plan: Mapping[str, Any]) -> str:
    """Return the line that says how to read the figures."""
    return (
        f"primary figure: {NAMES[plan['primary']]}; intervals hold the truth in "
        f"{1 - plan['level']:.0%} of cases, one by one; money in the quote asset"
    )

"""The scoreboard as one self-contained page: curves first, then the tables."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from agents.cli.evaluate_table import (
    arm_rows,
    as_flags,
    difference_rows,
    false_findings,
    heading,
    meaning,
    progress_rows,
)
from agents.cli.picture import TONES, Axis, Line, Panel, plot
from market.types import F8

FIRST = ("F", "V", "S1", "T", "B")
STYLE = """
body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;
max-width:1080px;margin:2rem auto;padding:0 1rem;color:#0b0b0b;background:#fff}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #e6e5df;white-space:nowrap}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}
@media (prefers-color-scheme:dark){body{color:#fff;background:#111}td,th{border-color:#30302d}}
""".strip()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table, the first one its heading."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def curves(tier: Mapping[str, Any], period_s: float) -> str:
    """Return net profits over the hours of the test, as a picture: of as many as can be told apart.

    Those that are compared first, then others in their order.
    """
    known = list(tier["curves"])
    shown = [name for name in FIRST if name in known]
    shown += [name for name in known if name not in shown and tier["arms"][name]["orders"]]
    lines = []
    for index, name in enumerate(shown[:TONES]):
        curve = tier["curves"][name]
        hours = np.linspace(0.0, len(curve) * period_s / 3600.0, len(curve) + 1)
        values: F8 = np.array([0.0, *curve])
        lines.append(Line(name, hours, values, tone=index))
    last = tier["periods"] * period_s / 3600.0
    ticks = tuple((float(each), f"{each:g}") for each in np.linspace(0.0, last, 7).round(1))
    axis = Axis(0.0, last, ticks, "hours of test")
    return plot(
        (Panel("net profit", tuple(lines), height=260),),
        axis,
        title=f"{tier['symbol']} at {tier['fee_bps']:g} bps",
    )


def page(document: Mapping[str, Any]) -> str:
    """Return the whole page."""
    plan = document["plan"]
    parts = ["<h1>Does tuning pay?</h1>"]
    for tier in document["tiers"]:
        parts += [
            f"<h2>Maker fee {tier['fee_bps']:g} bps</h2>",
            f"<p>{escape(heading(tier))}</p>",
            curves(tier, float(plan["period_s"])),
            table(arm_rows(tier)),
            table(progress_rows(tier)),
            table(difference_rows(tier)),
        ]
        if flags := as_flags(tier):
            parts.append(f"<p>{escape(flags[0])}</p><pre>{escape(chr(10).join(flags[1:]))}</pre>")
    about = "".join(
        f"<li><b>{escape(name)}</b> {escape(plan['arms'][name])}</li>"
        for name in document["tiers"][0]["arms"]
    )
    parts += [f"<p>{escape(line)}</p>" for line in false_findings(document)]
    parts.append(f"<ul>{about}</ul><p>{escape(meaning(plan))}</p>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>scoreboard</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )

"""The report as one self-contained HTML page: charts first, no script, no address, dark and light.

Everything that came from a journal is text of strangers and is escaped.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from desk.report.calibration import (
    TITLES,
    calibration_line,
    calibration_rows,
    replayed_line,
    replayed_rows,
)
from desk.report.labels import GROUPS, basis, shown
from desk.report.pictures import pictures
from desk.report.sheet import Sheet, assumptions
from desk.report.text import interval
from desk.rows import UNITS
from protocol.messages import utc_text

STYLE: Final = """
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#16181c;--soft:#5c6068;
--line:#e3e3df;
--grid:#ecebe7;--t0:#1f6fd0;--t1:#d1541f;--t2:#12885c;--t3:#6d4fc9;--t4:#8b8f97}
@media (prefers-color-scheme:dark){:root{--page:#101216;--card:#181b20;--ink:#eceef1;
--soft:#a2a8b2;
--line:#2a2e35;--grid:#242830;--t0:#5b9df0;--t1:#f07f4a;--t2:#2dbd87;--t3:#a48ff5;--t4:#7c828c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.4;overflow-wrap:anywhere;
font:14px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
main{max-width:1360px;margin:0 auto;padding:20px 24px 48px}
header{display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline;margin:4px 0 14px}
h1{font-size:24px;margin:0;letter-spacing:-.01em}header span{color:var(--soft)}
h2{font-size:13px;margin:0 0 8px;font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:10px;margin-bottom:12px}
.tile,figure,section{background:var(--card);border:1px solid var(--line);border-radius:8px}
.tile{padding:10px 14px}.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums;
line-height:1.25;white-space:nowrap}.tile span{color:var(--soft);font-size:12px}
.charts{display:grid;grid-template-columns:1fr 1fr;gap:12px;margin-bottom:12px}
.wide{grid-column:1/-1}
figure,section{margin:0;padding:12px 14px;min-width:0}
figcaption{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;margin-bottom:8px;
font-size:13px}figcaption i{font-style:normal;color:var(--soft);font-size:12px}
.key{font-size:12px;color:var(--soft);white-space:nowrap}.key u{display:inline-block;width:10px;
height:10px;border-radius:2px;margin-right:5px;vertical-align:-1px}
.plot{position:relative;padding:0 0 20px 64px}.plot.bare{padding-left:0}
.plot svg{display:block;width:100%;overflow:hidden}
.y,.x{position:absolute;font-size:11px;color:var(--soft);font-variant-numeric:tabular-nums}
.y{left:0;top:0;bottom:20px;width:56px}.y span{position:absolute;right:0;
transform:translateY(-50%)}
.x{left:64px;right:0;bottom:0;height:16px}.bare .x{left:0}
.x span{position:absolute;transform:translateX(-50%);white-space:nowrap}
svg path{fill:none;vector-effect:non-scaling-stroke}svg .g{stroke:var(--grid)}
svg .b{stroke:var(--soft);stroke-dasharray:5 4}svg .r{stroke:var(--t3);stroke-dasharray:2 3;
opacity:.7}
svg .l{stroke-width:1.6;stroke-linejoin:round}svg .d{stroke-width:4.5;stroke-linecap:round;
opacity:.75}
svg .a{stroke:none;opacity:.22}rect.up{fill:var(--t2)}rect.down{fill:var(--t1)}
.s0{stroke:var(--t0)}.s1{stroke:var(--t1)}.s2{stroke:var(--t2)}.s3{stroke:var(--t3)}
.s4{stroke:var(--t4)}
svg .f0{fill:var(--t0)}svg .f1{fill:var(--t1)}svg .f2{fill:var(--t2)}svg .f3{fill:var(--t3)}
.k0{background:var(--t0)}.k1{background:var(--t1)}.k2{background:var(--t2)}
.k3{background:var(--t3)}
.k4{background:var(--t4)}
.bar{display:grid;grid-template-columns:110px 1fr 126px;gap:10px;align-items:center;height:28px;
font-size:13px}.bar div{position:relative;height:14px}.bar span:last-child{text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap}
.bar s{position:absolute;top:0;height:14px;border-radius:2px}.bar s.zero{width:1px;top:-5px;
height:24px;
background:var(--soft);opacity:.6}.bar s.up{background:var(--t2)}.bar s.down{background:var(--t1)}
.groups{columns:2;column-gap:12px}.groups section{break-inside:avoid;margin-bottom:12px}
table{border-collapse:collapse;width:100%;font-size:13px}td,th{padding:4px 0;text-align:right;
border-top:1px solid var(--grid);vertical-align:top;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--soft);font-size:12px}td:first-child,th:first-child{text-align:left}
td+td,th+th{padding-left:12px}small{display:block;color:var(--soft);font-size:11px}
td.n{white-space:nowrap}.scroll{overflow-x:auto}.scroll table{overflow-wrap:normal}
.under{margin-bottom:12px}
.ok{color:var(--t2);font-weight:600}.bad{color:var(--t1);font-weight:700}ul{margin:0;
padding-left:18px;
color:var(--soft);font-size:13px}li{margin:3px 0}
@media (max-width:760px){main{padding:12px 10px 32px}.tiles{grid-template-columns:1fr 1fr}
.charts{grid-template-columns:minmax(0,1fr)}.groups{columns:1}
.bar{grid-template-columns:84px 1fr 112px;gap:8px;
font-size:12px}.plot{padding-left:52px}.y{width:46px}.x{left:52px}figure,section{padding:10px}}
@media (max-width:760px){.scroll table{min-width:640px}}
@media print{body{background:#fff}figure,section,.tile{break-inside:avoid}main{padding:0}}
""".strip()
TILES: Final = (
    ("net", "net of holding", ""), ("success_rate", "success rate", "percent"),
    ("fill_rate", "fill rate", "percent"), ("win_rate", "win rate", "percent"),
    ("sqn100", "SQN100", "ratio"), ("net_max_drawdown", "drawdown, net", "percent"),
)  # fmt: skip


def page_of(sheets: list[Sheet]) -> str:
    """Return the whole page."""
    title = escape(", ".join(each.instrument.symbol for each in sheets))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>'
        f"{title} - counterpoint report</title>"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body>{''.join(_main(each) for each in sheets)}"
        "</body></html>\n"
    )


def _main(sheet: Sheet) -> str:
    history, instrument = sheet.history, sheet.instrument
    since, until = (
        utc_text(each)[:19].replace("T", " ") for each in (history.since_ns, history.until_ns)
    )
    return (
        f"<main><header><h1>{escape(instrument.symbol)}</h1><span>{escape(history.owner)}, run "
        f"{escape(history.run)}</span><span>{since} to {until} UTC, "
        f"{history.hours:,.2f} h</span></header>{_tiles(sheet)}{pictures(sheet)}{_learning(sheet)}"
        f'<div class="groups">{_groups(sheet)}</div>{_believed(sheet)}{_identities(sheet)}'
        f"{_notes(sheet)}</main>"
    )


def _tiles(sheet: Sheet) -> str:
    told = ""
    for key, words, unit in TILES:
        if key == "net":
            net = int(sheet.history.cycles["net"][-1] - sheet.history.cycles["net"][0])
            value, under = f"{net / UNITS:+,.2f}", f"{words}, {sheet.instrument.quote}"
        else:
            figure = sheet.figures[key]
            value, under = shown(figure, unit, ""), f"{words}, n {figure.count:,}"
        told += f'<div class="tile"><b>{value}</b><span>{escape(under)}</span></div>'
    return f'<div class="tiles">{told}</div>'


def _groups(sheet: Sheet) -> str:
    told = ""
    for title, labels in GROUPS:
        rows = ""
        for label in labels:
            figure = sheet.figures[label.key]
            value = escape(shown(figure, label.unit, sheet.instrument.quote))
            how = f"<small>{escape(label.how)}</small>" if label.how else ""
            rows += (
                f'<tr><td>{escape(label.words)}{how}</td><td class="n">{value}'
                f"<small>{escape(basis(figure))}</small></td></tr>"
            )
        told += f"<section><h2>{escape(title)}</h2><table>{rows}</table></section>"
    return told


def _learning(sheet: Sheet) -> str:
    learning = sheet.learning
    rows = ""
    for each in learning["sets"]:
        held: dict[str, Any] = each["parameters"]
        sure = "-" if each["confidence"] is None else f"{each['confidence']:.2f}"
        by = " ".join(part for part in (each["by"], each["mode"]) if part)
        rows += (
            f'<tr><td class="n">{escape(each["from"][:19].replace("T", " "))}'
            f"<small>{escape(by)}</small></td>"
            f"<td>{held['spread_percentage']:g}</td><td>{held['levels']}</td>"
            f"<td>{held['base_quantity']:g}</td><td>{held['max_position']:g}</td><td>{sure}</td>"
            f'<td class="n">{escape(interval(each["net_per_hour"]))}</td></tr>'
        )
    change = learning["improvement_per_hour"]
    verdict = ""
    if change is not None:
        verdict = (
            f"<p>Last set less first: <b>{escape(interval(change))}</b> "
            f"{escape(sheet.instrument.quote)} an hour. "
            f"{_surely(change)} The market changed as well.</p>"
        )
    return (
        '<section class="under"><h2>Learning: '
        f"{learning['iterations']} changes of {learning['proposals']} proposals</h2>"
        '<div class="scroll"><table><tr><th>in force from</th><th>spread, %</th><th>levels</th>'
        "<th>base quantity</th><th>max position</th><th>confidence</th>"
        f"<th>net, {escape(sheet.instrument.quote)} an hour</th></tr>{rows}</table></div>"
        f"{verdict}</section>"
    )


def _believed(sheet: Sheet) -> str:
    """Return what confidences and predictions were worth."""
    told = _table(
        "Confidence, stated and come true",
        calibration_line(sheet.calibration),
        ("mean stated", "came true", "outcomes"),
        calibration_rows(sheet.calibration),
    )
    if sheet.replayed is not None:
        told += _table(
            "Predicted against actual",
            replayed_line(sheet.replayed),
            ("", *TITLES),
            replayed_rows(sheet.replayed),
        )
    return told


def _table(title: str, under: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a section with a table, or with its sentence alone."""
    told = "".join(
        f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>" for row in rows
    )
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    table = f"<table><tr>{head}</tr>{told}</table>" if rows else ""
    return (
        f'<section class="under"><h2>{escape(title)}</h2><div class="scroll">{table}</div>'
        f"<p>{escape(under)}</p></section>"
    )


def _surely(change: dict[str, Any]) -> str:
    """Return what an interval lets one say."""
    low, high = change["low"], change["high"]
    if low is None or high is None or low <= 0.0 <= high:
        return "The interval holds zero: chance alone may have made it."
    return "The interval does not hold zero."


def _identities(sheet: Sheet) -> str:
    rows = ""
    for each in sheet.identities:
        told = each.as_dict()
        mark = '<span class="ok">holds</span>' if each.holds else '<span class="bad">BROKEN</span>'
        why = f"<small>within {told['slack']}: {escape(each.why)}</small>" if each.slack else ""
        rows += (
            f"<tr><td>{escape(each.said)}{why}</td><td>{told['left']}</td><td>{told['right']}</td>"
            f"<td>{escape(each.unit)}</td><td>{mark}</td></tr>"
        )
    return (
        '<section class="under"><h2>Accounting identities</h2><div class="scroll"><table>'
        f"<tr><th></th><th>left</th><th>right</th><th></th><th></th></tr>{rows}</table></div>"
        "</section>"
    )


def _notes(sheet: Sheet) -> str:
    items = "".join(f"<li>{escape(each)}</li>" for each in assumptions(sheet))
    return f"<section><h2>How it was measured</h2><ul>{items}</ul></section>"

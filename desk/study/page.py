"""A study as one self-contained HTML page: the verdict first, no script, dark and light.

Everything that came over is text of strangers and is escaped.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

from desk.report.page import STYLE as BASE
from desk.study import pictures
from desk.study.told import Parameters, Row, Study, Sum

STYLE: Final = (
    BASE
    + """
.verdict{display:grid;grid-template-columns:1.1fr 1fr;gap:8px 28px;margin-bottom:12px;
padding:16px 18px;border-left:5px solid var(--t4)}.verdict.yes{border-left-color:var(--t2)}
.verdict h2{font-size:22px;margin:0 0 4px}.verdict p{margin:4px 0;color:var(--soft)}
.verdict p b{color:var(--ink)}
.up,.across{font-size:11px;color:var(--soft)}.up{margin:-2px 0 3px}
.across{text-align:center;margin-top:2px}
.area{position:relative}.ring{position:absolute;width:13px;height:13px;margin:-6.5px 0 0 -6.5px;
border:2.5px solid;border-radius:50%;background:none}
.key u.ring{position:static;margin:0 5px 0 0;width:11px;height:11px;vertical-align:-2px}
.r1{border-color:var(--t1)}.r2{border-color:var(--t2)}.r3{border-color:var(--ink)}
figure figcaption i{flex-basis:100%;order:3}
.parallel .s4{opacity:.28}.parallel .s0{opacity:.75}.parallel .x{height:30px}
.parallel .plot{padding-bottom:34px}.parallel .x span{white-space:normal;width:13%;
text-align:center;line-height:1.2}.parallel .y{bottom:34px}
.wordy .bar{grid-template-columns:80px 1fr 230px}
.key u.pale{opacity:.3}
.thirds{grid-template-columns:1fr 1fr 1fr}.quarters{grid-template-columns:repeat(4,1fr)}
h3{font-size:15px;margin:20px 0 8px}
.verdict td+td{white-space:nowrap}
td.good{color:var(--t2);font-weight:600}
@media (max-width:760px){.verdict{grid-template-columns:minmax(0,1fr)}
.thirds,.quarters{grid-template-columns:minmax(0,1fr)}
.parallel{overflow-x:auto}.parallel .plot{min-width:680px}
.wordy .bar{grid-template-columns:70px 1fr 190px}.up{margin-left:0}}
"""
)
LABELS: Final = (
    ("spread_percentage", "spread, % of mid"), ("levels", "levels a side"),
    ("base_quantity", "base quantity"), ("max_position", "largest position"),
)  # fmt: skip

HEAD: Final = (
    "", "window until, UTC", "answer", "hours", "candidates", "gain, training", "gain, test",
    "gain, afterwards", "efficiency", "net afterwards", "set in force", "confidence", "PBO",
    "deflated Sharpe",
)  # fmt: skip


def page_of(study: Study) -> str:
    """Return the whole page."""
    result = study.result
    title = f"{result.symbol}: {result.study}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>'
        f"{escape(title)} - counterpoint study</title>"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<style>{STYLE.strip()}</style></head><body><main>{_header(study)}{_verdict(study)}"
        f"{_tiles(study)}{_afterwards(study)}{_search(study)}{_trust(study)}{_notes(study)}"
        "</main></body></html>\n"
    )


def _header(study: Study) -> str:
    result = study.result
    since, until = (each[:16].replace("T", " ") for each in (result.first, result.last))
    fee = f"maker fee {result.maker_fee_bps:g} bps"
    return (
        f"<header><h1>{escape(result.symbol)}</h1><span>study {escape(result.study)}, "
        f"{escape(result.venue)}</span><span>{escape(since)} to {escape(until)} UTC, {fee}</span>"
        "</header>"
    )


def _verdict(study: Study) -> str:
    last = study.result.rows[-1]
    answer = "Trade another set" if last.published else "Keep what is in force"
    what, _, figures = last.reason.partition(":")
    told = f"<p><b>{escape(what[:1].upper() + what[1:])}</b>: {escape(figures.strip())}.</p>"
    if last.published:
        told = f"<p><b>Better</b>: {escape(last.reason)}.</p>"
    more = (
        f"<p>Confidence {last.confidence:.2f}: the estimated probability that the best candidate "
        f"does better than the set in force over the next {last.horizon_hours:.1f} hours, costs "
        f"included. {last.chance:.0%} of worthless searches would look as good.</p>"
        if last.chosen is not None
        else ""
    )
    ended = (
        f"<p>{last.candidates:,} candidates on {last.hours:.1f} hours until "
        f"{escape(last.at[:16].replace('T', ' '))} UTC; the search ended by <b>"
        f"{escape(last.search)}</b>.</p>"
    )
    tone = " yes" if last.published else ""
    return (
        f'<section class="verdict{tone}"><div><h2>{answer}</h2>{told}{more}{ended}</div>'
        f"<div>{_sets(last)}</div></section>"
    )


def _sets(last: Row) -> str:
    head = "<tr><th></th><th>in force</th><th>best candidate</th><th>change</th></tr>"
    rows = ""
    for key, words in LABELS:
        held = float(getattr(last.held, key))
        if last.chosen is None:
            best, change = "-", "-"
        else:
            value = float(getattr(last.chosen, key))
            best = f"{value:.6g}"
            change = f"{value / held - 1.0:+.1%}" if value != held else "-"
        rows += f"<tr><td>{words}</td><td>{held:.6g}</td><td>{best}</td><td>{change}</td></tr>"
    return f"<table><tr>{head}</tr>{rows}</table>"


def _tiles(study: Study) -> str:
    result, last = study.result, study.result.rows[-1]
    found, walk, guards = result.summary, result.walk_forward, last.guards
    tiles = (
        (f"{found.published} of {found.windows}", "windows published a set"),
        (_number(found.efficiency), "walk-forward efficiency: gain afterwards over training"),
        (
            _money(walk.tuned),
            f"{study.quote} afterwards, in {walk.hours:.0f} h{_between(walk.tuned)}",
        ),
        (
            _money(walk.tuned_less_first_set),
            f"{study.quote} against the first set{_between(walk.tuned_less_first_set)}",
        ),
        (
            _number(guards.overfitting if guards else None),
            "probability of backtest overfitting; noise: 0.5",
        ),
        (
            _number(guards.deflated_sharpe if guards else None),
            f"deflated Sharpe: beats luck of {last.candidates:,} trials",
        ),
    )
    told = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(words)}</span></div>'
        for value, words in tiles
    )
    return f'<div class="tiles">{told}</div>'


def _money(found: Sum) -> str:
    return f"{found.net_profit:+,.2f}"


def _between(found: Sum) -> str:
    if found.interval is None:
        return ""
    return f" ({found.interval[0]:+,.2f} to {found.interval[1]:+,.2f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _afterwards(study: Study) -> str:
    head = "".join(f"<th>{each}</th>" for each in HEAD)
    rows = "".join(_row(place, each) for place, each in enumerate(study.result.rows, start=1))
    found = study.result.summary
    return (
        "<h3>What became of the choices</h3>"
        f'<div class="charts"><div class="wide">{pictures.equity(study)}</div></div>'
        '<section class="under"><h2>Walk-forward: every window chose on its own past alone</h2>'
        f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div><p>Together: training '
        f"{_number(found.gain_trained)}, afterwards {_number(found.gain_ahead)}, efficiency "
        f"{_number(found.efficiency)}. Gains are in units of the set's own risk, a slice, over the "
        f"set in force; net is {escape(study.quote)} of the best candidate, published or not, "
        "over the hours for which its verdict was meant. Efficiency is the gain afterwards over "
        "the one in training: 1 where it lasted. A PBO of 0.5 or more says that the best of one "
        "half was no better than others in the other half; deflated Sharpe is the probability "
        "that the best is more than the luck of so many trials.</p></section>"
    )


def _row(place: int, row: Row) -> str:
    ahead, guards = row.ahead, row.guards
    begun = (str(place), row.at[:16].replace("T", " "))
    figures = [
        f"{row.hours:.1f}", f"{row.candidates:,}",
        *(_number(each) for each in (row.gain_trained, row.gain_tested, row.gain_ahead)),
        _number(row.efficiency),
        "-" if ahead is None else f"{ahead.net_profit:+,.2f}",
        "-" if ahead is None else f"{ahead.net_profit_held:+,.2f}",
        "-" if row.chosen is None else f"{row.confidence:.2f}",
        _number(guards.overfitting if guards else None),
        _number(guards.deflated_sharpe if guards else None),
    ]  # fmt: skip
    answer = "published" if row.published else row.reason.partition(":")[0]
    tone = ' class="n good"' if row.published else ' class="n"'
    said = f"<td{tone}>{escape(answer)}</td>"
    return f"<tr>{_cells(begun)}{said}{_cells(figures)}</tr>"


def _cells(words: Iterable[str]) -> str:
    return "".join(f'<td class="n">{escape(each)}</td>' for each in words)


def _search(study: Study) -> str:
    search, last = study.search, study.result.rows[-1]
    if search is None:
        return ""
    return (
        f"<h3>The search of the newest window</h3>"
        f'<div class="charts">{pictures.front(search)}{pictures.hypervolume(search, last.search)}'
        f'<div class="wide">{pictures.parallel(search)}</div></div>'
        f'<div class="charts thirds">{pictures.importance(search)}</div>'
        f'<div class="charts">{pictures.sources(search)}{pictures.time_budget(study)}</div>'
    )


def _trust(study: Study) -> str:
    guards = study.result.rows[-1].guards
    split = (
        ""
        if study.search is None
        else pictures.luck(study.search, guards.overfitting if guards else None)
    )
    return (
        f"<h3>How far to trust it</h3>"
        f'<div class="charts">{pictures.reliability(study)}{split}</div>'
        f'<div class="charts quarters">{pictures.stability(study)}</div>'
    )


def _notes(study: Study) -> str:
    result = study.result
    items = (
        "The set in force changes only when a window publishes; every window searches near it.",
        (
            f"A window looks back {result.window_hours:g} hours, or what there is, longer where "
            "trades are rare; three fifths of it train, two fifths test, with a gap between."
        ),
        (
            "Profit is net of holding the target inventory, fees included. Afterwards: both sets "
            "begin each stretch flat, and their fills are the replay's, not an exchange's."
        ),
        (
            "An interval that holds zero says that chance alone may have made the figure. A few "
            "hours of one day say little about another day."
        ),
        f"Capital {result.capital:,.0f} {study.quote}, seed {result.seed}, digest {result.digest}.",
        f"The first set: {_line(result.initial)}.",
    )
    told = "".join(f"<li>{escape(each)}</li>" for each in items)
    return f"<section><h2>How it was measured</h2><ul>{told}</ul></section>"


def _line(held: Parameters) -> str:
    return ", ".join(f"{words} {float(getattr(held, key)):.6g}" for key, words in LABELS)

"""The report as text for a terminal."""

from collections.abc import Iterator
from typing import Any, Final

from desk.report.calibration import (
    TITLES,
    calibration_line,
    calibration_rows,
    replayed_line,
    replayed_rows,
)
from desk.report.figures import profit_of
from desk.report.labels import GROUPS, basis, shown
from desk.report.sheet import Sheet, assumptions
from desk.rows import UNITS
from protocol.errors import printable
from protocol.messages import utc_text

WIDTH: Final = 100
PARTS: Final = (
    ("spread", "spread captured"), ("fees", "fees"), ("inventory", "inventory, with the target"),
    ("funding", "funding"), ("total", "equity change"), ("holding", "of that, holding alone"),
    ("net", "net of holding"),
)  # fmt: skip


def text_of(sheets: list[Sheet]) -> str:
    """Return all sheets, one after the other."""
    return "\n\n".join("\n".join(_lines(each)) for each in sheets)


def _lines(sheet: Sheet) -> Iterator[str]:
    history, instrument = sheet.history, sheet.instrument
    yield printable(
        f"{instrument.symbol}  {history.owner}  run {history.run}  "
        f"{utc_text(history.since_ns)[:19]} to {utc_text(history.until_ns)[:19]} UTC "
        f"({history.hours:,.2f} h)"
    )
    yield ""
    yield f"Profit, {printable(instrument.quote)}"
    for name, words in PARTS:
        yield f"  {words:<34}{profit_of(history)[name] / UNITS:>+18,.4f}"
    for title, labels in GROUPS:
        yield ""
        yield title
        for label in labels:
            figure = sheet.figures[label.key]
            value = printable(shown(figure, label.unit, instrument.quote))
            yield f"  {label.words:<34}{value:>18}   {basis(figure)}"
    yield ""
    yield from _learning(sheet.learning, instrument.quote)
    yield ""
    yield from _believed(sheet)
    yield "Identities"
    for each in sheet.identities:
        told = each.as_dict()
        yield f"  {'holds ' if each.holds else 'BROKEN'}  {printable(told['said'], 160)}"
        sign = "=" if each.left == each.right else ("~" if each.holds else "!=")
        why = f"  (within {told['slack']}: {each.why})" if each.slack else ""
        sides = f"{told['left']} {sign} {told['right']} {printable(each.unit)}"
        yield f"          {sides}{why}".rstrip()
    yield ""
    yield "How it was measured"
    for line in assumptions(sheet):
        yield f"  - {printable(line, 400)}"


def _learning(learning: dict[str, Any], quote: str) -> Iterator[str]:
    yield f"Parameters: {learning['iterations']} changes, {learning['proposals']} proposals"
    yield (
        f"  {'from':<21}{'spread %':>10}{'levels':>8}{'base':>12}{'max':>12}  {'confidence':>10}  "
        f"net, {printable(quote)} an hour"
    )
    for each in learning["sets"]:
        held = each["parameters"]
        sure = "-" if each["confidence"] is None else f"{each['confidence']:.2f}"
        yield (
            f"  {each['from'][:19]:<21}{held['spread_percentage']:>10g}{held['levels']:>8}"
            f"{held['base_quantity']:>12g}{held['max_position']:>12g}  {sure:>10}  "
            f"{interval(each['net_per_hour'])}"
        )
    if learning["improvement_per_hour"] is not None:
        yield f"  last less first: {interval(learning['improvement_per_hour'])} an hour"


def _believed(sheet: Sheet) -> Iterator[str]:
    """Yield what confidences and predictions were worth."""
    yield f"Confidence, stated and come true: {calibration_line(sheet.calibration)}"
    for row in calibration_rows(sheet.calibration):
        yield "  " + "".join(f"{each:>14}" for each in row)
    yield ""
    if sheet.replayed is not None:
        yield f"Predicted against actual: {replayed_line(sheet.replayed)}"
        for row in (("", *TITLES), *replayed_rows(sheet.replayed)):
            yield f"  {printable(row[0]):<26}" + "".join(f"{each:>20}" for each in row[1:])
        yield ""


def interval(estimate: dict[str, Any]) -> str:
    """Return a figure with its interval, a dash where it is not known."""
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None:
        return "-"
    if low is None or high is None:
        return f"{value:+,.2f}"
    return f"{value:+,.2f} [{low:+,.2f}, {high:+,.2f}]"

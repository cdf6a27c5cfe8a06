"""`counterpoint feed import` of price bars: one symbol's bars become one `.npz`."""

import json
from pathlib import Path

from agents.cli.output import put


def import_bars(paths: list[Path], out: Path, symbol: str | None, *, as_json: bool) -> None:
    """Read bars, save them, and say what they are."""
    from exchange.audit import utc
    from exchange.importers.bars import import_bars as read
    from exchange.importers.bars import save_bars

    bars = read(paths, symbol=symbol)
    save_bars(out, bars)
    meta, count = bars.meta, len(bars.times_ns)
    first, last = int(bars.times_ns[0]), int(bars.times_ns[-1])
    absent = (last - first) // meta.period_ns + 1 - count
    if as_json:
        document = {"path": str(out), "bars": count, "absent": absent, "span_ns": [first, last]}
        put(json.dumps(document | meta.model_dump(mode="json"), indent=2))
        return
    put(f"{out}: {meta.symbol} on {meta.venue}, {utc(first)} to {utc(last)}")
    put(
        f"{count:,} bars of {meta.period_ns / 1e9:g} s, {absent:,} absent (nobody traded), "
        f"{meta.doubles:,} doubled stamps"
    )

"""`counterpoint feed` and price bars: import one symbol's, or play them as a market."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from agents.cli.exits import ERROR, USAGE, CommandError
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


def play_bars(
    path: Path,
    out: Path,
    symbol: str | None,
    start: str | None,
    hours: float,
    seed: int,
    fees: tuple[float, float],
    *,
    as_json: bool,
) -> None:
    """Play bars, save the recording, and say whether its trades tell the same bars.

    Raises:
        CommandError: they do not, or `start` is no time.
    """
    from agents.cli.feed import headline, span
    from agents.cli.risk import bars_in
    from exchange.importers.bars_played import cut_bars, differing, played_recording
    from exchange.recording import save

    try:
        told = None if start is None else datetime.fromisoformat(start).replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(f"--from is UTC like 2018-01-16T12:00, found {start}", USAGE) from None
    start_ns = None if told is None else round(told.timestamp()) * 10**9
    bars = bars_in(path, symbol)
    print("the first time compiles for some seconds", file=sys.stderr)
    maker, taker = fees
    recording = played_recording(
        bars, seed=seed, start_ns=start_ns, hours=hours, maker_fee_bps=maker, taker_fee_bps=taker
    )
    played = cut_bars(bars, start_ns, hours)
    wrong = differing(played, recording)
    if wrong:
        raise CommandError(f"{wrong} bars of {path} are not told by the trades made", ERROR)
    meta = save(out, recording)
    count = len(played.times_ns)
    if as_json:
        put(json.dumps({"path": str(out), "bars": count, **meta.model_dump(mode="json")}, indent=2))
        return
    put(f"{out}: {meta.symbol}, seed {seed}, {span(meta)}, tick {meta.tick}, lot {meta.lot}")
    put(f"{headline(meta, trades=meta.counts.trades)}; {count:,} bars, each as in the source")

"""Opens a recording as a Gymnasium environment, by name.

    gymnasium.make("agents.backtest.environment:counterpoint/MarketMaking-v0", feed="day.npz")

The part before the colon is imported by Gymnasium, and importing registers.
"""

from collections.abc import Mapping

import gymnasium

from agents.backtest.opening import open_backtest, stored_tape
from agents.feeds import ensure_bundled
from agents.session import parameter_row
from agents.settings import Settings
from market.recorded_gymnasium import RecordedMarketEnv, Span
from protocol.settings import load_settings

NAME = "counterpoint/MarketMaking-v0"


def market_making(
    feed: str | None = None,
    *,
    hours: float | None = None,
    cycles: int = 0,
    settings: Mapping[str, str] | None = None,
) -> RecordedMarketEnv:
    """Return the environment of a recording, quoted from the end of the warm-up on.

    Args:
        feed: recording; the bundled artificial day when None.
        hours: of it; all when None.
        cycles: of an episode; 0: the whole recording is one.
        settings: others, by `section.key`, as `--set` of the command line takes them.

    Raises:
        RecordingError: the recording cannot be read.
        SettingsError: a setting is wrong.
        ValueError: the recording is shorter than an episode.
    """
    flags = {"feed.path": feed, "feed.hours": hours, **(settings or {})}
    told = load_settings(Settings, environ={}, flags=flags).settings
    ensure_bundled(told)
    session, tape = open_backtest(told, stored_tape)
    span = Span(tape.step_at(session.first_ns), tape.step_at(session.last_ns) + 1, cycles)
    return RecordedMarketEnv(tape, session.setup, parameter_row(session.baseline), span)


if NAME not in gymnasium.registry:
    gymnasium.register(NAME, entry_point="agents.backtest.environment:market_making")

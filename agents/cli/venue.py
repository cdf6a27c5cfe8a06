"""What is different about a run at a venue: no recording before it, a market that goes on."""

import asyncio
import os
from pathlib import Path

from agents.cli.progress import Onlooker, Progress
from agents.settings import Clock, Settings
from agents.venue_settings import VenuePace


def at_venue(settings: Settings) -> Settings:
    """Return the settings of a run at a venue, with absolute paths: its time is the venue's.

    Raises:
        StartRefusedError: the symbol is not listed.
        VenueError: the exchange cannot be reached.
        SettingsError, SecretError: it is real money without confirmation, or there is no key.
    """
    from agents.executor.venue_choice import trading_settings
    from exchange.binance.survey import survey

    asyncio.run(survey(trading_settings(settings, os.environ)))
    told = settings.venue
    names = ("key_file", "secret_file", "guardian_key_file", "guardian_secret_file")
    paths = {name: getattr(told, name) for name in names}
    files = {name: None if path is None else path.resolve() for name, path in paths.items()}
    pace: dict[str, object] = {"clock": Clock.REAL}
    if told.pace.value == "wall":
        pace["speed"] = 1.0
    return settings.model_copy(
        update={
            "data": settings.data.resolve(),
            "venue": told.model_copy(update=files),
            "run": settings.run.model_copy(update=pace),
        }
    )


def first_words(folder: Path, settings: Settings) -> str:
    """Return what is said before there is anything to show: why it is silent, and where to look."""
    watched = f"watches the market for {settings.executor.warmup_s} s before it quotes"
    log = folder / f"{settings.account.executor}.log"
    if settings.venue.pace is VenuePace.WALL:
        return f"{watched}; when nothing comes for longer, {log} says why"
    return (
        f"{watched}, by the exchange's clock (pace {settings.venue.pace.value}); when nothing "
        f"comes, its feed may run at another pace; {log} says more"
    )


class VenueOnlooker:
    """Looks at a run at a venue: nothing is seen before the warm-up is over."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings.located(folder)
        self._onlooker: Onlooker | None = None

    def look(self) -> Progress | None:
        """Return the newest state; its share counts hours, since there is no end."""
        from agents.facts import has_facts
        from agents.session import open_session

        if self._onlooker is None:
            if not has_facts(self._folder):
                return None
            self._onlooker = Onlooker(self._folder, open_session(self._settings))
        seen = self._onlooker.look()
        if seen is None:
            return None
        hours = self._onlooker.hours
        return Progress(hours, f"{hours:6.2f} h{seen.line[4:]}")

    def close(self) -> None:
        """Let the journal go."""
        if self._onlooker is not None:
            self._onlooker.close()

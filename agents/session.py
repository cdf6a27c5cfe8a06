"""What every agent of a run derives from settings and recording, the same way each time.

Executor, optimizer and the report must mean the same instrument, costs, limits, opening balances
and starting parameters. They do because all of it is made here, once, from the resolved settings.
Starting parameters that are not configured are suggested from the warm-up alone, in which nothing
is quoted: what comes after it is not looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from agents.basis import Basis, basis_of
from agents.costs import funding_of, tiers_of, with_fees
from agents.facts import RECORDING_NAME, Facts, read_facts
from agents.feeds import existing_path
from agents.risk_settings import Return
from agents.settings import Policy, Settings
from agents.sizing import candidate_of, policy_of
from agents.tapes import GrowingFolder, Tapes
from exchange.errors import RecordingError
from exchange.order_ids import read_births
from exchange.recording import Meta, scale_of
from exchange.recording_folder import load_recording
from exchange.recording_fundings import read_fundings
from market.account import Setup
from market.features import observer_settings
from market.feed_delay import FeedDelay, delay_feed
from market.guard import guard_settings
from market.latency import ConstantLatency, Latency
from market.latency_text import LatencyError, parse_feed, parse_latency
from market.layout import (
    SCALE_MAKER_FEE,
    SCALE_TICK_LOT,
    UNITS,
)
from market.planned import with_dynamic
from market.queueing import FIFO, MODEL_KIND, MODEL_NAMES, fill_model
from market.risked import with_risk
from market.tape import NO_IDS, TapeBuilder, cut, grid_of
from market.tape_growing import NO_EVENTS
from market.tape_sides import Making
from market.types import F8, I4, I8
from protocol.errors import SettingsError
from protocol.messages import QuoteParameters, utc_ns
from risk.limits import Limits

HOUR_NS = 3_600 * 10**9
ENDLESS_NS = 10 * 366 * 24 * HOUR_NS
"""Of a session at a venue."""
BUNDLED_HOURS = 4.0
"""Hours of the bundled day that a run uses unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Session:
    """A recording made ready: its events end where the session ends.

    That of a backtest has none: it has a tape (`agents/backtest/opening.py`).

    Attributes:
        first_ns: first guard step on which anything may happen; earlier events build the book.
        last_ns: last guard step.
        observer: f8[OBSERVER_COLUMNS].
        baseline: the parameters in force before any decision.
        event_count: events of the session.
        born: i4[n], event that added the order which changed; empty unless the fill model is fifo.
    """

    settings: Settings
    meta: Meta
    events: I8
    first_ns: int
    last_ns: int
    setup: Setup
    observer: F8
    baseline: QuoteParameters
    event_count: int
    born: I4 = field(default_factory=NO_IDS.copy)
    recording: Path | None = None
    """Where a venue's recording grows; None: the events are all there."""

    def making(self) -> Making:
        """Return how the tape of this session is made."""
        executor = self.settings.executor
        return Making(
            interval_ns=executor.guard_interval_ns,
            cycle_ns=executor.cycle_ns,
            settings=self.observer,
            latency=latency_of(self.settings),
        )

    def tape_builder(self) -> TapeBuilder:
        """Return a builder at the beginning of the recording."""
        making = self.making()
        return TapeBuilder(
            self.events,
            interval_ns=making.interval_ns,
            cycle_ns=making.cycle_ns,
            settings=making.settings,
            latency=making.latency,
            born=self.born,
        )

    def tapes(self, *, kept_ns: int | None = None) -> Tapes:
        """Return what makes the tape of this session, up to any time.

        Args:
            kept_ns: while a venue's recording grows, how long ago a step must be to be forgotten:
                for whoever lives as long as it does; None: none is.
        """
        if self.recording is None:
            return self.tape_builder()
        return GrowingFolder(self.recording, self.making(), kept_ns)

    def held(self) -> "Session":
        """Return this for a thread: its policy stays, whoever is promoted meanwhile."""
        return replace(self, setup=self.setup._replace(policy=self.setup.policy.copy()))

    def promoted(self) -> "Session":
        """Return this as it is while its candidate quotes; without one it is this.

        Raises:
            CheckpointError: `executor.checkpoint` does not fit.
        """
        policy = candidate_of(self.settings)
        return self if policy is None else replace(self, setup=self.setup._replace(policy=policy))

    @property
    def by_order(self) -> bool:
        """Whether the fill model follows each order, so that a tape needs their births."""
        return bool(self.setup.model[MODEL_KIND] == FIFO)

    @property
    def until_ns(self) -> int | None:
        """The time at which the recording was cut; None when all of it is used."""
        feed = self.settings.feed
        if feed.hours is None and feed.path is not None:
            return None
        return self.last_ns + self.settings.executor.guard_interval_ns - 1

    def boundaries(self) -> Sequence[int]:
        """Return the venue times of all tuning boundaries."""
        every = self.settings.optimizer.boundary_ns
        first = self.first_ns // every * every + every
        return range(first, self.last_ns + 1, every)


def parameter_row(parameters: QuoteParameters) -> F8:
    """Return f8[PARAMETER_COLUMNS] of a set."""
    return np.array(
        [
            parameters.spread_percentage,
            float(parameters.levels),
            parameters.base_quantity,
            parameters.max_position,
        ]
    )


def open_session(settings: Settings) -> Session:
    """Load the recording of these settings and derive everything from it.

    Raises:
        RecordingError: missing, damaged, too short for one cycle after the warm-up, or without
            the order ids that fill model fifo needs.
        SettingsError: funding is configured for a spot market, there is no such fill model, or
            the feed's delay cannot be read.
        AdviceError: no starting parameters fit this symbol and capital.
    """
    if not settings.venue.recorded:
        folder = settings.venue.folder
        assert folder is not None, "a session at a venue has a folder"
        facts = read_facts(folder)
        known = read_fundings(folder / RECORDING_NAME)
        meta = facts.meta.model_copy(update={"funding": known})
        return session_at(settings, facts.model_copy(update={"meta": meta}), folder)
    path = existing_path(settings)
    recording = load_recording(path)
    feed = feed_of(settings)
    if feed is not None:
        delay_feed(recording.events, feed)
    events, first_ns, last_ns = window(recording.events, settings)
    session = session_of(settings, recording.meta, events, first_ns, last_ns)
    if not session.by_order:
        return session
    return replace(session, born=read_births(path, feed=feed, until_ns=session.until_ns))


def session_at(settings: Settings, facts: Facts, folder: Path) -> Session:
    """Return the session at a venue whose recording grows in a folder.

    Raises:
        SettingsError: the fill model needs order ids, which no venue tells.
    """
    span_ns = facts.first_ns, facts.first_ns + ENDLESS_NS
    session = assemble(settings, facts.meta, facts.basis, NO_EVENTS, span_ns)
    if session.by_order:
        raise SettingsError("feed.fill_model fifo needs order ids, which no venue tells")
    return replace(session, recording=folder / RECORDING_NAME)


def session_of(
    settings: Settings, recorded: Meta, events: I8, first_ns: int, last_ns: int
) -> Session:
    """Return what follows from the events until the end of the warm-up; errors: `open_session`."""
    meta = with_fees(recorded, settings)
    until_ns = first_ns + settings.executor.warmup_s * 10**9
    basis = basis_of(settings, meta, events, until_ns)
    waited_s = (first_ns - grid_start(events, settings)) / 1e9
    return assemble(settings, meta, basis, events, (first_ns, last_ns), waited_s=waited_s)


def observer_of(settings: Settings, scale: I8, *, waited_s: float = 0.0) -> F8:
    """Return f8[OBSERVER_COLUMNS]; `waited_s` passed on the grid before the session."""
    risk, capital_units = settings.risk, settings.account.capital * UNITS
    policies = (settings.executor.policy, settings.executor.candidate)
    settled = observer_settings(
        interval_s=settings.executor.guard_interval_ms / 1000,
        cycle_s=float(settings.executor.cycle_s),
        maker_fee=scale[SCALE_MAKER_FEE] / UNITS,
        risk_aversion=settings.executor.risk_aversion,
        warmup_s=float(settings.executor.warmup_s) + waited_s,
    )
    return with_risk(
        with_dynamic(settled) if Policy.PLAN in policies else settled,
        value_s=float(risk.value_at_risk_s) if risk.value_at_risk_limit > 0 else 0.0,
        cost_share=risk.flatten_cost_limit,
        cost_tick_lots=risk.max_position_size * capital_units / float(scale[SCALE_TICK_LOT]),
    )


def assemble(
    settings: Settings,
    meta: Meta,
    basis: Basis,
    events: I8,
    span_ns: tuple[int, int],
    *,
    waited_s: float = 0.0,
) -> Session:
    """Return the session of an instrument, with fees, over the steps of a span."""
    scale = scale_of(meta)
    capital_units = round(settings.account.capital * UNITS)
    setup = Setup(
        scale=scale,
        model=fill_model_of(meta, settings),
        limits=limits_of(settings, capital_units),
        policy=policy_of(settings),
        guarding=guard_settings(
            pull_threshold_sigma=settings.executor.pull_threshold_sigma,
            refresh_tolerance_ticks=settings.executor.refresh_tolerance_ticks,
            cycle_s=float(settings.executor.cycle_s),
        ),
        cycle=np.array([settings.executor.cycle_ns], dtype=np.int64),
        opening=np.array(
            [basis.quote_units, basis.target_units, basis.target_units], dtype=np.int64
        ),
        funding=funding_of(meta, settings, *span_ns),
        tiers=tiers_of(settings),
    )
    observer = observer_of(settings, scale, waited_s=waited_s)
    return Session(settings, meta, events, *span_ns, setup, observer, basis.baseline, len(events))


def feed_of(settings: Settings) -> FeedDelay | None:
    """Return the configured delay of the feed; None when it is the recorded one.

    Raises:
        SettingsError: the text is no delay.
    """
    try:
        return parse_feed(settings.feed.delay)
    except LatencyError as error:
        raise SettingsError(f"feed.delay: {error}") from None


def latency_of(settings: Settings) -> Latency:
    """Return the configured delays; with two figures a cancel travels like an order.

    Raises:
        SettingsError: the text is no latency.
    """
    text = settings.executor.latency
    if text is not None:
        try:
            return parse_latency(text)
        except LatencyError as error:
            raise SettingsError(f"executor.latency: {error}") from None
    order_ns = round(settings.executor.order_latency_ms * 1e6)
    response_ns = round(settings.executor.response_latency_ms * 1e6)
    return ConstantLatency(order_ns, order_ns, response_ns)


def fill_model_of(meta: Meta, settings: Settings) -> F8:
    """Return f8[MODEL_COLUMNS] of the configured fill model.

    Raises:
        SettingsError: there is no such model.
    """
    text = settings.feed.fill_model
    try:
        return fill_model(text, unit=float(meta.lot))
    except ValueError as error:
        near = get_close_matches(text.partition(":")[0], MODEL_NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near and near[0] != text else ""
        raise SettingsError(f"feed.fill_model: {error}{hint}") from None


def grid_start(events: I8, settings: Settings) -> int:
    """Return the first guard step of the recording."""
    return grid_of(events, settings.executor.guard_interval_ns)[0]


def window(recorded: I8, settings: Settings, *, whole: bool = True) -> tuple[I8, int, int]:
    """Return (events up to the end, first step, last step) of the hours that are used.

    Args:
        recorded: i8[n, EVENT_COLUMNS]; given up: it may be cut in place.
        settings: start and hours.
        whole: whether these are all; else a head that holds warm-up and one cycle: the recording
            is taken to be long enough for the hours that are asked for.
    """
    interval = settings.executor.guard_interval_ns
    events = recorded
    first_ns, last_ns = grid_of(events, interval)
    if settings.feed.start is not None:
        asked = utc_ns(settings.feed.start)
        if not first_ns <= asked < last_ns:
            raise RecordingError(
                f"feed.start {settings.feed.start} lies outside the recording; see "
                "`counterpoint feed info`"
            )
        first_ns = -(-asked // interval) * interval
    hours = settings.feed.hours
    if hours is None and settings.feed.path is None:
        hours = BUNDLED_HOURS
    if hours is not None:
        # The end lies on the whole grid of hours, so that 4 hours hold 24 boundaries of 10 min.
        asked_ns = first_ns - interval + round(hours * HOUR_NS)
        last_ns = min(last_ns, asked_ns) if whole else asked_ns
        # The grid ends with the last event.
        events = cut(events, last_ns + interval - 1, in_place=True)
    needed_s = needed_seconds(settings)
    if last_ns - first_ns < needed_s * 10**9:
        raise RecordingError(
            f"the session is {(last_ns - first_ns) / 1e9:.0f} s long, the warm-up and one cycle "
            f"need {needed_s} s; use more hours or lower executor.warmup_s"
        )
    return events, first_ns, last_ns


def needed_seconds(settings: Settings) -> int:
    """Return how long a session is at least: the warm-up and one cycle."""
    return settings.executor.warmup_s + settings.executor.cycle_s


def limits_of(settings: Settings, capital_units: int) -> F8:
    """Return f8[LIMIT_COLUMNS] of the configured limits."""
    risk = settings.risk
    return Limits(
        capital_units=capital_units,
        max_position_size=risk.max_position_size,
        stop_loss_threshold=risk.stop_loss_threshold,
        daily_loss_limit=risk.daily_loss_limit,
        peak_drawdown_limit=risk.peak_drawdown_limit,
        volatility_cutoff=risk.volatility_cutoff,
        price_collar=risk.price_collar,
        open_orders_max=risk.open_orders_max,
        cooldown_ns=risk.cooldown_s * 10**9,
        max_order_size=risk.order_share,
        price_age_ns=round(risk.price_age_s * 1e9),
        order_rate_max=risk.order_rate_max,
        order_burst_max=risk.order_burst_max,
        value_at_risk_limit=risk.value_at_risk_limit,
        value_at_risk_s=float(risk.value_at_risk_s),
        participation_limit=risk.participation_limit,
        liquidation_s=float(risk.liquidation_s),
        flatten_cost_limit=risk.flatten_cost_limit,
        stressed_loss_limit=risk.stressed_loss_limit,
        stressed_move=risk.stressed_move,
        loss_closes=risk.loss_closes,
        loss_operator=risk.loss_return is Return.OPERATOR,
        drawdown_rest_ns=risk.drawdown_rest_s * 10**9,
    ).row()

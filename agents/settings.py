"""Every setting of the agents: names, units, ranges, defaults. How they are read is elsewhere.

`protocol.settings.load_settings(Settings, ...)` builds one of these at the start of a process;
after that nothing changes it. Times written `_s`, `_ms` are of the venue's clock unless said.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from agents.bus_settings import Bus
from agents.desk_settings import DeskTable
from agents.fee_tiers import read_fee_tiers
from agents.ladder_settings import Ladder
from agents.optimizer_settings import Optimizer
from agents.portfolio_settings import Portfolio
from agents.promotion_settings import Promotion
from agents.risk_settings import Risk
from agents.section import FilePath, Section
from agents.venue_settings import VenueTable
from protocol.elements import Mode, Name, UtcText

_FEE = "basis points of the notional; cost positive, rebate negative; unset: the recording's own"
_TIERS = (
    "fees by traded volume in place of one: volume:maker_bps:taker_bps, ...; volumes in quote "
    "asset, rising from 0; unset: one fee"
)
_FUNDING = (
    "basis points of the position's notional that longs pay shorts each time, on perpetuals; "
    "unset: the recording's own, else none"
)
_SUGGESTED = "unset: suggested from the warm-up, in which nothing is quoted"


class Clock(StrEnum):
    """What feed time waits for."""

    LOCKSTEP = "lockstep"
    REAL = "real"


class Feed(Section):
    """The recording to trade on."""

    path: FilePath | None = Field(None, description="recording (.npz); unset: the bundled day")
    start: UtcText | None = Field(None, description="first moment used, UTC; unset: its beginning")
    hours: float | None = Field(None, gt=0, le=100_000, description="hours used; unset: all")
    maker_fee_bps: float | None = Field(None, ge=-100, le=1000, description=_FEE)
    taker_fee_bps: float | None = Field(None, ge=-100, le=1000, description=_FEE)
    fill_model: str = Field(
        "power:4",
        description="how our place in a line is told: risk-averse, power:N, power-share:N, "
        "power-front:N, log, log-share, trade-through (lower bound), touch (upper bound)",
    )
    delay: str = Field(
        "recorded",
        description="when the feed reaches us: recorded, 5ms, or sampled:5ms,40ms (median and 99th "
        "percentile; a third number is the seed); with one of our own every event of the exchange "
        "arrives, in its order",
    )
    fee_tiers: str | None = Field(None, description=_TIERS)
    volume_30d: float = Field(
        0.0, ge=0, le=9e10, description="quote asset traded before: where in the tiers it begins"
    )
    funding_bps: float | None = Field(None, ge=-100, le=100, description=_FUNDING)
    funding_hours: int = Field(8, ge=1, le=24, description="between fundings; divides 24")


class Account(Section):
    """What the executor trades with."""

    capital: float = Field(100_000.0, gt=0, le=9e10, description="quote asset")
    target_base: float | None = Field(
        None,
        ge=0,
        le=9e10,
        description="base asset held while flat; unset: what the position limit needs, in lots",
    )
    executor: Name = Field("executor-1", description="name of the executor on the bus")


class Parameters(Section):
    """The four tuned parameters before the first update."""

    spread_percentage: float | None = Field(
        None, gt=0, le=10, description=f"full spread, percent of mid; {_SUGGESTED}"
    )
    levels: int | None = Field(None, ge=1, le=50, description=f"quotes per side; {_SUGGESTED}")
    base_quantity: float | None = Field(
        None, gt=0, le=9e10, description=f"base asset at the innermost level; {_SUGGESTED}"
    )
    max_position: float | None = Field(
        None, gt=0, le=9e10, description=f"base asset, either way; {_SUGGESTED}"
    )


class Policy(StrEnum):
    """What proposes the depths."""

    CLOSED_FORM = "closed_form"
    PLAN = "plan"


class Sizing(StrEnum):
    """Who decides how much of base_quantity is quoted."""

    KELLY = "kelly"
    FIXED = "fixed"


class Executor(Section):
    """The rhythm and the manners of quoting."""

    guard_interval_ms: int = Field(1000, ge=100, le=60_000, description="step of the guard")
    cycle_s: int = Field(30, ge=1, le=3600, description="seconds between decisions")
    order_latency_ms: float = Field(5.0, ge=0, le=60_000, description="sent to at the exchange")
    response_latency_ms: float = Field(5.0, ge=0, le=60_000, description="exchange to known here")
    latency: str | None = Field(
        None,
        description="in place of the two: 5ms, or orders,cancels,reports 5ms,4ms,7ms, or "
        "sampled:5ms,40ms (median, 99th percentile; ,7: seed), measured:1.0, table:FILE",
    )
    pull_threshold_sigma: float = Field(
        3.0, gt=0, le=100, description="adverse move of mid that pulls a side, in sigmas of a cycle"
    )
    refresh_tolerance_ticks: int = Field(
        0, ge=0, le=10_000, description="an order this near its wanted price is kept"
    )
    level_step: float = Field(
        0.5, ge=0, le=10, description="distance between levels, in half widths"
    )
    policy: Annotated[Policy, Field(strict=False)] = Field(
        Policy.CLOSED_FORM,
        description="what proposes the depths: closed_form, or plan (dynamic programming over "
        "what resting orders would have met lately; the closed form while that is little)",
    )
    candidate: Annotated[Policy | None, Field(strict=False)] = Field(
        None,
        description="a policy in shadow beside the live one: it takes over when it is surely "
        "better, and goes back when it is worse",
    )
    checkpoint: FilePath | None = Field(
        None,
        description="what `counterpoint train` learned on top of the policy, or of the candidate "
        "where there is one",
    )
    volatility_reference: float = Field(
        0.0,
        ge=0,
        le=1,
        description="volatility at which spread_percentage is meant, fraction per sqrt(second); "
        "the spread follows it, within a quarter and four times; 0: it does not",
    )
    risk_aversion: float = Field(0.1, ge=0, le=100, description="of the plan, g / k")
    sizing: Annotated[Sizing, Field(strict=False)] = Field(
        Sizing.KELLY,
        description="how much of base_quantity is quoted: kelly (its share by realised edge and "
        "risk, at least the probe) or fixed (all of it)",
    )
    probe: float = Field(0.1, gt=0, le=1, description="smallest fraction of base_quantity quoted")
    warmup_s: int = Field(300, ge=0, le=86_400, description="seconds observed before quoting")
    proposes: bool = Field(
        default=False, description="it proposes sets of its own at boundaries, as the optimizers do"
    )
    autonomy_limit_s: float = Field(
        60.0, gt=0, le=86_400, description="wall seconds of quoting without a coordinator"
    )
    end_wait_s: float = Field(
        3.0, gt=0, le=600, description="longest wait at the end for its cancels, wall seconds"
    )

    @property
    def guard_interval_ns(self) -> int:
        """The step of the guard, ns."""
        return self.guard_interval_ms * 1_000_000

    @property
    def cycle_ns(self) -> int:
        """The time between decisions, ns."""
        return self.cycle_s * 1_000_000_000


class Coordinator(Section):
    """How a proposal becomes a decision."""

    mode: Annotated[Mode, Field(strict=False)] = Field(
        Mode.MASTER_SLAVE, description="coordination mode"
    )
    confidence_min: float = Field(0.6, ge=0, le=1, description="below it a proposal is refused")
    drawdown_max: float = Field(0.2, ge=0, le=1, description="above it a proposal is refused")
    age_max_s: int = Field(900, ge=1, le=86_400, description="older proposals are refused")
    presets: bool = Field(
        default=False, description="hierarchical: fixed strategies beside the optimizers"
    )
    weights: str | None = Field(
        None,
        description="consensus: what votes weigh, executor-1:2,optimizer-1:1; unset: 1 each",
    )
    hedge_windows: int = Field(
        48, ge=2, le=100_000, description="hierarchical: windows after which weights begin anew"
    )
    hedge_margin: float = Field(
        0.05, ge=0, le=1, description="hierarchical: weight by which another must lead to take over"
    )
    hedge_streak: int = Field(
        3, ge=1, le=1000, description="hierarchical: windows in a row for which it must lead"
    )
    hedge_dwell: int = Field(
        3, ge=0, le=10_000, description="hierarchical: boundaries that a strategy runs in any case"
    )
    accept_plain: int | None = Field(
        None,
        ge=1024,
        le=65_535,
        description="master-slave: loopback port for bare, unsigned parameter_update; unset: none",
    )
    schedule: str | None = Field(
        None, description="changes of mode by boundary, such as 6:peer,12:consensus; unset: none"
    )


class Run(Section):
    """How the parts are run together."""

    clock: Annotated[Clock, Field(strict=False)] = Field(
        Clock.LOCKSTEP, description="lockstep: feed time waits for every seat; real: wall clock"
    )
    speed: float = Field(60.0, gt=0, le=10_000, description="feed seconds a wall second, if real")
    optimizers: int = Field(1, ge=0, le=8, description="optimizers, each a seat")
    foreign: str | None = Field(
        None, description="seats of these that are not started, since programs of yours take them"
    )


class Settings(Section):
    """The whole configuration of one process."""

    data: FilePath = Field(Path("counterpoint-data"), description="folder for all that is written")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="seed of everything random")
    feed: Feed = Feed()
    venue: VenueTable = VenueTable()
    account: Account = Account()
    parameters: Parameters = Parameters()
    executor: Executor = Executor()
    promotion: Promotion = Promotion()
    risk: Risk = Risk()
    portfolio: Portfolio = Portfolio()
    optimizer: Optimizer = Optimizer()
    coordinator: Coordinator = Coordinator()
    bus: Bus = Bus()
    run: Run = Run()
    desk: DeskTable = DeskTable()
    ladder: Ladder = Ladder()

    @model_validator(mode="after")
    def _fees_are_told_once(self) -> Self:
        """Tiers can be read, and no single fee stands beside them."""
        feed = self.feed
        if feed.fee_tiers is None:
            return self
        if feed.maker_fee_bps is not None or feed.taker_fee_bps is not None:
            raise PydanticCustomError(
                "out_of_range",
                "feed.fee_tiers stands in place of feed.maker_fee_bps and feed.taker_fee_bps; "
                "give one or the other",
            )
        try:
            read_fee_tiers(feed.fee_tiers)
        except ValueError as error:
            raise PydanticCustomError(
                "out_of_range", "feed.fee_tiers {problem}", {"problem": str(error)}
            ) from None
        return self

    @model_validator(mode="after")
    def _fundings_fill_the_day(self) -> Self:
        """The first funding of a day is at midnight UTC."""
        if 24 % self.feed.funding_hours:
            raise PydanticCustomError(
                "out_of_range",
                "feed.funding_hours must divide 24, found {hours}",
                {"hours": self.feed.funding_hours},
            )
        return self

    @model_validator(mode="after")
    def _history_holds_a_window(self) -> Self:
        """What a window looks at, and what became of it, is kept."""
        given = self.optimizer
        least = given.window_hours + given.horizon_hours
        if given.history_hours < least:
            raise PydanticCustomError(
                "out_of_range",
                "optimizer.history_hours must hold window_hours and horizon_hours ({least:g}), "
                "found {found:g}",
                {"least": least, "found": given.history_hours},
            )
        return self

    @model_validator(mode="after")
    def _rhythms_nest(self) -> Self:
        """A cycle is whole guard steps, a boundary and a block of a shadow whole cycles."""
        guard, cycle = self.executor.guard_interval_ms, self.executor.cycle_s
        boundary = self.optimizer.boundary_s
        if cycle * 1000 % guard:
            raise PydanticCustomError(
                "out_of_range",
                "executor.cycle_s must be a multiple of executor.guard_interval_ms ({guard} ms), "
                "found {cycle} s",
                {"guard": guard, "cycle": cycle},
            )
        if boundary % cycle:
            raise PydanticCustomError(
                "out_of_range",
                "optimizer.boundary_s must be a multiple of executor.cycle_s ({cycle} s), "
                "found {boundary} s",
                {"cycle": cycle, "boundary": boundary},
            )
        block = self.promotion.block_s
        if self.executor.candidate is not None and block % cycle:
            raise PydanticCustomError(
                "out_of_range",
                "promotion.block_s must be a multiple of executor.cycle_s ({cycle} s), found "
                "{block} s",
                {"cycle": cycle, "block": block},
            )
        return self

    def located(self, folder: Path) -> Self:
        """Return these with the folder of a session at a venue, where none is configured."""
        if self.venue.recorded or self.venue.folder is not None:
            return self
        venue = self.venue.model_copy(update={"folder": folder.resolve()})
        return self.model_copy(update={"venue": venue})

    @property
    def optimizer_seats(self) -> tuple[str, ...]:
        """The names of the optimizers that have a seat: a lone one has its configured name."""
        if self.run.optimizers == 1:
            return (self.optimizer.name,)
        return tuple(f"optimizer-{1 + number}" for number in range(self.run.optimizers))

    @property
    def foreign_seats(self) -> tuple[str, ...]:
        """The optimizers' seats that somebody else's programs take."""
        return tuple(each.strip() for each in (self.run.foreign or "").split(",") if each.strip())

    @property
    def started_seats(self) -> tuple[str, ...]:
        """The optimizers' seats that `counterpoint run` starts a process for."""
        return tuple(each for each in self.optimizer_seats if each not in self.foreign_seats)

    @property
    def seats(self) -> tuple[str, ...]:
        """The names of all seats: the executor, then the optimizers."""
        return (self.account.executor, *self.optimizer_seats)

    @property
    def peers(self) -> dict[str, Path]:
        """The executors on the same capital, each with the folder of its bus."""
        found = {}
        for each in (self.bus.peers or "").split(","):
            name, sign, folder = each.strip().partition("=")
            if sign:
                found[name] = Path(folder)
        return found

    @property
    def keys_folder(self) -> Path:
        """The folder of keys and roster."""
        return self.bus.keys or self.data / "keys"

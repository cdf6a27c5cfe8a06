"""What the command line tells of a study: one JSON document on standard input.

Only what is drawn is read; the result holds more, for scripts.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the document; what is not drawn is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Parameters(Part):
    """A set."""

    spread_percentage: float
    levels: int
    base_quantity: float
    max_position: float


class Guards(Part):
    """How much of a result is the search's own doing."""

    luck: float
    deflated_sharpe: float | None
    overfitting: float | None
    superior: float | None


class Ahead(Part):
    """What became of a set; money in quote asset."""

    net_profit: float
    net_profit_held: float
    fills: int
    hours: float
    won: bool


class Row(Part):
    """One window."""

    at: str
    hours: float
    horizon_hours: float
    whole: bool
    candidates: int
    search: str
    replay_saved: float
    published: bool
    reason: str
    confidence: float
    chance: float
    guards: Guards | None
    gain: float
    gain_error: float
    gain_trained: float | None
    gain_tested: float | None
    gain_ahead: float | None
    efficiency: float | None
    ahead: Ahead | None
    held: Parameters
    chosen: Parameters | None
    after: Parameters


class Bin(Part):
    """A bin of the reliability diagram."""

    stated: float
    came_true: float
    count: int


class Reliability(Part):
    """How far the confidence came true."""

    decisions: int
    base_rate: float | None
    brier: float | None
    skill: float | None
    calibration_error: float | None
    diagram: tuple[Bin, ...]


class Summary(Part):
    """All windows together."""

    windows: int
    published: int
    candidates: int
    gain_trained: float | None
    gain_ahead: float | None
    efficiency: float | None
    reliability: Reliability


class Sum(Part):
    """Profit of a walk, with its interval."""

    net_profit: float
    interval: tuple[float, float] | None


class Walk(Part):
    """What was earned afterwards, window after window."""

    hours: float
    fills: tuple[int, int]
    tuned: Sum
    first_set: Sum
    tuned_less_first_set: Sum


class Result(Part):
    """The document of a study."""

    study: str
    digest: str
    symbol: str
    venue: str
    first: str
    last: str
    seed: int
    maker_fee_bps: float
    capital: float
    window_hours: float
    horizon_hours: float
    budget: int
    initial: Parameters
    rows: tuple[Row, ...]
    summary: Summary
    walk_forward: Walk


class Spent(Part):
    """Seconds of the wall."""

    tape_s: float
    search_s: float
    replay_s: float
    storage_s: float
    other_s: float
    wall_s: float
    batches: int
    batches_restored: int


class Source(Part):
    """What one source of candidates did."""

    points: float
    front: float
    gained: float


class Forest(Part):
    """What decides an objective."""

    shares: tuple[float, ...]
    explained: float


class Importance(Part):
    """What decides, by objective."""

    dimensions: tuple[str, ...]
    objectives: tuple[Forest, ...]


class Search(Part):
    """The last window's candidates: rows of three minimised values, and of four parameters."""

    window: int
    values: tuple[tuple[float, float, float], ...]
    allowed: tuple[bool, ...]
    parameters: tuple[tuple[float, float, float, float], ...]
    front: tuple[int, ...]
    held: int
    knee: int
    chosen: int | None
    candidates: tuple[int, ...]
    hypervolume: tuple[float, ...]
    gained_lately: float
    batches_lately: int
    outlook: float | None
    sources: dict[str, Source]
    importance: Importance | None
    logits: tuple[float, ...]


class Curve(Part):
    """Running profits afterwards, quote asset, and the band of the tuned one."""

    ends_ns: tuple[int, ...]
    tuned: tuple[float, ...]
    first_set: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Study(Part):
    """Everything."""

    page: str
    result: Result
    spent: Spent
    search: Search | None
    curve: Curve

    @property
    def path(self) -> Path:
        """Where the page goes."""
        return Path(self.page)

    @property
    def quote(self) -> str:
        """The quote asset."""
        return self.result.symbol.partition("-")[2]

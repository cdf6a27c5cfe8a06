"""The table `ladder` of the configuration: what a run must show before more is at stake."""

from pydantic import Field

from agents.section import FilePath, Section


class Ladder(Section):
    """Numeric gates of the rungs simulate, paper, minimum and full (docs/ladder.md)."""

    simulate_days: float = Field(1.0, ge=0, le=3650, description="days traded before paper")
    paper_days: float = Field(3.0, ge=0, le=3650, description="days on paper before real money")
    minimum_days: float = Field(
        7.0, ge=0, le=3650, description="days with real money at minimum size before more"
    )
    round_trips: int = Field(100, ge=0, le=10**9, description="closed lots of the run, at least")
    overlap: float = Field(
        0.9, ge=0, le=1, description="of replay-session with measured delays, at least"
    )
    net_difference_bps: float = Field(
        2.0, ge=0, le=1000, description="of its net to the actual, of what was turned over, at most"
    )
    net: float = Field(
        0.0, ge=-9e10, le=9e10, description="quote asset earned beyond holding, at least"
    )
    minimum_capital: float = Field(
        500.0, gt=0, le=9e10, description="quote asset: account.capital up to it is minimum size"
    )
    file: FilePath | None = Field(
        None, description="where promotions are kept; unset: data/ladder.jsonl"
    )
    prometheus: str | None = Field(
        None,
        max_length=512,
        pattern=r"^https?://",
        description="address of a Prometheus whose firing alerts count as open; unset: none",
    )
    skip: bool = Field(
        False, description="trade real money though rungs are missing: --skip-ladder"
    )

"""The table `optimizer` of the configuration: how better parameters are looked for."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agents.section import Section
from protocol.elements import Name


class Preference(StrEnum):
    """What a choice from the front goes by."""

    UTILITY = "utility"
    KNEE = "knee"


class Optimizer(Section):
    """How better parameters are looked for."""

    name: Name = Field("optimizer-1", description="name on the bus")
    boundary_s: int = Field(600, ge=1, le=86_400, description="seconds between boundaries")
    tuning_latency_s: int = Field(
        120, ge=0, le=86_400, description="seconds from a boundary until its decision may apply"
    )
    window_hours: float = Field(8.0, gt=0, le=24 * 366, description="hours replayed, at least")
    horizon_hours: float = Field(
        2.0, gt=0, le=24 * 366, description="hours for which the verdict is meant, at least"
    )
    validity_hours: float = Field(
        6.0, gt=0, le=24 * 366, description="hours until a decision lapses to the baseline"
    )
    history_hours: float = Field(
        48.0, gt=0, le=24 * 366, description="hours that are kept: no window looks further back"
    )
    budget: int = Field(128, ge=1, le=100_000, description="candidates replayed a boundary")
    slices: int = Field(24, ge=2, le=1000, description="time slices a candidate is judged on")
    confidence_min: float = Field(0.6, ge=0, le=1, description="below it nothing is proposed")
    chance_max: float = Field(0.04, ge=0, le=1, description="largest p-value; 1: any is proposed")
    prefer: Annotated[Preference, Field(strict=False)] = Field(
        Preference.UTILITY, description="what picks a set: utility, or the front's knee"
    )
    step_limit: float = Field(
        0.25, gt=0, le=1, description="largest relative change of a parameter, decision by decision"
    )
    threads: int = Field(2, ge=1, le=256, description="threads of the replay; results do not vary")
    cluster: str = Field(
        "", description="HOST:PORT of a Ray head whose workers replay instead; empty: threads here"
    )

    @property
    def boundary_ns(self) -> int:
        """The time between boundaries, ns."""
        return self.boundary_s * 1_000_000_000

    @property
    def history_ns(self) -> int:
        """How long ago a step must be to be forgotten, ns."""
        return round(self.history_hours * 3600) * 1_000_000_000

    @property
    def window_ns(self) -> int:
        """The window, ns."""
        return round(self.window_hours * 3600) * 1_000_000_000

    @property
    def tuning_latency_ns(self) -> int:
        """The time from a boundary until its decision may apply, ns."""
        return self.tuning_latency_s * 1_000_000_000

    @property
    def validity_ns(self) -> int:
        """How long a decision stays in force unrenewed, ns."""
        return round(self.validity_hours * 3600) * 1_000_000_000

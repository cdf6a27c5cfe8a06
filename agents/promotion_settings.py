"""The table `promotion` of the configuration: when a policy in shadow takes over, and goes back."""

from pydantic import Field

from agents.section import Section


class Promotion(Section):
    """By which `executor.candidate` is judged (docs/learner.md)."""

    block_s: int = Field(600, ge=1, le=86_400, description="seconds of a block of profit")
    blocks: int = Field(
        432, ge=2, le=100_000, description="a promotion is judged after so many, and as many more"
    )
    trips: int = Field(
        1_000,
        ge=0,
        le=10**9,
        description="closed round trips of the candidate before it takes over",
    )
    independent: float = Field(
        10.0, ge=0, le=100_000, description="fewest blocks by their mean run that say anything"
    )
    level: float = Field(
        0.05,
        gt=0,
        le=1,
        description="error of all promotions together; a look has half of the rest",
    )
    trial: int = Field(
        4, ge=2, le=100_000, description="blocks after a promotion before its mean is judged"
    )
    recent: int = Field(
        12, ge=2, le=100_000, description="newest blocks of that mean: an old success hides nothing"
    )
    doubt: float = Field(
        0.2, gt=0, le=0.5, description="error of going back at each look: in vain it costs little"
    )
    loss: float = Field(
        0.001, ge=0, le=1, description="of capital behind the policy of before: ends it at once"
    )

    @property
    def block_ns(self) -> int:
        """The length of a block, ns."""
        return self.block_s * 1_000_000_000

    @property
    def kept_ns(self) -> int:
        """How long ago a step must be to be forgotten: a look's blocks, and two that go on."""
        return (self.blocks + 2) * self.block_ns

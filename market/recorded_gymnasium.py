"""A recorded market as a Gymnasium environment: one action a cycle, fills as in the backtest.

Queue, latency, fees, limits and the decision itself are those of `replay_loop.py`; what the agent
sees is what the live executor sees at the same instant, to the last byte. `agents.backtest`
registers it by name and opens recordings for it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt

from market.account import Setup, open_account, open_tape_exchange
from market.layout import (
    PARAMETER_COLUMNS,
    STEP_NOW_NS,
    UNITS,
    VIEW_COLUMNS,
    VIEW_READY,
)
from market.ledger import position_lots
from market.legality import REDUCE
from market.observation import LIMIT, OBSERVATION_COLUMNS
from market.policy import (
    POLICY_PROBE,
    PROPOSE_ACTION,
    PROPOSE_FRACTION,
    PROPOSE_LEVELS,
    PROPOSE_SHIFT,
    PROPOSE_WIDTH,
)
from market.replay import no_records, rows_of
from market.replay_loop import arrive, run_steps
from market.replay_step import REPLAY_COLUMNS
from market.reward import KEPT_COLUMNS, REWARD_COLUMNS, reward_cycle, reward_weights
from market.still import STILL_COLUMNS, STILL_MET
from market.strategy import excess_units
from market.tape import Tape
from market.types import F8, I8

Seen = npt.NDArray[np.float64]
PARTS = ("profit", "risk", "consistency")


class Span(NamedTuple):
    """Steps [first, last) of a tape in which episodes lie, and how many cycles one has.

    Attributes:
        first: step.
        last: step.
        cycles: of an episode; 0: from the first cycle edge of the span to the last.
    """

    first: int
    last: int
    cycles: int = 0


class RecordedMarketEnv(gymnasium.Env[Seen, dict[str, Any]]):
    """One agent that makes one recorded market, a decision every cycle (DESIGN.md 6).

    **Action**, `Dict`; the mask of the risk manager comes after it:

    | key | space | what |
    | --- | --- | --- |
    | `side` | `0 .. 4` | 0 pull both, 1 bid only, 2 ask only, 3 both, 4 reduce |
    | `quote[0]` | `-1 .. 1` | half width: 0.5, 1 (at 0), 3 half spreads of the frame |
    | `quote[1]` | `-1 .. 1` | shift of both quotes: 2 half spreads down, up |
    | `quote[2]` | `-1 .. 1` | share of base_quantity: from probe to all of it |
    | `levels` | `-1 .. 1` | levels more than the frame says |

    **Observation**, `Box(-3, 3, (8,), float64)`; what cannot be told is 0:

    | index | what | range |
    | --- | --- | --- |
    | 0 | profit of the UTC day, in units of the daily loss limit | -3 .. 3 |
    | 1 | mid above its own average, standard deviations of a cycle | -3 .. 3 |
    | 2 | move of mid over the last cycle, the same unit | -3 .. 3 |
    | 3 | log of volatility over its slow average | -3 .. 3 |
    | 4 | imbalance of the top of the book | -1 .. 1 |
    | 5 | age of the oldest open lot, hours | 0 .. 3 |
    | 6 | z-score of the mean profit per cycle | -3 .. 3 |
    | 7 | position over max_position | -3 .. 3 |

    **Reward**: `market/reward.py`, dimensionless; its three parts are in `info`.
    **Start**: flat, at a cycle edge of the span at which the market can be quoted: the first, after
    the span was watched that far, or with `cycles` a random one, watched from there on.
    **End**: truncated after the episode's cycles; never terminated. `info` holds `step`, `now_ns`,
    `position` (lots), `net` (quote asset, against holding) and `risk_state`. Version 0: the first.

    Args:
        tape: of the recording.
        setup: instrument, limits, costs.
        parameters: f8[PARAMETER_COLUMNS], the frame.
        span: where episodes lie.
        weights: f8[WEIGHT_COLUMNS] of the reward.

    Raises:
        ValueError: the span holds no whole episode.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium reads it from the class

    def __init__(
        self,
        tape: Tape,
        setup: Setup,
        parameters: F8,
        span: Span,
        *,
        weights: F8 | None = None,
    ) -> None:
        self.tape, self.setup = tape, setup
        self.parameters = np.ascontiguousarray(parameters, dtype=np.float64)
        if self.parameters.shape != (PARAMETER_COLUMNS,):
            raise ValueError(f"parameters: need {PARAMETER_COLUMNS}, found {parameters.shape}")
        self.edges = cycle_edges(tape, setup, span)
        self._first, self._whole = span.first, span.cycles == 0
        self.cycles = span.cycles or len(self.edges) - 1
        if not 1 <= self.cycles < len(self.edges):
            raise ValueError(
                f"{max(0, len(self.edges) - 1)} cycles of the span can be quoted, an episode needs "
                f"{max(1, self.cycles)}; give a longer span"
            )
        self.weights = reward_weights() if weights is None else weights
        self.action_space = action_space()
        self.observation_space = gymnasium.spaces.Box(
            -LIMIT, LIMIT, (OBSERVATION_COLUMNS,), np.float64
        )
        self._rows = rows_of(tape, setup, step_by_step=False)
        self._each = rows_of(tape, setup, step_by_step=True)
        self._records = no_records()
        self._still = np.zeros(STILL_COLUMNS, dtype=np.int64)
        self._view = np.zeros(VIEW_COLUMNS)
        self._figures = np.zeros(REPLAY_COLUMNS)
        self._open(0)

    def _open(self, edge: int) -> None:
        self.account = open_account(self.setup, trips=0)
        self._exchange = open_tape_exchange()
        self._kept = np.zeros(KEPT_COLUMNS)
        self._parts = np.zeros(REWARD_COLUMNS)
        self._still[:] = 0
        self._still[STILL_MET] = -1
        self._edge, self._end = edge, edge + self.cycles
        self._opening = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """Begin an episode; `options={"edge": n}` begins at the n-th cycle edge of the span."""
        super().reset(seed=seed, options=options)
        last = len(self.edges) - 1 - self.cycles
        edge = int(self.np_random.integers(last + 1))
        if options is not None and "edge" in options:
            edge = int(options["edge"])
            if not 0 <= edge <= last:
                raise ValueError(f"options edge: found {edge}, need 0 .. {last}")
        self._open(edge)
        if self._whole:
            self._live_until(self.edges[0], first=self._first)
        state = self._arrive()
        self._opening = self._excess()
        return self.account.observation.copy(), self._info(state)

    def step(self, action: Mapping[str, Any]) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """Quote until the next cycle edge."""
        propose(action, float(self.setup.policy[POLICY_PROBE]), self.account.proposal)
        return self._live(step_by_step=int(action["side"]) == REDUCE)

    def follow(self) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """Quote as the closed form would until the next cycle edge."""
        self.account.proposal[:] = 0.0
        return self._live(step_by_step=False)

    def _live(self, *, step_by_step: bool) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        if self._edge >= self._end:
            raise RuntimeError("the episode is over; call reset")
        self._live_until(
            self.edges[self._edge + 1],
            first=self.edges[self._edge],
            step_by_step=step_by_step,
        )
        self._edge += 1
        state = self._arrive()
        reward = reward_cycle(
            self._net(),
            int(position_lots(self.account.ledger, self.setup.scale)),
            self.tape.views[self.edges[self._edge]],
            self.account.ledger,
            self.parameters,
            int(self.setup.cycle[0]),
            self.setup.scale,
            self.weights,
            self._kept,
            self._parts,
        )
        over = self._edge == self._end
        return self.account.observation.copy(), reward, False, over, self._info(state)

    def _live_until(self, step: int, *, first: int, step_by_step: bool = False) -> None:
        run_steps(
            self._each if step_by_step else self._rows,
            int(first),
            int(step),
            self.account,
            self._exchange,
            self.setup,
            self.parameters,
            self._records,
            self._still,
            self._view,
            self._figures,
        )

    def _arrive(self) -> int:
        return int(
            arrive(
                int(self.edges[self._edge]),
                self._rows,
                self.account,
                self._exchange,
                self.setup,
                self.parameters,
                self._records,
                self._still,
            )
        )

    def _excess(self) -> int:
        return int(excess_units(self.account.ledger, self.setup.scale))

    def _net(self) -> float:
        return (self._excess() - self._opening) / UNITS

    def _info(self, state: int) -> dict[str, Any]:
        step = int(self.edges[self._edge])
        return {
            "step": step,
            "now_ns": int(self.tape.steps[step, STEP_NOW_NS]),
            "position": int(position_lots(self.account.ledger, self.setup.scale)),
            "net": self._net(),
            "risk_state": state,
            **dict(zip(PARTS, self._parts.tolist(), strict=True)),
        }


def action_space() -> gymnasium.spaces.Dict:
    """Return the hybrid action of DESIGN.md 6; what is continuous lies in [-1, 1]."""
    return gymnasium.spaces.Dict(
        {
            "side": gymnasium.spaces.Discrete(1 + REDUCE),
            "quote": gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float64),
            "levels": gymnasium.spaces.Discrete(3, start=-1),
        }
    )


def propose(action: Mapping[str, Any], probe: float, proposal: F8) -> None:
    """Write an action of the environment as a proposal, f8[PROPOSAL_COLUMNS]."""
    width, shift, share = np.clip(action["quote"], -1.0, 1.0).tolist()
    proposal[PROPOSE_WIDTH] = 3.0**width if width > 0.0 else 2.0**width
    proposal[PROPOSE_SHIFT] = 2.0 * shift
    proposal[PROPOSE_FRACTION] = probe + (1.0 - probe) * (1.0 + share) / 2.0
    proposal[PROPOSE_ACTION] = 1.0 + int(action["side"])
    proposal[PROPOSE_LEVELS] = int(action["levels"])


def cycle_edges(tape: Tape, setup: Setup, span: Span) -> I8:
    """Return the cycle edges of a span from the first on at which the market can be quoted."""
    steps = np.arange(span.first, min(span.last, len(tape.steps)))
    edges: I8 = steps[tape.steps[steps, STEP_NOW_NS] % int(setup.cycle[0]) == 0]
    ready = np.flatnonzero(tape.views[edges, VIEW_READY] > 0.5)
    return edges[ready[0] :] if len(ready) else edges[:0]

"""What was learned on top of a plan: eight coefficients, as a proposal within the frame.

    half width           w = w_plan exp(sum of c_i e_i)          e: 1, |x|, volatility, |imbalance|
    reservation shift    r = r_plan + h (sum of c_j o_j)         o: x, imbalance, change, price

Figures of the decision's observation (`observation.py`); x is its exposure. With bid and ask turned
over, the e stay and the o change their sign, so what is learned of one side is known of the other.
All coefficients at 0 are the plan, to the last byte.
"""

from market.jit import kernel
from market.observation import (
    OBSERVE_CHANGE,
    OBSERVE_EXPOSURE,
    OBSERVE_IMBALANCE,
    OBSERVE_PRICE,
    OBSERVE_VOLATILITY,
)
from market.policy import POLICY_RESIDUAL, PROPOSE_LEAN, PROPOSE_STRETCH
from market.types import F8

EVEN = ("1", "|exposure|", "volatility", "|imbalance|")
ODD = ("exposure", "imbalance", "change", "price")
BOUND = 1.0
"""Of each coefficient, either way."""


@kernel
def propose_learned(seen: F8, tuning: F8, proposal: F8) -> None:
    """Write what is changed of the plan at a decision.

    Args:
        seen: f8[OBSERVATION_COLUMNS].
        tuning: f8[POLICY_COLUMNS].
        proposal: f8[PROPOSAL_COLUMNS], its stretch and lean are written.
    """
    x = seen[OBSERVE_EXPOSURE]
    imbalance = seen[OBSERVE_IMBALANCE]
    told = tuning[POLICY_RESIDUAL:]
    even = told[0] + told[1] * abs(x) + told[2] * seen[OBSERVE_VOLATILITY]
    proposal[PROPOSE_STRETCH] = even + told[3] * abs(imbalance)
    odd = told[4] * x + told[5] * imbalance
    proposal[PROPOSE_LEAN] = odd + told[6] * seen[OBSERVE_CHANGE] + told[7] * seen[OBSERVE_PRICE]

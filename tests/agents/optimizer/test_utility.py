import numpy as np
import pytest

from agents.optimizer.utility import utilities
from market.replay_step import REPLAY_COLUMNS, REPLAY_DRAWDOWN, REPLAY_EXPOSURE, REPLAY_NET


def figures(net, exposure, drawdown):
    """One candidate's slices, all alike but for the net profit."""
    rows = np.zeros((len(net), REPLAY_COLUMNS))
    rows[:, REPLAY_NET] = net
    rows[:, REPLAY_EXPOSURE] = exposure**2
    rows[:, REPLAY_DRAWDOWN] = drawdown
    return rows


def worth(*candidates):
    return utilities(np.stack(candidates), sigma=1e-4, slice_s=1200.0)


NET = np.array([1.0, 3.0, 2.0])


@pytest.mark.parametrize("scale", [1.0, 1.1, 2.0, 10.0])
def test_more_of_the_same_buys_nothing(scale):
    """All quantities scaled up: profit, exposure and drawdown grow, the utility stays."""
    one = figures(NET, 500.0, 2.0)
    more = figures(scale * NET, scale * 500.0, scale * 2.0)
    values = worth(one, more)
    np.testing.assert_allclose(values[1], values[0])


@pytest.mark.parametrize("scale", [0.5, 0.8, 0.99])
def test_less_of_the_same_is_worse_while_it_earns(scale):
    """A winner is not improved by quoting less."""
    values = worth(figures(NET, 500.0, 2.0), figures(scale * NET, scale * 500.0, scale * 2.0))
    assert values[1].mean() < values[0].mean()


def test_less_risk_at_equal_profit_is_better():
    """Inventory variance and drawdown are both penalised."""
    one = figures(NET, 500.0, 2.0)
    assert worth(one, figures(NET, 400.0, 2.0))[1].mean() > worth(one)[0].mean()
    assert worth(one, figures(NET, 500.0, 1.0))[1].mean() > worth(one)[0].mean()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_loss_is_not_made_smaller_by_size_or_by_risk(scale):
    """A losing set gains nothing by more risk; scaling it down changes nothing, up is worse."""
    loss = figures(-NET, 500.0, 2.0)
    values = worth(loss, figures(-NET, scale * 500.0, scale * 2.0))
    assert values[1].mean() <= values[0].mean() + 1e-12
    scaled = worth(loss, figures(-scale * NET, scale * 500.0, scale * 2.0))
    assert scaled[1].mean() <= scaled[0].mean() + 1e-12


def test_nothing_done_is_worth_nothing():
    """No trades: no profit, no risk, no division by zero."""
    values = worth(figures(0 * NET, 0.0, 0.0), figures(0 * NET, 0.0, 0.0))
    np.testing.assert_array_equal(values, 0.0)

"""What public trades teach: the bins, the fit, the shrunk slope."""

import math

import numpy as np
import pytest

from market import calibration


def filled(depths):
    cells = calibration.new_cells()
    for depth in depths:
        cells[calibration.CELL_BID, calibration.depth_bin(depth, cells)] += 1.0
    return cells


def fit(cells, seconds, mid=10_000.0):
    return calibration.fit_intensity(cells, calibration.CELL_BID, mid, seconds, 5e-4, 20.0, 1.0)


def test_a_depth_lands_in_the_bin_whose_edges_enclose_it():
    """Every edge belongs to the bin that it opens; negative depths to the first."""
    cells = calibration.new_cells()
    edges = cells[calibration.CELL_EDGE]
    assert calibration.depth_bin(-1.0, cells) == 0
    assert calibration.depth_bin(1.0, cells) == calibration.BINS - 1
    for index in range(calibration.BINS):
        assert calibration.depth_bin(edges[index], cells) == index
        if index:
            assert calibration.depth_bin(np.nextafter(edges[index], 0.0), cells) == index - 1


@pytest.mark.parametrize(("mean_bps", "rate"), [(3.0, 0.5), (8.0, 0.1), (20.0, 0.02)])
def test_exponential_arrivals_are_recovered(mean_bps, rate):
    """An hour or more of arrivals with A and k known: both come back within 15 %."""
    generator = np.random.default_rng(3)
    seconds = 2_000 / rate
    cells = filled(generator.exponential(mean_bps * 1e-4, 2_000))
    intensity, decay = fit(cells, seconds)
    assert decay == pytest.approx(1.0 / mean_bps, rel=0.15)  # a tick is one basis point here
    assert intensity == pytest.approx(rate, rel=0.15)


def test_without_arrivals_the_prior_remains():
    """The decay is the prior's, and A its rate over all the time that brought nothing."""
    intensity, decay = fit(calibration.new_cells(), 0.0)
    assert decay == pytest.approx(1.0 / 5.0)
    assert intensity == pytest.approx(1.0 / 20.0)
    assert fit(calibration.new_cells(), 980.0)[0] == pytest.approx(1.0 / 1000.0)


def test_a_rising_curve_is_not_believed():
    """All arrivals in the deepest bin: k stays within a factor 30 of the prior's."""
    cells = calibration.new_cells()
    cells[calibration.CELL_BID, -1] = 50.0
    intensity, decay = fit(cells, 1000.0)
    assert 1.0 / 150.0 <= decay <= 6.0
    assert math.isfinite(intensity)
    assert intensity > 0.0


def test_more_time_with_the_same_arrivals_lowers_the_rate_and_keeps_the_shape():
    """The rate is a count over time; the decay is a shape."""
    cells = filled(np.random.default_rng(1).exponential(5e-4, 500))
    near, far = fit(cells, 1000.0 - 20.0), fit(cells, 2000.0 - 20.0)
    assert near[1] == far[1]
    assert near[0] == pytest.approx(2.0 * far[0])


def test_the_ridge_shrinks_the_slope_to_zero():
    """Least squares without a ridge, half of it when the ridge equals the data, 0 without data."""
    assert calibration.shrunk_slope(4.0, 2.0, 0.0) == 0.5
    assert calibration.shrunk_slope(4.0, 2.0, 4.0) == 0.25
    assert calibration.shrunk_slope(0.0, 0.0, 0.0) == 0.0

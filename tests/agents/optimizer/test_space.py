import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.optimizer.space import Dimension, Scale, Space

unit = st.floats(0, 1)


@st.composite
def spaces(draw):
    """Some dimensions of every kind."""
    dimensions = []
    for index in range(draw(st.integers(1, 5))):
        scale = draw(st.sampled_from(list(Scale)))
        low = draw(st.floats(1e-6, 1e3)) if scale is Scale.LOG else draw(st.floats(-1e3, 1e3))
        high = low + draw(st.floats(0, 1e3))
        if scale in {Scale.INTEGER, Scale.CATEGORICAL}:
            low, high = float(int(low)), float(int(high))
        dimensions.append(Dimension(f"x{index}", min(low, high), max(low, high), scale))
    return Space(tuple(dimensions))


@given(spaces(), st.data())
def test_every_point_of_the_cube_decodes_into_the_bounds(space, data):
    """Nothing outside a dimension's bounds can come out, its ends included."""
    rows = data.draw(st.lists(st.lists(unit, min_size=len(space), max_size=len(space))))
    points = np.array(rows).reshape(-1, len(space))
    for values in space.decode(points):
        for value, each in zip(values, space.dimensions, strict=True):
            assert each.low <= value <= each.high
            assert each.scale not in {Scale.INTEGER, Scale.CATEGORICAL} or value % 1 == 0


@given(spaces(), st.data())
def test_decode_undoes_encode(space, data):
    """A value that can be reached is reached again, integers exactly."""
    row = data.draw(st.lists(unit, min_size=len(space), max_size=len(space)))
    values = space.decode(np.array([row]))
    again = space.decode(space.encode(values))
    np.testing.assert_allclose(again, values, rtol=1e-9, atol=1e-9)


def test_integers_have_equal_shares():
    """Each of the integers is as likely as any other."""
    space = Space((Dimension("levels", 1.0, 4.0, Scale.INTEGER),))
    values = space.decode(np.linspace(0, 1, 4001)[:, None])[:, 0]
    counts = [int((values == each).sum()) for each in (1, 2, 3, 4)]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (1.0, 0.0, Scale.LINEAR),
        (0.0, 1.0, Scale.LOG),
        (0.5, 2.0, Scale.INTEGER),
        (float("nan"), 1.0, Scale.LINEAR),
    ],
)
def test_impossible_bounds_are_refused(low, high, scale):
    """Low above high, a logarithm of nothing, half integers, NaN."""
    with pytest.raises(ValueError, match="x: "):
        Dimension("x", low, high, scale)


@given(spaces(), st.data())
def test_snapped_points_mean_the_same_and_stay(space, data):
    """What the space cannot tell apart is one point, and it decodes as before."""
    row = np.array([data.draw(st.lists(unit, min_size=len(space), max_size=len(space)))])
    snapped = space.snap(row)
    np.testing.assert_array_equal(space.decode(snapped), space.decode(row))
    np.testing.assert_array_equal(space.snap(snapped), snapped)


def test_kinds_of_a_category_are_equally_far_apart():
    """A model sees no order among them: every kind has a column of its own."""
    space = Space((Dimension("kind", 0, 2, Scale.CATEGORICAL), Dimension("x", 0, 1)))
    points = space.encode(np.array([[0, 0.5], [1, 0.5], [2, 0.5]]))
    features = space.features(space.snap(points))
    assert features.shape == (3, 4)
    gaps = ((features[:, None] - features[None]) ** 2).sum(2)
    np.testing.assert_array_equal(gaps, 2.0 * (1 - np.eye(3)))

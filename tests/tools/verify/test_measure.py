import numpy as np
import pytest

from optgen.tools.verify.exact import lift
from optgen.tools.verify.measure import errors
from optgen.tools.verify.oracle import Value


def value(exact, cancelled=0.0, bound=0.0):
    exact = lift(exact)
    return Value(exact, np.full(exact.shape, cancelled), np.full(exact.shape, bound))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("x", [1.0, 1.5, 1000.0, -0.3])
def test_a_unit_is_the_distance_to_the_next_number(dtype, x):
    x = np.array([x], dtype)
    found = errors(np.nextafter(x, np.array(np.inf, dtype)), value(x))
    assert np.isclose(found.worst(), 1.0)


def test_below_the_normal_numbers_all_units_are_the_smallest_of_them():
    assert errors(np.zeros(1, np.float32), value([1e-39])).worst() < 0.1
    assert errors(np.zeros(1, np.float16), value([2.0**-24])).worst() == 1.0


def test_cancelled_terms_are_the_unit_where_they_are_larger():
    found = np.array([1e-3], np.float32)
    assert errors(found, value([2e-3], cancelled=1e-3)).worst() == pytest.approx(1.0)
    assert errors(found, value([2e-3], cancelled=1e-12)).worst() > 1e6


@pytest.mark.parametrize(
    ("found", "exact", "right"),
    [
        (np.nan, np.nan, True),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (np.inf, 3.5e38, True),  # it overflows
        (np.inf, 3.4e38, False),
        (3.4028235e38, 3.5e38, False),
        (0.0, np.inf, False),
    ],
)
def test_infinities_and_nan_are_right_or_infinitely_wrong(found, exact, right):
    error = errors(np.array([found], np.float32), value([exact], bound=np.inf))
    assert error.worst() == (0.0 if right else np.inf)
    judged, possible = error.judged()
    assert (judged <= possible) == right


def test_an_unexplained_error_comes_before_a_larger_one():
    found = np.array([1.0, 2.0], np.float32)
    exact = Value(lift([1.0 + 2.0**-20, 3.0]), np.zeros(2), np.array([0.0, 10.0]))
    assert errors(found, exact).worst() == 2.0**22
    assert errors(found, exact).judged() == (8.0, 1.0)


def test_an_empty_array_has_no_error():
    assert errors(np.zeros((0, 3), np.float32), value(np.zeros((0, 3)))).judged() == (0.0, 1.0)

"""Results from fixed keys are those that are stored, up to rounding and what rounding flips."""

import pytest
from helpers import mostly_slow
from regression.comparison import STORED, compare, load
from regression.configurations import NAMES, results


@pytest.mark.parametrize(
    "name",
    mostly_slow(NAMES, "constant step", "Hermes"),
)
def test_results_are_the_stored_ones(name):
    different = [str(one) for one in compare(results(name), load(STORED, name)) if one.verdict == "differs"]
    assert not different, "\n".join(["if a result was mended, list it and store anew: python -m tests.regression", *different])

"""Forty configurations of any numbers, of a few structures."""

import pytest
from fuzz.configurations import Structure
from fuzz.invariants import check
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

FEW = (
    Structure("exp", "drifting", "compressed", "none", "plain", "none", (1, 1)),
    Structure("pow, reference", "reference cell", "mean count", "ratio", "perfect", "none", (4, 6)),
    Structure("soft bounds, reference", "write noise", "compressed", "active", "plain", "none", (1, 5)),
    Structure("constant", "one-sided", "implicit", "none", "perfect", "svd", (4, 6)),
)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # as the check of annotations does
@pytest.mark.parametrize("structure", FEW, ids=str)
@settings(max_examples=10, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_any_numbers_are_right_or_refused(structure, data):
    check(data.draw, structure)

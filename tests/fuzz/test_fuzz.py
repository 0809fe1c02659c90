"""Configurations of any numbers, of a few structures, and files of each kind."""

import pytest
from fuzz.configurations import Structure
from fuzz.files import FILES
from fuzz.invariants import check
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

FEW = (
    pytest.param(Structure("exp", "drifting", "compressed", "none", "plain", "none", (1, 1)), marks=pytest.mark.slow),
    Structure("pow, reference", "reference cell", "mean count", "ratio", "perfect", "none", (4, 6)),
    pytest.param(
        Structure("soft bounds, reference", "write noise", "compressed", "active", "plain", "none", (1, 5)), marks=pytest.mark.slow
    ),
    Structure("constant", "one-sided", "implicit", "none", "perfect", "svd", (4, 6)),
)
ALIKE = {"deadline": None, "database": None, "derandomize": True, "phases": [Phase.generate]}
quiet = pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # as the check of annotations does


@quiet
@pytest.mark.parametrize("structure", FEW, ids=str)
@settings(max_examples=10, **ALIKE)
@given(data=st.data())
def test_any_numbers_are_right_or_refused(structure, data):
    check(data.draw, structure)


@quiet
@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=60, suppress_health_check=list(HealthCheck), **ALIKE)
@given(data=st.data())
def test_files_are_read_right_or_refused(kind, data, tmp_path_factory):
    FILES[kind](data.draw, tmp_path_factory.getbasetemp())

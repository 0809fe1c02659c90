"""The measurements of `docs/records/parity.md`, on smaller samples."""

import pathlib
import runpy

import pytest
from helpers import mostly_slow

parity = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "docs" / "scripts" / "parity.py"))
DEVICES = parity["DEVICES"] | parity["PRESETS"]


@pytest.mark.parametrize(
    "name", mostly_slow(["SoftBoundsReference", "PowStepReference", "reram_array_hfo2"], "SoftBoundsReference", "reram_array_hfo2")
)
def test_fabrication(name):
    found = parity["fabrication"](DEVICES[name], (60, 60))
    assert found["mean"] < 4.5
    assert found["std"] < 4.5
    assert found["p"] > 1e-5


@pytest.mark.parametrize("name", mostly_slow(["SoftBoundsReference", "PiecewiseStep"], "PiecewiseStep"))
def test_response(name):
    found = parity["response"](DEVICES[name], (15, 20), chips=3)
    assert found["mean"] < 0.01
    assert found["spread"] < 0.03


@pytest.mark.parametrize("name", ["Ideal", "PowStepReference"])
def test_pulses(name):
    found = parity["pulses"](DEVICES[name], (10, 10))
    assert max(found["aggregate"], found["slot"]) < parity["LENGTH"] * 2**-24
    assert found["left_out"] == 0


def test_upkeep_and_drift():
    device = DEVICES["VectorCell, `All`"]
    kept = parity["upkeep"](device, (40, 50))
    assert kept["decay"] < 1e-6
    assert max(kept["moments"], parity["drift"](device, (40, 50))) < 4.5

"""The measurements of `docs/parity.md`, on smaller samples."""

import pathlib
import runpy

import pytest

parity = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "docs" / "scripts" / "parity.py"))
MAKERS = parity["DEVICES"] | parity["PRESETS"]


@pytest.mark.parametrize("name", ["SoftBoundsReference", "PowStepReference", "reram_array_hfo2"])
def test_fabrication(name):
    found = parity["fabrication"](MAKERS[name], (60, 60))
    assert found["mean"] < 4.5
    assert found["std"] < 4.5
    assert found["p"] > 1e-5


@pytest.mark.parametrize("name", ["SoftBoundsReference", "PiecewiseStep"])
def test_response(name):
    found = parity["response"](MAKERS[name], (15, 20), chips=3)
    assert found["mean"] < 0.01
    assert found["spread"] < 0.03


def test_pulses():
    found = parity["pulses"](MAKERS["PowStepReference"], (10, 10))
    assert max(found.values()) < parity["LENGTH"] * 2**-24

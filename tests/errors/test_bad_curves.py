"""Tables and curves that cannot be measured or fitted are refused by an error that says what to do."""

import jax.numpy as jnp
import numpy as np
import pytest
from refusals import KEY, assert_refused

import jaxtile as jt

CURVES, TRAIN = np.zeros((2, 31)), np.ones(30)


def fit(weights=CURVES, pulses=TRAIN, device=None, **options):
    return jt.device.fit(jt.device.SoftBounds() if device is None else device, weights, pulses, **options)


def table(state=(-1.0, 0.0, 1.0), up=(0.1, 0.1, 0.1), down=(0.1, 0.1, 0.1), **others):
    return jt.device.Table(state=np.asarray(state), up=np.asarray(up), down=np.asarray(down), **others)


def table_from(folder, text):
    (folder / "steps.csv").write_text(text)
    return jt.device.Table.from_csv(folder / "steps.csv")


CASES = {
    "table not increasing": (lambda: table(state=(-1.0, 1.0, 0.0)), ValueError, ["Table.state", "not increasing at entry 2"]),
    "table without zero": (lambda: table(state=(1.0, 2.0, 3.0)), ValueError, ["Table.state", "1 to 3", "normalise"]),
    "table nan": (lambda: table(up=(0.1, np.nan, 0.1)), ValueError, ["Table.up", "1 of 3", "finite"]),
    "table too short": (lambda: table(down=(0.1, 0.1)), ValueError, ["Table.down has shape (2,)", "as many"]),
    "table noise negative": (lambda: table(up_noise=(0.1, -0.1, 0.1)), ValueError, ["Table.up_noise", "-0.1", "at least 0"]),
    "table of no steps": (lambda: table(up=(0.0,) * 3, down=(0.0,) * 3), ValueError, ["Table.dw_min=0", "above 0"]),
    "table from few pulses": (
        lambda: jt.device.Table.from_pulses(np.linspace(-0.5, 0.5, 31)[None], TRAIN, n_states=5),
        ValueError,
        ["no down step", "both directions", "jaxtile.device.fit"],
    ),
    "table from bursts": (lambda: jt.device.Table.from_pulses(CURVES, 2 * TRAIN), ValueError, ["pulses", "such as 2", "NaN"]),
    "fit of switches": (lambda: fit(pulses=TRAIN > 0), TypeError, ["pulses holds True and False", "-1 for down"]),
    "fit of codes": (
        lambda: fit(weights=np.cumsum(0.01 * np.r_[0, np.ones(15), -np.ones(15)])[None], pulses=np.r_[np.ones(15), np.zeros(15)]),
        ValueError,
        ["pulses holds 0, only a read, where weights change by -0.01", "-1 for a pulse down"],
    ),
    "fit of the other polarity": (
        lambda: fit(weights=np.cumsum(0.01 * np.r_[0, np.ones(15), -np.ones(15)])[None], pulses=np.r_[-np.ones(15), np.ones(15)]),
        ValueError,
        ["weights move against the pulses", "pass -pulses"],
    ),
    "fit of reads": (lambda: fit(pulses=0 * TRAIN), ValueError, ["neither 1 (up) nor -1 (down)", "after pulses"]),
    "fit of infinite weights": (lambda: fit(weights=CURVES + np.inf), ValueError, ["weights holds 62 infinite numbers", "NaN"]),
    "fit of raw conductances": (
        lambda: fit(weights=1e-6 * (30 + np.arange(31) % 2)[None], pulses=np.tile([1, -1], 15)),
        ValueError,
        ["weights run from 3e-05 to 3.1e-05, without zero", "jaxtile.device.Conductance(g_min, g_max)"],
    ),
    "fit of a lifetime": (
        lambda: fit(pulses=np.tile([1, -1], 15), parameters=("dw_min", "lifetime")),
        ValueError,
        ["pulses say nothing about lifetime", "choose from dw_min"],
    ),
    "fit of a bound that does not shape": (
        lambda: fit(pulses=np.tile([1, -1], 15), device=jt.device.ConstantStep(), parameters="w_max"),
        ValueError,
        ["pulses say nothing about w_max", "choose from dw_min, up_down"],
    ),
    "fit of the other direction": (
        lambda: fit(parameters=("dw_min", "w_min")),
        ValueError,
        ["pulses of one direction (up) say nothing about w_min", "choose from dw_min"],
    ),
    "fit of nothing": (lambda: fit(parameters=()), ValueError, ["parameters=()", "choose from dw_min"]),
    "fit in no unit": (lambda: fit(pulses=np.tile([1, -1], 15), unit=0), ValueError, ["unit=0", "above 0"]),
    "fit from a start that was not measured": (
        lambda: fit(weights=np.where(np.arange(31) == 9, np.nan, CURVES), pulses=np.where(np.arange(30) == 8, np.nan, TRAIN)),
        ValueError,
        ["weights after a pulse of NaN, a new start", "measurement"],
    ),
    "measurement of bursts": (lambda: jt.device.measure(jt.device.SoftBounds(), [2, -3], key=KEY), ValueError, ["such as 2"]),
    "measurement of a fraction": (lambda: jt.device.measure(jt.device.SoftBounds(), [0.5], key=KEY), ValueError, ["such as 0.5"]),
    "measurement of tables": (
        lambda: jt.device.measure(jt.device.SoftBounds(), np.ones((2, 3)), key=KEY),
        ValueError,
        ["pulses has shape (2, 3)", "one sequence"],
    ),
    "measurement of one number": (lambda: jt.device.measure(jt.device.SoftBounds(), 1, key=KEY), ValueError, ["shape ()"]),
    "measurement from nowhere": (
        lambda: jt.device.measure(jt.device.SoftBounds(), [1], start=np.nan, key=KEY),
        ValueError,
        ["start=nan", "a number"],
    ),
    "measurement with negative noise": (
        lambda: jt.device.measure(jt.device.SoftBounds(), [1], read_std=-1, key=KEY),
        ValueError,
        ["read_std=-1", "at least 0"],
    ),
    "fit of an ideal device": (lambda: fit(device=jt.device.Ideal()), TypeError, ["device=Ideal()", "SoftBounds()"]),
    "fit of one curve": (lambda: fit(weights=CURVES[0]), ValueError, ["weights has shape (31,)", "[device, measurement]"]),
    "fit without the first": (lambda: fit(pulses=np.ones(31)), ValueError, ["pulses has shape (31,)", "pass 30 pulses"]),
    "fit of bursts": (lambda: fit(pulses=2 * TRAIN), ValueError, ["pulses", "1 (up), -1 (down)", "every single pulse"]),
    "fit from nothing": (lambda: fit(weights=CURVES * np.nan), ValueError, ["weights[:, 0]", "measurement"]),
    "fit unknown": (lambda: fit(parameters=("w_mid",)), ValueError, ["'w_mid'", "choose from dw_min"]),
    "fit of a spread": (lambda: fit(parameters=("w_max_dtod",)), ValueError, ["'w_max_dtod'", "choose from dw_min"]),
    "read_std negative": (lambda: fit(read_std=-1), ValueError, ["read_std=-1", "at least 0"]),
    "fit of what is not known": (
        lambda: jt.device.fit(jt.device.PiecewiseStep(), jnp.zeros((2, 9)), jnp.ones(8)),
        ValueError,
        ["parameters=None", "PiecewiseStep", "Table.from_pulses", "dw_min"],
    ),
    "fit of bounds around a symmetry point": (
        lambda: fit(device=jt.device.SoftBoundsReference(subtract_symmetry_point=True)),
        ValueError,
        ["device.subtract_symmetry_point=True", "w_max and w_min", "Name only one of them among parameters="],
    ),
    "fit of a device in another": (
        lambda: jt.device.fit(jt.presets.reram_sb(), jnp.zeros((2, 9)), jnp.ones(8)),
        TypeError,
        ["device=WriteNoise", "the device inside"],
    ),
    "measurement of turns": (
        lambda: jt.device.measure(jt.device.VectorCell(update_policy=jt.device.SingleSequential()), jnp.ones(3), key=KEY),
        ValueError,
        ["VectorCell", "jaxtile.send"],
    ),
    "measurement of no device": (
        lambda: jt.device.measure(jt.device.SoftBounds(), jnp.ones(3), n_devices=0, key=KEY),
        ValueError,
        ["n_devices=0", "at least 1"],
    ),
}


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    assert_refused(*CASES[name])


@pytest.mark.parametrize(("text", "words"), [
    ("", ["no column 'state'", "state, up, down"]),
    ("state,up\n0,1", ["no column 'down'"]),
    ("state,up,down,mean\n0,1,1,1", ["unknown column 'mean'", "up_noise"]),
    ("state,up,down\n0,1,1\n1,2", ["line 3", "'1,2' is not 3 numbers"]),
    ("state,up,down\n0,1,high", ["line 2", "high"]),
    ("\nstate,up,down\n\n0,1,1\n\n1,2", ["line 6", "'1,2'"]),
])  # fmt: skip
def test_tables_that_cannot_be_read(tmp_path, text, words):
    with pytest.raises(ValueError, match=r"table .*steps.csv") as caught:
        table_from(tmp_path, text)
    for word in words:
        assert word in str(caught.value)

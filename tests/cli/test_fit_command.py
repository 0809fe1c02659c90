"""`jaxtile fit`, in this process."""

import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxtile
from jaxtile.cli import main
from jaxtile.cli.devices import make_device
from jaxtile.cli.fit import Fit


def test_fit(folder, capsys):
    """The curves of a laboratory in uS; what is printed is taken by `jaxtile program`, and is the population that was fitted."""
    pulses = np.tile(np.repeat([1.0, -1.0], 40), 2)
    truth = jaxtile.device.SoftBounds(dw_min=0.03, w_max=0.8, w_min=-0.7)
    weights = jaxtile.device.measure(truth, pulses, n_devices=3, read_std=0.003, key=jax.random.key(0))
    conductances = np.asarray(jaxtile.device.Conductance(10.0, 110.0).conductance(weights))
    lines = [";".join(f"{n:.6g}" for n in row) for row in np.column_stack([pulses, conductances[:, 1:].T])]
    start = ";".join(f"{g:.6g}" for g in conductances[:, 0])
    (folder / "curves.csv").write_text("\n".join(["pulse;A;B;C", f";{start}", *lines]).replace(".", ","))
    assert main(["fit", "curves.csv", "--g-min", "10", "--g-max", "110", "--device", "soft-bounds", "--out", "f.npz"]) == 0
    shown = capsys.readouterr().out
    assert "3 of 3" in shown
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG")
    command = next(line for line in shown.splitlines() if line.startswith("jaxtile program")).split()
    made = make_device("soft-bounds", tuple(command[command.index("--set") + 1 :]))
    expected = jaxtile.device.fit(jaxtile.device.SoftBounds(), weights, pulses).device
    for name in ("dw_min", "dw_min_dtod", "dw_min_std", "w_max", "w_min", "up_down"):
        assert float(getattr(made, name)) == pytest.approx(float(getattr(expected, name)), rel=0.02, abs=2e-3), name
    study = tomllib.loads(shown[shown.index("[device]") : shown.index("\nResults")])
    assert study["device"]["dw_min"] == pytest.approx(float(made.dw_min))
    with np.load(folder / "f.npz") as saved:
        assert saved["names"].tolist() == ["A", "B", "C"]
        assert saved["soft-bounds/estimates/w_max"].shape == (3,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fit absent.csv", "absent.csv"),
        ("fit steps.csv", 'curves steps.csv: it has no column "pulse"'),
        ("fit good.csv --device ideal", "kind of device to fit 'ideal' is unknown; choose from constant-step"),
        ("fit good.csv --g-min 3", "--g-min needs --g-max"),
        ("fit good.csv --g-min 3 --g-max 1", "g_min=3 must be below g_max=1"),
        ("fit good.csv --steps 0", "--steps 0 is out of range"),
        ("fit good.csv --out f.csv", "--out f.csv is of an unknown kind; pass a file that ends in .npz"),
        ("fit good.csv --device soft-bounds", "weights has shape (1, 3); pass [device, measurement], with more than"),
        ("fit good.csv --parameters lifetime --device soft-bounds", "pulses say nothing about lifetime"),
    ],
)
def test_curves_are_refused_in_a_line(arguments, message, folder, capsys):
    (folder / "steps.csv").write_text("state,up\n0,1\n")
    (folder / "good.csv").write_text("pulse,A\n,0\n1,.1\n-1,0\n")
    assert main(arguments.split()) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.splitlines()) == 1


def test_bounds_that_are_held_are_the_ends_of_the_range_of_conductances():
    """The weights of a device that fills its range lie between -1 and 1, and so must those of the device that is printed."""

    def bounds(kind, **arguments):
        made = Fit(Path("curves.csv"), **arguments)._start(kind)
        return float(made.w_min), float(made.w_max)

    assert bounds("constant-step", g_min=10.0, g_max=110.0) == (-1, 1)
    assert bounds("linear-step", g_min=10.0, g_max=110.0, set=("w_max=0.5",)) == (-1, 0.5)
    usual = jaxtile.device.SoftBounds()
    assert bounds("soft-bounds", g_min=10.0, g_max=110.0) == (float(usual.w_min), float(usual.w_max))  # found by the search
    assert bounds("constant-step") == (float(usual.w_min), float(usual.w_max))

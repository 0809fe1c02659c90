"""The examples run from top to bottom, at a small size, and show what they say they show."""

import pathlib
import runpy

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import stored
from helpers import mostly_slow
from matplotlib.collections import QuadMesh

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def batch_size(names):
    """All sizes program, with as many pulses, and are as good for as many."""
    small, large = names["solutions"].values()
    for solution in (small, large):
        assert np.all(solution.stats["spectral_error"] < 0.9 * solution.history["spectral_error"][:, 0])
    for quantity in ("spectral_error", "full_pulses"):
        np.testing.assert_allclose(np.mean(small.stats[quantity]), np.mean(large.stats[quantity]), rtol=0.02)


def chip_cnn(names):
    """The network learns, every holding keeps some of it, and all accuracies are shares."""
    assert names["in_digital"] > 0.3
    for accuracies in names["survived"].values():
        assert accuracies.shape[-1] == 3
        assert np.all((accuracies >= 0) & (accuracies <= 1))


def chip_digits(names):
    """Programming keeps what is far from chance, and costs pulses and energy."""
    assert names["in_digital"] > 0.8
    assert np.mean(names["fresh"][:, 0]) > 0.4
    assert np.mean(names["fresh"]) > np.mean(names["survived"][:, -1]) - 0.05
    assert np.all(names["costs"]["pulses"] > 0)
    assert np.all(names["costs"]["joules"] > 0)


def chip_transformer(names):
    """The task is on the way to be learned, and chips stay above chance."""
    assert names["values"][-1] < 0.9 * names["values"][0]
    assert all(np.all((accuracies >= 0) & (accuracies <= 1)) for accuracies in names["survived"].values())
    assert np.all(names["costs"]["pulses"] > 0)


def digits(names):
    """Good arrays keep more of a network than poor ones, and drift compensation brings some of it back."""
    assert names["in_digital"] > 0.7
    for survived, half_pulses in names["results"].values():
        assert np.mean(survived[0]) > np.mean(survived[-1])  # from kappa of infinity to 10
        assert np.all(half_pulses > 0)
    for aged in names["aged"].values():
        without, compensated = np.moveaxis(np.mean(aged, axis=1), -1, 0)
        assert np.all(compensated > without)
        assert without[-1] < without[0]


def fit_device(names):
    """The numbers that made the devices are found again, within their spread over the devices."""
    assert np.all(names["measured"].converged)
    fitted, truth, devices = names["simulated"].device, names["truth"], names["devices"]
    for name in ("dw_min", "w_max", "w_min"):
        true = float(getattr(truth, name))
        error = abs(true) * float(getattr(truth, f"{name}_dtod")) / np.sqrt(devices)
        assert abs(float(getattr(fitted, name)) - true) < 4.5 * error
    assert float(names["table"].dw_min) == pytest.approx(float(truth.dw_min), rel=0.3)


def fine_tune(names):
    """Noise costs accuracy, and a network that has learned with it loses less."""
    means = names["means"]
    assert np.all(means[:, 0] > means[:, -1])
    assert means[0, 0] - means[0, -1] > means[-1, 0] - means[-1, -1]


def half_select_study(names):
    """Good arrays are programmed better than poor ones, by every method."""
    for found in (names["found"], names["found_exactly"]):
        for data in found.values():
            error = data.error.mean([dim for dim in data.error.dims if dim != "half_select.kappa"]).values
            assert error[-1] < error[0] < 1


def learned_schedule(names):
    """Schedules beat SVD as it is on targets that none of them has seen."""
    for kappa, schedules in names["found"].items():
        unseen = {name: np.mean(names["error"](at[f"kappa {kappa:.0f}"])) for name, at in schedules.items()}
        assert unseen["learned"] < unseen["SVD as it is"] < 100
        assert unseen[names["best"][kappa]] < unseen["SVD as it is"]


def notebook(names):
    """Singular vectors program ideal devices at once; every other method is on the way."""
    for kind, compared in names["solutions"].items():
        for name, solution in compared.items():
            share = solution.stats["spectral_error"] / solution.history["spectral_error"][:, 0]
            assert np.all(share < (1e-5 if (kind, name) == ("ideal", "SVD") else 0.9))


def reference_offsets(names):
    """Every algorithm ends with errors, and plain descent knows no reference."""
    errors = names["errors"]
    assert all(np.all(np.isfinite(error)) and np.all(error > 0) for error in errors.values())
    np.testing.assert_array_equal(errors["SGD"][:, 0], errors["SGD"][:, 1])


def train_digits(names):
    """All chips learn."""
    assert np.all(np.diff(names["runs"].history["loss"]) < 0)


def train_mnist(names):
    """Chips learn where arrays are good, and what one has learned is of use on others."""
    for run in names["runs"].values():
        assert np.all(run.history["loss"][0, :, -1] < run.history["loss"][0, :, 0])
    assert np.all(np.isfinite(names["others"]))


EACH = (
    batch_size,
    chip_cnn,
    chip_digits,
    chip_transformer,
    digits,
    fine_tune,
    fit_device,
    half_select_study,
    learned_schedule,
    notebook,
    reference_offsets,
    train_digits,
    train_mnist,
)
SHOWS = {show.__name__: show for show in EACH}


def test_each_example_is_looked_at():
    others = {"bridge_notebook", "on_chips"}  # the first has a test of its own, and the second is what others import
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SHOWS} | others


@pytest.mark.filterwarnings("ignore:these pulses do not determine dw_min")  # a tenth of a measurement, at the small size
@pytest.mark.parametrize("name", mostly_slow(SHOWS, "train_digits"))
def test_example_shows_what_it_says(name, monkeypatch):
    monkeypatch.setenv("JAXTILE_SMALL", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.syspath_prepend(EXAMPLES)  # as for a script that is run
    plt.close("all")  # figures that other tests have left
    with jax.numpy_dtype_promotion("standard"):  # optax leans on it
        names = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    SHOWS[name](names)
    if name in stored.names():
        stored.check(name, stored.EXAMPLES[name](names))
    drawn = [ax for number in plt.get_fignums() for ax in plt.figure(number).axes]
    assert drawn
    for ax in drawn:
        lines = any(np.isfinite(line.get_ydata()).any() for line in ax.lines)
        heat = any(isinstance(mesh, QuadMesh) and np.isfinite(mesh.get_array()).any() for mesh in ax.collections)
        assert lines or heat or any(patch.get_height() > 0 for patch in ax.patches)
    plt.close("all")

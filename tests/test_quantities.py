"""Quantities that a run records: by name, by quantity, by function; and what becomes of it in sweeps and plots."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib as mpl
import numpy as np
import pytest

import jaxtile as jt
from jaxtile.quantities import QUANTITIES, RECORD

KEY = jr.key(3)
SHAPE = (5, 7)
TARGET = 0.1 * jr.normal(jr.key(1), SHAPE)
# Runs that record other things are other programs; in a mean field a last bit cannot flip a pulse.
CONFIG = jt.TileConfig(pulse=jt.pulse.MeanField(), half_select=jt.half_select.ConstantRatio(kappa=50.0))
TILE = jt.init(CONFIG, SHAPE, key=KEY)


def worst_cell(view):
    """The largest error of a cell."""
    return jnp.max(jnp.abs(view.tile.weight - view.target))


class Beyond(eqx.Module):
    """The fraction of cells whose error is above a threshold, which is a number of its own."""

    threshold: jax.Array = eqx.field(converter=jnp.asarray)

    def __call__(self, view):
        return jnp.mean(jnp.abs(view.tile.weight - view.target) > self.threshold)


WORST = jt.Quantity("worst_cell", "weight", "worst cell (weight units)", worst_cell)
BEYOND = jt.Quantity("beyond", "1", "cells beyond the threshold", Beyond(0.05))


def run(record, max_steps=3, **options):
    return jt.program(TILE, TARGET, jt.SVD(), key=KEY, max_steps=max_steps, tolerance=0.0, record=record, **options)


def test_the_default_leaves_out_what_is_dear_or_does_not_change():
    sol = jt.program(TILE, TARGET, jt.SVD(), key=KEY, max_steps=3, tolerance=0.0)
    assert set(sol.history) == set(RECORD) == set(QUANTITIES) - {"relative_error", "spectral_error", "steps", "unreachable"}
    assert set(sol.stats) == set(QUANTITIES)


def test_steps_can_be_recorded_and_stay_whole():
    sol = run(("steps", "unreachable"))
    assert sol.history["steps"].tolist() == [0, 1, 2, 3]
    assert int(sol.stats["steps"]) == 3
    assert jnp.issubdtype(sol.stats["steps"].dtype, jnp.integer)
    np.testing.assert_array_equal(sol.history["unreachable"], jnp.full(4, sol.stats["unreachable"]))


def test_a_function_is_recorded_under_its_name():
    sol = run(("frobenius_error", worst_cell))
    assert float(sol.history["worst_cell"][0]) == pytest.approx(float(jnp.max(jnp.abs(TARGET))))
    assert float(sol.history["worst_cell"][-1]) == pytest.approx(float(jnp.max(jnp.abs(sol.weight - TARGET))))
    assert float(sol.stats["worst_cell"]) == float(sol.history["worst_cell"][-1])
    np.testing.assert_allclose(run((WORST,)).history["worst_cell"], sol.history["worst_cell"], rtol=1e-4)


def test_the_tally_of_a_view_is_that_of_the_run():
    def seen(view):
        return view.tile.tally.each.full_up.sum() + view.tile.tally.each.full_down.sum()

    tile = jt.update(jt.count_pulses(TILE), jnp.ones(7), jnp.ones(5), learning_rate=0.01, key=KEY)
    sol = jt.program(tile, TARGET, jt.SVD(), key=KEY, max_steps=2, tolerance=0.0, record=(seen, "full_pulses"))
    np.testing.assert_allclose(sol.history["seen"], 35 * sol.history["full_pulses"], rtol=1e-5)
    assert float(sol.history["seen"][0]) == 0


def test_numbers_of_a_quantity_are_leaves():
    """A threshold that is mapped over; and another one compiles nothing."""
    of = lambda threshold: run((jt.Quantity("beyond", "1", "beyond", Beyond(threshold)),)).stats["beyond"]
    several = jax.jit(jax.vmap(of))(jnp.asarray([0.0, 0.02, 1.0]))
    errors = np.abs(run(()).weight - TARGET)
    np.testing.assert_allclose(several, [(errors > threshold).mean() for threshold in (0.0, 0.02, 1.0)], atol=1e-6)
    traces = []

    @jax.jit
    def traced(threshold):
        traces.append(None)
        return of(threshold)

    traced(0.1), traced(0.2)
    assert len(traces) == 1


def test_recording_ones_own_compiles_once(caplog):
    run((WORST, BEYOND))
    with jax.log_compiles(), caplog.at_level("WARNING"):
        run((WORST, jt.Quantity("beyond", "1", "cells beyond the threshold", Beyond(0.07))))
        run((jt.Quantity(*(getattr(WORST, name) for name in ("name", "unit", "label")), worst_cell), BEYOND))
    assert not [one.message for one in caplog.records if "Compiling jit(_at_once)" in one.message]


@pytest.mark.parametrize(
    ("record", "kind", "words"),
    [
        ((lambda view: view.read_error,), ValueError, ["record holds <function", "has no name", "jaxtile.Quantity"]),
        ((Beyond(0.1),), ValueError, ["record holds Beyond", "has no name"]),
        (("reads", "reads"), ValueError, ["record holds reads more than once"]),
        ((WORST, worst_cell), ValueError, ["record holds worst_cell more than once"]),
        ((jt.Quantity("reads", "1", "reads", worst_cell),), ValueError, ["gives 'reads' another meaning"]),
        ((["reads"],), ValueError, ["record names [['reads']]", "read_error"]),
        ((jt.Quantity("weights", "1", "w", lambda view: view.tile.weight),), TypeError, ["'weights'", "one real number"]),
        ((jt.Quantity("word", "1", "w", lambda view: "much"),), TypeError, ["'word' is 'much'", "one real number"]),
        (
            (jt.Quantity("phase", "1", "w", lambda view: jax.lax.complex(view.read_error, view.read_error)),),
            TypeError,
            ["'phase'", "one real number"],
        ),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_what_is_no_record_is_refused_by_name(record, kind, words):
    with pytest.raises(kind) as raised:
        run(record)
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("two words", "1", "label", worst_cell), ValueError, "Quantity.name='two words' must be an identifier"),
        ((3, "1", "label", worst_cell), TypeError, "Quantity.name=3 is not a string"),
        (("one", None, "label", worst_cell), TypeError, "Quantity.unit=None is not a string"),
        (("one", "1", "label", 0.3), TypeError, "Quantity.measure=0.3 is no function"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_what_is_no_quantity_is_refused_by_name(arguments, kind, words):
    with pytest.raises(kind) as raised:
        jt.Quantity(*arguments)
    assert words in str(raised.value)


# Sweeps and plots


@pytest.fixture(scope="module")
def data():
    programming = jt.Programming(jt.SVD(), max_steps=2, record=(WORST, BEYOND, "reads"))
    over = {"half_select.kappa": [10.0, 1000.0], "record.1.measure.threshold": [0.0, 0.05, 1.0]}
    return jt.sweep(programming, TILE.config, TARGET, key=KEY, over=over, chips=2)


def test_a_sweep_takes_unit_and_label_from_the_quantity(data):
    assert data.worst_cell.attrs == data.worst_cell_history.attrs == {"units": "weight", "label": "worst cell (weight units)"}
    assert data.reads_history.attrs == {"units": "vectors", "label": "vectors read"}
    assert data.spectral_error.attrs == {"units": "weight", "label": "spectral error (weight units)"}
    assert data.converged.attrs["units"] == "1"
    np.testing.assert_allclose(data.worst_cell_history.isel(step=0), float(jnp.max(jnp.abs(TARGET))), rtol=1e-6)
    assert data.beyond.sel({"record.1.measure.threshold": 0.0}).min() > 0.9
    assert data.beyond.sel({"record.1.measure.threshold": 1.0}).max() == 0


def test_names_that_a_sweep_uses_are_refused():
    for name in ("converged", "reads_history"):
        with pytest.raises(ValueError, match=f"Programming.record holds {name}"):
            jt.Programming(jt.SVD(), record=(jt.Quantity(name, "1", "label", worst_cell),))


def test_plots_take_labels_from_the_quantity(data):
    mpl.use("Agg")
    assert jt.plot.sweep(data, "worst_cell", against="half_select.kappa").get_ylabel() == "worst cell (weight units)"
    sol = run((WORST, "full_pulses"))
    ax = jt.plot.convergence(sol, quantity=WORST, against="full_pulses")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("full pulses per cell", "worst cell (weight units)")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), sol.history["worst_cell"])
    assert jt.plot.convergence(sol, quantity="worst_cell").get_ylabel() == "worst cell"
    assert jt.plot.convergence(run(RECORD)).get_ylabel() == "Frobenius error (weight units)"
    with pytest.raises(ValueError, match="'beyond' was not recorded"):
        jt.plot.convergence(sol, quantity=BEYOND)


# Costs


class PerPulse(jt.costs.AbstractCosts):
    """A model of one's own: a picojoule a pulse, a second a read."""

    OF_TIME = ("reads",)
    OF_ENERGY = ("full_pulses", "half_pulses")

    joules: jax.Array = eqx.field(default=1e-12, converter=jnp.asarray)

    def time(self, counts):
        (reads,) = self.take(counts, self.OF_TIME)
        return 1.0 * reads

    def energy(self, counts, tile):
        full, half = self.take(counts, self.OF_ENERGY)
        return self.joules * tile.shape[0] * tile.shape[1] * (full + half)


def test_a_model_of_ones_own_in_a_run_a_sweep_and_a_plot():
    costs = PerPulse(joules=2e-12)
    sol = run((*costs.quantities(), *costs.OF_ENERGY))
    expected = 35 * 2e-12 * (sol.history["full_pulses"] + sol.history["half_pulses"])
    np.testing.assert_allclose(sol.history["energy"], expected, rtol=1e-6)
    np.testing.assert_allclose(costs.energy(sol.history, sol.tile), expected, rtol=1e-6)
    assert sol.history["time"].tolist() == [7, 14, 21, 28]
    assert float(sol.stats["energy"]) == pytest.approx(float(expected[-1]))

    mpl.use("Agg")
    ax = jt.plot.convergence(run(("read_error", *costs.OF_ENERGY)), against="energy", costs=costs)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), expected, rtol=1e-6)
    assert ax.get_xlabel() == "energy (J)"

    data = jt.sweep(jt.Programming(jt.SVD(), max_steps=2, record=costs.quantities()), TILE.config, TARGET, key=KEY)
    assert data.energy.attrs == {"units": "J", "label": "energy (J)"}
    assert float(data.energy.squeeze()) == pytest.approx(float(data.energy_history.isel(step=-1).squeeze()))


def test_counts_that_are_missing_are_named():
    with pytest.raises(ValueError, match=r"counts holds reads, and no full_pulses.*record=test_quantities.PerPulse.OF_ENERGY"):
        PerPulse().energy({"reads": jnp.ones(())}, TILE)
    with pytest.raises(ValueError, match="counts holds nothing, and no reads"):
        PerPulse().time({})

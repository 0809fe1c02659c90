"""Pictures: what is drawn, and with which words."""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import jaxtile as jt
from jaxtile import RESULTS, Solution

TILE = jt.init(jt.TileConfig(), (2, 3), key=jax.random.key(0))


@pytest.fixture(autouse=True)
def _no_screen():
    mpl.use("Agg")
    style = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == style, "a plot changed the global style"
    plt.close("all")


def solution(errors, steps):
    """A solution with that history of errors; NaN after `steps`, a number for each run."""
    errors, steps = np.asarray(errors, float), np.asarray(steps)
    errors = np.where(np.arange(errors.shape[-1]) <= steps[..., None], errors, np.nan)
    history = {"spectral_error": errors, "full_pulses": np.where(np.isnan(errors), np.nan, 10.0 * np.arange(errors.shape[-1]))}
    history = {name: jnp.asarray(values, float) for name, values in history.items()}
    return Solution(tile=TILE, result=RESULTS.running, stats={"steps": jnp.asarray(steps)}, history=history)


def test_convergence_of_one_run():
    ax = jt.plot.convergence(solution([4, 2, 1, 0.5, 0.25], 4))
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 4], [1, 2], [2, 1], [3, 0.5], [4, 0.25]])
    assert ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pulse steps", "spectral error (weight units)")
    assert ax.get_legend() is None
    assert not ax.collections, "one run has no band"


def test_a_run_that_stopped_ends_in_a_dot():
    line, dot = jt.plot.convergence(solution([4, 2, 1, 0.5, 0.25], 2)).lines
    assert line.get_xydata()[-1].tolist() == dot.get_xydata()[0].tolist() == [2, 1]


def test_a_run_that_stopped_keeps_its_last_value_in_the_median():
    runs = solution([[8, 4, 4, 4], [8, 6, 3, 2], [8, 7, 6, 5]], [1, 3, 3])
    ax = jt.plot.convergence({"three": runs})
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [8, 6, 4, 4])
    assert len(ax.collections) == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["three"]


def test_leading_axes_are_all_runs():
    errors = np.random.default_rng(0).uniform(1, 2, (2, 3, 5))
    ax = jt.plot.convergence(solution(errors, np.full((2, 3), 4)))
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(errors, axis=(0, 1)))


def test_convergence_against_work_into_given_axes():
    _, given = plt.subplots()
    ax = jt.plot.convergence({"a": solution([4, 2, 1], 2)}, against="full_pulses", ax=given)
    assert ax is given
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 10, 20])
    assert ax.get_xlabel() == "full pulses per cell"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantity": "error"}, "quantity='error' is unknown; choose one of 'spectral_error'"),
        ({"against": "effort"}, "against='effort' is unknown; choose one of 'steps'"),
        ({"quantity": "read_error"}, "'read_error' was not recorded"),
    ],
)
def test_convergence_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        jt.plot.convergence(solution([4, 2, 1], 2), **options)


FOREIGN = {  # a picture of what is none of its kind, and the argument that is named
    "solutions=None": lambda: jt.plot.convergence(None),
    "solutions={}": lambda: jt.plot.convergence({}),
    "solutions=3": lambda: jt.plot.convergence({"label": 3}),
    "costs=3": lambda: jt.plot.convergence(solution([4, 2, 1], 2), costs=3),
    "ax=3": lambda: jt.plot.convergence(solution([4, 2, 1], 2), ax=3),
    "runs=3": lambda: jt.plot.training({"label": 3}),
    "result=None": lambda: jt.plot.fit(None),
    "result=3": lambda: jt.plot.residuals(3),
    "data=None": lambda: jt.plot.sweep(None),
    "solution=": lambda: jt.plot.weight_error(np.ones((2, 3)), np.ones((2, 3))),
}


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("name", FOREIGN)
def test_what_cannot_be_drawn_is_named(name):
    with pytest.raises(TypeError, match=f"(?s){name}.*pass "):
        FOREIGN[name]()


@pytest.mark.parametrize("device", [jt.device.ConstantStep(dw_min=0.05), jt.device.SoftBounds(dw_min=0.05)])
def test_pulse_response(device):
    ax = jt.plot.pulse_response(device, n_cells=3)
    curves = [line for line in ax.lines if len(line.get_xdata()) == 49]  # 24 up, 24 down
    assert len(curves) == 4
    nominal = next(line for line in curves if line.get_label() == "nominal").get_ydata()
    assert nominal[0] == pytest.approx(-0.6)
    assert np.all(np.diff(nominal)[:24] > 0)
    assert np.all(np.diff(nominal)[24:] < 0)
    assert ax.get_xlabel() == "pulses (24 up, then 24 down)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cells", "nominal", "bounds"]


def test_pulse_response_of_a_constant_step_is_straight():
    nominal = jt.plot.pulse_response(jt.device.ConstantStep(dw_min=0.05), n_pulses=4, n_cells=0).lines[0].get_ydata()
    np.testing.assert_allclose(np.diff(nominal), [0.05] * 4 + [-0.05] * 4, atol=1e-6)


@pytest.mark.usefixtures("unhooked")
def test_pulse_response_refuses_what_takes_no_pulses():
    with pytest.raises(TypeError, match=r"device=Ideal\(\) takes no pulses"):
        jt.plot.pulse_response(jt.device.Ideal())
    with pytest.raises(ValueError, match="n_pulses=0"):
        jt.plot.pulse_response(jt.device.ConstantStep(), n_pulses=0)


@pytest.fixture(scope="module")
def programmed():
    target = jnp.full((4, 6), 0.2)
    tile = jt.init(jt.TileConfig(device=jt.device.Ideal()), target.shape, key=jax.random.key(0))
    return jt.program(tile, target, jt.SVD(solver="exact"), key=jax.random.key(1), max_steps=2), target


def test_weight_error(programmed):
    sol, target = programmed
    ax = jt.plot.weight_error(sol, target + 0.1)
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array(), -0.1, atol=1e-5)
    assert image.norm.vmin == -image.norm.vmax
    assert image.colorbar.ax.get_ylabel() == "$W$ - target (weight units)"
    jt.plot.weight_error(sol, sol.weight)  # no error at all is a picture too


def test_weight_error_refuses_several_runs(programmed):
    sol, target = programmed
    with pytest.raises(ValueError, match=r"weights \(2, 4, 6\); pass the \[out, in\] of one run"):
        jt.plot.weight_error(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), sol), target)


def test_a_real_run_can_be_drawn(programmed):
    ax = jt.plot.convergence(programmed[0], quantity="read_error", against="half_pulses")
    assert ax.get_ylabel() == "read error (relative to largest)"
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("against", "label"),
    [("reads", "vectors read"), ("phases", "sub-phases driven"), ("time", "model time (s)"), ("energy", "energy (J)")],
)
def test_convergence_against_any_cost(programmed_by_pulses, against, label):
    ax = jt.plot.convergence(
        {"svd": programmed_by_pulses}, against=against, costs=jt.Costs(read_time=2.0, pulse_width=0.0, pulse_period=0.0)
    )
    assert ax.get_xlabel() == label
    work = ax.lines[0].get_xdata()
    assert np.all(np.diff(work) > 0)
    if against == "time":
        np.testing.assert_allclose(work, 2.0 * 6 * np.arange(1, 4))


@pytest.fixture(scope="module")
def programmed_by_pulses():
    target = jnp.full((4, 6), 0.2)
    tile = jt.init(jt.TileConfig(half_select=jt.half_select.ConstantRatio()), target.shape, key=jax.random.key(0))
    return jt.program(tile, target, jt.SVD(), key=jax.random.key(1), max_steps=2, tolerance=0.0)


def test_runs_that_failed_are_left_out_and_counted():
    runs = solution([[8, 4, 3], [8, np.nan, np.nan], [8, 6, 5], [8, np.inf, np.inf]], [2, 2, 2, 2])
    ax = jt.plot.convergence({"SVD": runs})
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [8, 5, 4])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["SVD (2 of 4 failed)"]
    (text,) = jt.plot.convergence(runs).get_legend().get_texts()
    assert text.get_text() == "(2 of 4 failed)"


def test_lines_of_one_colour_differ_in_their_dashes_and_the_legend_hides_none():
    ax = jt.plot.convergence({f"method {n}": solution([4, 2, 1], 2) for n in range(9)})
    styles = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    assert len(set(styles)) == 9
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x0 > ax.get_window_extent().x1


def chips(errors, finite, missing=0):
    """A sweep of one number on some chips."""
    shape = ("device.dw_min", "chip")
    data = {"frobenius_error": (shape, np.asarray(errors, float)), "finite": (shape, np.asarray(finite))}
    return xr.Dataset(data, {"device.dw_min": [0.01, 0.1]}, {"missing_blocks": missing})


@pytest.mark.parametrize("colours", [(), "red"])
def test_colours_are_several(colours):
    with pytest.raises(ValueError, match=r"colours=.* is no list of colours"):
        jt.plot.convergence(solution([1.0, 0.5], 1), colours=colours)


def test_a_broken_chip_does_not_look_best():
    data = chips([[0.3, 0.5, 0.4], [2.0, np.nan, 3.0]], [[1, 1, 1], [1, 0, 1]])
    ax = jt.plot.sweep(data)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.4, 2.5])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["(1 of 6 failed)"]


def test_what_is_still_to_be_run_has_not_failed():
    data = chips([[0.3, 0.5], [np.nan, np.nan]], [[1.0, 1.0], [np.nan, np.nan]], missing=1)
    assert jt.plot.sweep(data).get_legend() is None
    with pytest.raises(ValueError, match="frobenius_error holds no finite number to draw"):
        jt.plot.sweep(data * np.nan)
    with pytest.raises(ValueError, match="against='run' is unknown; choose one of 'device.dw_min', 'chip'"):
        jt.plot.sweep(data, against="run")


def test_an_unfinished_store_says_how_many_runs_a_point_has():
    """A median over fewer chips looks like any other."""
    some, none = [1.0, 1.0, 1.0, 1.0], [1.0, np.nan, np.nan, 1.0]
    data = chips([[0.3, 0.5, 0.4, 0.2], [0.1, np.nan, np.nan, 0.3]], [some, none], missing=1)
    assert [text.get_text() for text in jt.plot.sweep(data).get_legend().get_texts()] == ["(2 to 4 of 4 runs a point)"]
    data = chips([[0.3, 0.5, np.nan, 0.2], [0.1, np.nan, np.nan, 0.3]], [[1.0, 1.0, 0.0, 1.0], none], missing=1)
    assert [text.get_text() for text in jt.plot.sweep(data).get_legend().get_texts()] == [
        "(1 of 8 failed) (2 to 4 of 4 runs a point)"
    ]
    returned = data.drop_vars("finite")  # of a function of one's own
    assert [text.get_text() for text in jt.plot.sweep(returned).get_legend().get_texts()] == ["(2 to 3 of 4 runs a point)"]


def test_pulse_response_of_tiny_steps_is_a_part_that_is_named():
    """12 million steps fill the range; 50,000 are drawn. In single precision a step of 1e-7 at -0.6 is rounded to 2^-23."""
    ax = jt.plot.pulse_response(jt.device.ConstantStep(dw_min=1e-7), n_cells=0)
    assert ax.get_xlabel() == "pulses (50000 up, then 50000 down; 1.2e+07 fill the range)"
    assert float(np.max(ax.lines[0].get_ydata())) == pytest.approx(-0.6 + 50_000 * 2**-23, abs=1e-5)

"""Configurations, tiles and solutions as people see them."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import jaxtile as jt

TARGET = np.asarray([[0.3, -0.2, 0.1, 0.0], [0.1, 0.2, -0.3, 0.2], [0.0, 0.1, 0.1, -0.1]])


def fabricate(device=None, half_select=None):
    config = jt.TileConfig(device=device or jt.device.ConstantStep(), half_select=half_select)
    return jt.init(config, (3, 4), key=jr.key(5))


def run(device, key):
    return jt.program(fabricate(device), TARGET, jt.SVD(), key=key, max_steps=3, tolerance=0)


def test_numbers_are_shown_wherever_a_configuration_stands():
    device = jt.device.SoftBounds(dw_min=0.002)
    tile = fabricate(device)
    for whole in (tile, tile.config, jt.Datasheet.of(tile.config, (3, 4)), jt.nn.Linear.around(tile), (device,)):
        assert "SoftBounds(dw_min=0.002)" in repr(whole)
        assert "f32" not in repr(whole).replace("bias=f32[3]", "")


def test_lanes_show_numbers_that_differ_and_medians():
    devices = jax.vmap(lambda dw_min: jt.device.SoftBounds(dw_min=dw_min))(np.asarray([1e-3, 2e-3, 4e-3]))
    assert repr(devices) == "SoftBounds(dw_min=0.001...0.004)"
    runs = jax.vmap(lambda key: run(jt.device.ConstantStep(), key))(jr.split(jr.key(0), 3))
    assert repr(runs).startswith(f"Solution(3 runs, median relative_error={np.median(runs.stats['relative_error']):.3g}, ")
    assert "ConstantStep()" in repr(runs)
    assert "medians of 3 runs" in runs.summary()
    assert "(3 of 3 runs)" in " ".join(runs.summary().split())


def test_a_summary_says_what_the_numbers_say():
    solution = run(jt.device.ConstantStep(), jr.key(0))
    relative = np.linalg.norm(np.asarray(solution.weight) - TARGET) / np.linalg.norm(TARGET)
    np.testing.assert_allclose(solution.stats["relative_error"], relative, rtol=1e-5)
    costs = jt.Costs(pulse_period=1e-3)
    lines = dict(line.split("  ", 1) for line in solution.summary(costs).splitlines()[1:7])
    assert lines["relative error"].startswith(f"{relative:.4g}:")
    assert lines["time, energy"].split()[0] == f"{1e3 * float(costs.time(solution.stats)):.3g}"
    assert solution.remark is None
    assert "ConstantStep" in solution._repr_html_()
    assert f"{relative:.4g}" in solution._repr_html_()


def test_a_run_that_ends_above_where_it_started_says_why():
    worse = run(jt.presets.reram_sb(write_noise_std=300.0), jr.key(0))
    assert float(worse.stats["frobenius_error"]) > float(worse.history["frobenius_error"][0])
    assert "ended above where it started" in worse.remark
    assert "error of 300 steps" in worse.remark
    assert "ended above where it started" in " ".join(worse.summary().split())


def test_an_error_relative_to_zeros_is_the_error_itself():
    view = jt.quantities.View(jt.set_weights(fabricate(), TARGET), jnp.zeros((3, 4)), None, None)
    measured = {name: float(jt.quantities.QUANTITIES[name].measure(view)) for name in ("relative_error", "frobenius_error")}
    assert measured["relative_error"] == measured["frobenius_error"]


def test_a_notebook_shows_a_tile_as_a_table():
    shown = fabricate(half_select=jt.half_select.ConstantRatio(kappa=30.0))._repr_html_()
    assert "3 x 4" in shown
    assert "kappa=30" in shown
    assert "&lt;" not in shown


def test_training_runs_under_vmap_are_seen_by_mean_and_deviation():
    stats = {"epochs": jnp.asarray([5, 5, 5]), "accuracy": jnp.asarray([0.8, 0.9, 1.0]), "layers.0.pulses": jnp.ones(3)}
    run = jt.nn.Run(None, jt.nn.OUTCOMES.all_epochs, stats, {})
    assert repr(run) == "Run(3 runs, 5 epochs, mean ± standard deviation accuracy=0.9 ± 0.1)"
    run = jt.nn.Run(None, jt.nn.OUTCOMES.all_epochs, stats | {"epochs": jnp.asarray([2, 5, 5])}, {})
    assert "2 to 5 epochs" in repr(run)
    single = jt.nn.Run(None, jt.nn.OUTCOMES.stopped, {"epochs": jnp.asarray(2), "loss": jnp.asarray(0.25)}, {})
    assert repr(single).startswith("Run(2 epochs, loss=0.25, 'The quantity")

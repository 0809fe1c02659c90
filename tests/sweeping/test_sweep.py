"""`sweep`: what a point is, and that one program gives it the same bits wherever it is run."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_runs_agree
from sweeps import CONFIG, KAPPAS, KEY, POINTS, SHAPE, TARGET, pulsed, same

import jaxtile as jt
from jaxtile._random import normal
from jaxtile.sweeping.dataset import load

RATES = [0.5, 0.7, 1.0]


def summary(tile, target, key):
    """Cheap, and it tells whether chip, target, key and numbers are right."""
    read = jt.forward(tile, target[0], key=key)
    return {"w_max": tile.cells.w_max, "read": read, "kappa": tile.config.half_select.kappa}


def test_dimensions_coordinates_and_units():
    data = jt.sweep(
        {"gdp": jt.Programming(jt.GDP(), max_steps=3, record=("read_error",))},
        CONFIG,
        jnp.stack([TARGET, -TARGET]),
        key=KEY,
        over={"half_select.kappa": KAPPAS, "method.learning_rate": RATES},
        chips=2,
    )
    dims = {"run": 1, "half_select.kappa": 2, "method.learning_rate": 3, "chip": 2, "target": 2, "seed": 1}
    assert dict(data.frobenius_error.sizes) == dims
    assert data.read_error_history.dims == (*dims, "step")
    assert data.read_error_history.sizes["step"] == 4
    assert data.half_pulses.attrs["units"] == "pulses per cell"
    np.testing.assert_array_equal(data["half_select.kappa"], KAPPAS)
    assert data["half_select.kappa"].attrs["units"] == "1"
    description = json.loads(data.attrs["description"])
    assert description["config"]["config"]["half_select"]["class"].endswith("ConstantRatio")
    assert description["run"]["gdp"]["method"]["class"].endswith("GDP")


def test_a_point_is_the_single_run():
    """Same chip, target, numbers and draws as a run by hand."""
    targets = jnp.stack([TARGET, 2 * TARGET])
    data = jt.sweep(summary, CONFIG, targets, key=KEY, over={"half_select.kappa": KAPPAS}, chips=3, seeds=2)
    chips = [jt.init(CONFIG, SHAPE, key=jr.fold_in(jr.fold_in(KEY, 0), chip)) for chip in range(3)]
    for kappa, chip, target, seed in [(0, 0, 0, 0), (1, 2, 1, 1)]:
        point = data.isel({"half_select.kappa": kappa, "chip": chip, "target": target, "seed": seed})
        run_key = jr.fold_in(jr.fold_in(jr.fold_in(jr.fold_in(KEY, 1), chip), target), seed)
        np.testing.assert_allclose(point["w_max"], chips[chip].cells.w_max, rtol=1e-6)
        np.testing.assert_allclose(point["read"], jt.forward(chips[chip], targets[target][0], key=run_key), atol=1e-5)
        assert float(point["kappa"]) == KAPPAS[kappa]


def test_points_share_chips_and_draws_across_numbers_only():
    data = jt.sweep(summary, CONFIG, TARGET, key=KEY, over={"half_select.kappa": KAPPAS}, chips=2, seeds=2)
    np.testing.assert_array_equal(data.w_max[0], data.w_max[1])
    np.testing.assert_array_equal(data.read[0], data.read[1])
    assert not np.array_equal(data.w_max[0, 0], data.w_max[0, 1])
    assert not np.array_equal(data.read[0, 0, 0], data.read[0, 0, 1])


def test_zipped_numbers_share_a_dimension():
    over = {"half_select.kappa": KAPPAS, "device.dw_min": [1e-3, 2e-3]}
    data = jt.sweep(summary, CONFIG, TARGET, key=KEY, over=over, zipped=True)
    assert data.kappa.dims == ("point", "chip", "seed")
    np.testing.assert_array_equal(data["device.dw_min"], [1e-3, 2e-3])
    np.testing.assert_array_equal(data.kappa[:, 0, 0], KAPPAS)


def test_numbers_of_one_device_of_a_unit_cell():
    def run(tile, target, key):
        return {"first": tile.config.device.devices[0].dw_min, "second": tile.config.device.devices[1].dw_min}

    config, steps = jt.TileConfig(device=jt.device.VectorCell()), [0.002, 0.003]
    data = jt.sweep(run, config, TARGET, key=KEY, over={"device.devices.1.dw_min": steps}).squeeze()
    np.testing.assert_allclose(data.first, [0.001, 0.001])
    np.testing.assert_allclose(data.second, steps)
    assert data["device.devices.1.dw_min"].attrs["units"] == "weight"
    for path, words in (("device.devices.2.dw_min", "leads nowhere"), ("device.devices.0", "not a number")):
        with pytest.raises(ValueError, match=words):
            jt.sweep(run, config, TARGET, key=KEY, over={path: steps})
    with pytest.raises(ValueError, match="ConstantStep.dw_min=-1"):
        jt.sweep(run, config, TARGET, key=KEY, over={"device.devices.1.dw_min": [-1.0]})


def test_several_runs_and_configurations():
    configs = {"none": jt.TileConfig(), "ratio": CONFIG}

    def sends(rate):
        def run(tile, target, key):
            tile = jt.update(tile, target[0], target[:, 0], learning_rate=rate, key=key)
            return {"full_pulses": tile.full_pulses, "half_pulses": tile.half_pulses}

        return run

    runs = {"little": sends(0.1), "much": sends(1.0)}
    data = jt.sweep(runs, configs, TARGET, key=KEY, chips=2)
    assert data.half_pulses.dims[:2] == ("config", "run")
    assert (data.half_pulses.sel(config="none") == 0).all()
    assert (data.half_pulses.sel(config="ratio") > 0).all()
    assert (data.full_pulses.sel(run="little") < data.full_pulses.sel(run="much")).all()


def test_the_same_bits_for_any_number_of_tiles():
    whole = jt.sweep(pulsed, CONFIG, TARGET, key=KEY, width=4, **POINTS)
    part = jt.sweep(pulsed, CONFIG, TARGET, key=KEY, width=4, chips=3, over={"half_select.kappa": KAPPAS[:1]})
    same(part, whole.isel({"half_select.kappa": [0], "chip": slice(3)}))


@pytest.mark.slow
def test_across_widths_and_in_single_runs_draws_agree_and_so_do_weights_until_a_pulse_flips():
    def run(tile, target, key):
        sol = jt.program(tile, target, jt.SVD(), key=key, max_steps=4, tolerance=0.3, record=())
        return {"w_max": tile.cells.w_max, "draws": normal(key, jnp.arange(9)), "weight": sol.weight}

    @jax.jit
    def single(chip):
        tile = jt.init(CONFIG, SHAPE, key=jr.fold_in(jr.fold_in(KEY, 0), chip))
        return run(tile, TARGET, jr.fold_in(jr.fold_in(jr.fold_in(jr.fold_in(KEY, 1), chip), 0), 0))

    chips = 40
    wide, narrow = (jt.sweep(run, CONFIG, TARGET, key=KEY, width=width, chips=chips).squeeze("seed") for width in (chips, 7))
    alone = jax.tree.map(lambda *leaves: np.stack(leaves), *map(single, range(chips)))
    for other in (narrow, alone):
        np.testing.assert_allclose(wide["w_max"], other["w_max"], rtol=1e-6)
        np.testing.assert_allclose(wide["draws"], other["draws"], rtol=1e-6)
        assert_runs_agree(wide["weight"], other["weight"])


DEVICES = """
import sys, jax, jaxtile as jt, numpy as np
assert jax.local_device_count() == int(sys.argv[1])
config = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=30.0))
target = 0.1 * jax.random.normal(jax.random.key(1), (5, 6))
data = jt.sweep(jt.Programming(jt.SVD(), max_steps=4), config, target, key=jax.random.key(0), chips=1000, width=256)
np.save(sys.argv[2], data.frobenius_error.values)
"""


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 8])
def test_the_same_bits_on_any_number_of_devices(tmp_path, devices):
    """And an end: batches of LAPACK's decompositions on several devices at a time would wait for one another."""
    found = []
    for count in (1, devices):
        environment = {
            "PYTHONPATH": str(pathlib.Path(jt.__file__).parent.parent),
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
        }
        file = tmp_path / f"{count}.npy"
        subprocess.run([sys.executable, "-c", DEVICES, str(count), str(file)], env=environment, check=True, timeout=600)
        found.append(np.load(file))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


PROCESSES = """
import sys, jax
jax.distributed.initialize(f"localhost:{sys.argv[2]}", num_processes=2, process_id=int(sys.argv[1]))
import jaxtile as jt
config = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=30.0))
target = 0.1 * jax.random.normal(jax.random.key(1), (5, 6))

def run(tile, target, key):
    tile = jt.update(tile, target[0], target[:, 0], learning_rate=1.0, key=key)
    return {"frobenius_error": jax.numpy.linalg.norm(jt.get_weights(tile) - target)}

data = jt.sweep(run, config, target, key=jax.random.key(0), chips=41, width=2, store=sys.argv[3])
from jaxtile.sweeping.processes import wait_for_all
if sys.argv[1] == "0":
    try:
        wait_for_all("alone", 0.5)
    except TimeoutError as error:
        assert "process 0 of 2 has waited" in str(error)
        print("alone")
wait_for_all("end")
print("complete")
"""


@pytest.mark.slow
def test_processes_share_a_sweep(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    environment = {"PYTHONPATH": str(pathlib.Path(jt.__file__).parent.parent), "JAX_PLATFORMS": "cpu"}
    # The same bits: see `conftest`.
    environment |= {name: os.environ[name] for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS")}
    path = tmp_path / "shared.zarr"
    command = [sys.executable, "-c", PROCESSES]
    processes = [subprocess.Popen([*command, str(n), port, str(path)], env=environment, stdout=subprocess.PIPE) for n in range(2)]
    said = [process.communicate(timeout=600)[0] for process in processes]
    assert said == [b"alone\ncomplete\n", b"complete\n"]
    shared = load(path)
    assert shared.attrs["missing_blocks"] == 0
    alone = {}
    exec(PROCESSES.partition("import jaxtile as jt")[2].partition("data =")[0], {"jt": jt, "jax": jax}, alone)
    same(shared, jt.sweep(alone["run"], alone["config"], alone["target"], key=jr.key(0), chips=41, width=2))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"over": {"device.dw_mim": [1.0]}}, ValueError, ["'device.dw_mim'", "leads nowhere"]),
        ({"over": {"pulse.desired_bl": [7]}}, ValueError, ["'pulse.desired_bl'", "31", "not a number"]),
        ({"over": {"device.dw_min": [0.1, -1.0]}}, ValueError, ["ConstantStep.dw_min=-1", "above 0"]),
        ({"over": {"device.dw_min": []}}, ValueError, ["over['device.dw_min']", "at least one"]),
        ({"over": {"device.dw_min": [1, 2], "half_select.kappa": [3]}, "zipped": True}, ValueError, ["zipped"]),
        ({"over": {"device.dw_min": [1, 2]}, "zipped": "no"}, TypeError, ["zipped='no'", "True or False"]),
        ({"allow_versions": "no"}, TypeError, ["allow_versions='no'", "True or False"]),
        ({"over": {3: [1.0]}}, TypeError, ["over names 3", "pass a text"]),
        ({"over": {"device.dw_min": [jnp.nan]}}, ValueError, ["ConstantStep.dw_min=nan is out of range"]),
        ({"over": "device.dw_min"}, TypeError, ["over='device.dw_min'", "{'device.dw_min': [0.001, 0.01]}"]),
        ({"store": 3}, TypeError, ["store=3", "is no path"]),
        ({"seeds": "a"}, ValueError, ["seeds='a'", "at least 1"]),
        ({"chips": 0}, ValueError, ["chips=0", "at least 1"]),
        ({"target": jnp.ones((2, 0))}, ValueError, ["target has shape (2, 0)"]),
        ({"target": jnp.full(SHAPE, jnp.nan)}, ValueError, ["target holds 30 of 30"]),
        ({"config": jt.device.Ideal()}, TypeError, ["config=Ideal()", "TileConfig"]),
        ({"run": jt.SVD()}, TypeError, ["run=SVD()", "Programming"]),
        ({"run": {}}, ValueError, ["run is empty"]),
        ({"run": jt.Programming}, TypeError, ["run=", "Programming"]),
        ({"run": {1: pulsed}}, TypeError, ["run has the name 1", "by a text"]),
        ({"run": lambda tile, target, key: {"key": key}}, TypeError, ["return arrays by name"]),
        ({"run": lambda tile, target, key: {"none": target[:0]}}, ValueError, ["'none' of shape [0, 6]", "leave it out"]),
        ({"width": 10**12}, ValueError, ["width=1000000000000 takes", "GiB are free; pass fewer, or None"]),
        ({"run": lambda tile, target, key: target}, TypeError, ["return arrays by name"]),
        ({"run": lambda tile, target, key: {}}, TypeError, ["returns {}", "return arrays by name"]),
        ({"run": lambda tile, target, key: {3: target}}, TypeError, ["return arrays by name"]),
        ({"run": lambda tile, target, key: {"chip": target}}, ValueError, ["'chip'", "another name"]),
        ({"run": lambda tile, target, key: {"": target}}, ValueError, ["''", "another name"]),
        ({"over": {"device.dw_min": ["a"]}}, TypeError, ["over['device.dw_min']=['a']", "not numbers"]),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_bad_input_is_refused(arguments, error, words):
    arguments = {"run": pulsed, "config": CONFIG, "target": TARGET, "key": KEY} | arguments
    with pytest.raises(error) as caught:
        jt.sweep(**arguments)
    for word in words:
        assert word in str(caught.value)


def test_results_of_different_shapes_cannot_be_swept_together():
    runs = {"short": lambda tile, target, key: {"row": target[0, :2]}, "long": lambda tile, target, key: {"row": target[0]}}
    with pytest.raises(ValueError, match="row"):
        jt.sweep(runs, CONFIG, TARGET, key=KEY)

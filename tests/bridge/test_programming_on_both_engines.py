"""jaxtile's methods and models, stepped on a tile of either engine as jaxtile steps them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import VectorUnitCell
from aihwkit.simulator.configs.devices import ConstantStepDevice
from aihwkit.simulator.parameters.enums import VectorUnitCellUpdatePolicy
from aihwkit.simulator.tiles.analog import AnalogTile
from aihwkit.simulator.tiles.periphery import TileWithPeriphery
from chips import analog_tile
from helpers import mostly_slow
from ideal import OUT, PERFECT, WIDTH, ideal_tile, target

import jaxtile as jt
from bridge import (
    RealisticTile,
    RPUConfigWithProgram,
    from_analog_tile,
    program_weights_by,
    program_weights_gdp,
    program_weights_gdp2,
    program_weights_svd,
    to_analog_tile,
)


def aihwkits_own(tile):
    """aihwkit's `program_weights` with the notebook's numbers, recorded as the bridge's methods are."""
    errors, update = [], tile.tile.update
    wanted = tile.tile.get_weights()

    class Watched:
        def __getattr__(self, name):
            return getattr(original, name)

        def update(self, *args):
            errors.append(float(np.linalg.norm(original.get_weights() - wanted, 2)))
            update(*args)

    original, tile.tile = tile.tile, Watched()
    try:
        TileWithPeriphery.program_weights(tile, from_reference=False, learning_rate=1.0, max_iter=STEPS + 1, tolerance=None)
    finally:
        tile.tile = original
    return errors


SEEDS, STEPS = 10, 20
RUNS = {
    "gdp": lambda tile: program_weights_gdp(tile, from_reference=False, max_iter=STEPS, tolerance=None).spectral_error,
    "gdp2": lambda tile: program_weights_gdp2(tile, max_iter=STEPS, tolerance=None).spectral_error,
    "svd": lambda tile: program_weights_svd(tile, max_iter=STEPS, tolerance=None).spectral_error,
    "aihwkit's own": aihwkits_own,
}


@pytest.mark.parametrize("run", mostly_slow(RUNS, "aihwkit's own"))
def test_both_engines_draw_the_same_curves(run):
    """Ten chips, each in both engines: the mean curves agree within their standard errors, at every step and on the whole."""
    curves = {"aihwkit": [], "jaxtile": []}
    for seed in range(SEEDS):
        chip = from_analog_tile(analog_tile(OUT, WIDTH, ConstantStepDevice(dw_min=0.005)))
        for engine, config in (("aihwkit", None), ("jaxtile", RPUConfigWithProgram(device=ConstantStepDevice(dw_min=0.005)))):
            tile = to_analog_tile(chip, config)
            tile.tile.set_weights(target(seed, rank=8))
            curves[engine].append(RUNS[run](tile))
    ours, theirs = (np.log(np.array(curves[engine])) for engine in ("jaxtile", "aihwkit"))
    assert ours.shape == theirs.shape == (SEEDS, STEPS + 1)
    difference = ours - theirs  # of the same chip and target
    z = difference[:, 1:].mean(axis=0) / (difference[:, 1:].std(axis=0, ddof=1) / np.sqrt(SEEDS))
    assert np.median(np.abs(z)) < 3
    assert np.max(np.abs(z)) < 6.5  # Student's t of nine degrees: 1e-4 a step
    assert np.mean(ours[:, -1]) < np.mean(ours[:, 0]) - 0.5  # there was something to program


EVERY_METHOD = {
    "gdp": jt.GDP(),
    "gdp, hadamard": jt.GDP(inputs="hadamard", learning_rate=1 / 64),
    "gdp, gaussian": jt.GDP(inputs=jt.programming.Gaussian(n=16), learning_rate=1 / 64, batch_size=8, reads=2),
    "svd, three triplets": jt.SVD(triplets=3),
    "svd, once": jt.SVD(refresh=False),
    "svd through reads": jt.PowerSVD(block=2, reads=2),
    "least risk": jt.RiskSVD(),
    "verify": jt.ProgramVerify(),
    "verify, rows": jt.ProgramVerify(lines="rows", batch_size=4),
    "verify, cells by hadamard": jt.ProgramVerify(lines="cells", read_out="hadamard"),
    "verify, open loop": jt.ProgramVerify(closed_loop=False),
    "chain": jt.chain(jt.Stage(jt.RiskSVD(), until=jt.After(2)), jt.ProgramVerify()),
}


@pytest.mark.parametrize("engine", ["aihwkit", "jaxtile"])
@pytest.mark.parametrize("name", mostly_slow(EVERY_METHOD, "verify, rows"))
def test_every_method_programs_a_foreign_tile(name, engine):
    """Without chance, what it does to a tile of either engine is what `jaxtile.program` does."""
    method, steps = EVERY_METHOD[name], 4
    tile = ideal_tile(engine)
    tile.tile.set_weights(target())
    done = program_weights_by(method)(tile, tolerance=None, max_iter=steps)
    perfect = jt.IOParameters(is_perfect=True)
    chip = jt.init(jt.TileConfig(jt.device.Ideal(), forward=perfect, backward=perfect), (OUT, WIDTH), key=jax.random.key(0))
    options = {"max_steps": steps, "tolerance": 0.0, "record": ("spectral_error",)}
    solution = jt.program(chip, jnp.asarray(target().numpy()), method, key=jax.random.key(0), **options)
    made = int(solution.stats["steps"])
    assert len(done.read_error) == made + 1
    # Of what has been corrected exactly, power iteration reads directions that rounding chooses.
    np.testing.assert_allclose(done.spectral_error, solution.history["spectral_error"][: made + 1], rtol=5e-3, atol=1e-5)
    torch.testing.assert_close(tile.tile.get_weights(), torch.tensor(np.asarray(solution.weight)), atol=3e-5, rtol=0)
    assert tile.get_learning_rate() == pytest.approx(0.1)


MODELS = {
    "ratio": jt.half_select.ConstantRatio(kappa=20.0, kappa_dtod=0.3),
    "sinh": jt.half_select.Sinh(),
    "threshold": jt.half_select.Threshold(),
    "stochastic": jt.half_select.Stochastic(kappa=20.0),
    "accumulation": jt.half_select.Accumulation(),
}


@pytest.mark.parametrize("name", mostly_slow(MODELS, "ratio", "accumulation"))
def test_every_disturb_model_disturbs_a_bridge_tile(name):
    """The cells end where `jaxtile.update` takes the same chip with the same key, and elsewhere than undisturbed."""
    tile = RealisticTile(OUT, WIDTH, RPUConfigWithProgram(device=ConstantStepDevice(dw_min_std=0.0), half_select=MODELS[name]))
    chip, vectors = tile.tile.jax_tile, (torch.linspace(-1, 1, WIDTH), torch.linspace(0.7, -1, OUT))
    tile.tile._draw, tile.tile._learning_rate = lambda: jax.random.key(7), 0.1
    tile.tile.update(*(one[None] for one in vectors))
    x, d = (jnp.asarray(one.numpy()) for one in vectors)
    disturbed = jt.update(chip, x, d, learning_rate=0.1, key=jax.random.key(7))
    np.testing.assert_allclose(tile.tile.get_weights().numpy(), disturbed.weight, rtol=0, atol=1e-6)
    config = dataclasses.replace(chip.config, half_select=None)
    alone = jt.Tile(config, dataclasses.replace(chip.chip, half_cells=None), chip.now.replace(half_memory=None))
    assert not np.allclose(disturbed.weight, jt.update(alone, x, d, learning_rate=0.1, key=jax.random.key(7)).weight, atol=1e-6)


def cells_tile(engine, policy=VectorUnitCellUpdatePolicy.SINGLE_FIXED):
    """Cells of a coarse and a fine device, a twentieth of the weight, without spread."""
    device = ConstantStepDevice(dw_min=0.02, dw_min_dtod=0.0, dw_min_std=0.0, up_down_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0)
    cell, perfect = (
        VectorUnitCell([device, device], update_policy=policy, gamma_vec=[1.0, 0.05]),
        {"forward": PERFECT, "backward": PERFECT},
    )
    if engine == "aihwkit":
        return AnalogTile(OUT, WIDTH, UnitCellRPUConfig(device=cell, **perfect), bias=False)
    return RealisticTile(OUT, WIDTH, RPUConfigWithProgram(device=cell, **perfect))


@pytest.mark.parametrize("engine", ["aihwkit", "jaxtile"])
def test_the_devices_of_a_cell_are_programmed_one_after_another(engine):
    """Each by what the ones before it left, as `jaxtile.program` does it; then the lines are connected as they were."""
    tile, coarse = cells_tile(engine), jt.device.ConstantStep(dw_min=0.02)
    tile.tile.set_weights(target())
    chip = jt.set_weights(from_analog_tile(tile), jnp.zeros((OUT, WIDTH)))
    method = jt.residual(jt.ProgramVerify(model=coarse), (1.0, 0.05), until=jt.After(10))
    done = program_weights_by(method)(tile, tolerance=None, max_iter=20)
    wanted = jnp.asarray(target().numpy())
    options = {"max_steps": 20, "tolerance": 0.0, "record": ("spectral_error",)}
    solution = jt.program(chip, wanted, method, key=jax.random.key(0), **options)
    made = int(solution.stats["steps"])
    assert len(done.spectral_error) == made + 1
    assert done.spectral_error[-1] < 0.1 * done.spectral_error[10]
    np.testing.assert_allclose(done.spectral_error, solution.history["spectral_error"][: made + 1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(tile.tile.get_weights(), torch.tensor(np.asarray(solution.weight)), atol=3e-5, rtol=0)
    assert tile.tile.get_hidden_update_index() == 0


@pytest.mark.parametrize("engine", ["aihwkit", "jaxtile"])
def test_a_connection_that_cannot_be_made_is_named(engine):
    start = torch.full((OUT, WIDTH), 0.1)
    for tile, named in (
        (ideal_tile(engine), "Stage.connect=2: .* no connection to choose"),
        (cells_tile(engine, VectorUnitCellUpdatePolicy.ALL), "Stage.connect=2: .* no connection to choose"),
        (cells_tile(engine), "Stage.connect=2: the unit cell has 2 devices"),
    ):
        tile.tile.set_weights(start)
        held = tile.tile.get_weights()
        with pytest.raises(ValueError, match=named):
            program_weights_by(jt.chain(jt.Stage(jt.SVD(), connect=2)))(tile)
        torch.testing.assert_close(tile.tile.get_weights(), held)


def test_the_bridges_loop_takes_the_steps_of_jaxtiles():
    """On a tile without chance, stepping a method from outside is `jaxtile.program`."""
    tile = ideal_tile("jaxtile")
    tile.tile.set_weights(target())
    chip = jt.set_weights(tile.tile.jax_tile, jnp.zeros((OUT, WIDTH)))
    done = program_weights_svd(tile, tolerance=None, max_iter=6, w_init=0.0)
    options = {"max_steps": 6, "tolerance": 0.0, "record": ("read_error", "spectral_error")}
    solution = jt.program(chip, jnp.asarray(target().numpy()), jt.SVD(), key=jax.random.key(0), **options)
    np.testing.assert_allclose(done.read_error[:5], solution.history["read_error"][:5], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(done.spectral_error[:5], solution.history["spectral_error"][:5], rtol=2e-3, atol=1e-5)

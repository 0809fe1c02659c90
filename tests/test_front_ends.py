"""Python, the command line, a study and the bridge: the same methods, whichever of them runs one.

Each default is compared with the numbers of the hardware, written out: 12 x 16, soft bounds
with a step of 0.03, 40 pulse steps.
"""

import functools

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_runs_agree, mostly_slow

import jaxtile as jt
from jaxtile.cli import main
from jaxtile.cli.program import METHODS

SHAPE, STEPS, CHIPS = (12, 16), 40, 10
DEVICE = jt.device.SoftBounds(dw_min=0.03)
CONFIG = jt.TileConfig(device=DEVICE)
WRITTEN_OUT = {
    "gdp": jt.GDP(learning_rate=1.0, batch_size=None, inputs="eye"),
    "risk-svd": jt.RiskSVD(dw_min=0.03, dw_min_std=0.3),
    "program-verify": jt.ProgramVerify(model=DEVICE),
}
DEFAULTS = {"gdp": jt.GDP(), "risk-svd": jt.RiskSVD(), "program-verify": jt.ProgramVerify()}
TARGET = jt.targets.low_rank(SHAPE, 3, spectral_norm=1.0, key=jr.key(1))


def errors(method):
    """Error of each chip."""
    run = jt.Programming(method, max_steps=STEPS, tolerance=0.0, record=())
    return jt.sweep(run, CONFIG, TARGET, key=jr.key(0), chips=CHIPS).frobenius_error.sel(seed=0).values


@functools.cache
def written_out(name):
    return errors(WRITTEN_OUT[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_python(name):
    assert_runs_agree(errors(DEFAULTS[name]), written_out(name))


@pytest.mark.parametrize("name", mostly_slow(WRITTEN_OUT, "risk-svd"))
def test_a_study(name, tmp_path):
    """It sweeps over the very method of Python, so this run is one of Python, too."""
    assert eqx.tree_equal(METHODS[name](), DEFAULTS[name])
    np.save(tmp_path / "target.npy", TARGET)
    study = f"""
        chips = {CHIPS}
        steps = {STEPS}
        tolerance = 0.0
        target = {{ file = "target.npy" }}
        device = {{ kind = "soft-bounds", dw_min = 0.03 }}
        [method.{name}]
    """
    (tmp_path / "study.toml").write_text(study)
    assert main(["sweep", str(tmp_path / "study.toml")]) == 0
    data = jt.sweep.load(tmp_path / "study.zarr")
    assert_runs_agree(data.frobenius_error.values.ravel(), written_out(name))


@pytest.mark.parametrize("name", mostly_slow(WRITTEN_OUT, "gdp"))
def test_the_command_line(name, tmp_path, monkeypatch):
    """One chip: the run of Python with the same keys, within what a flipped pulse does."""
    monkeypatch.chdir(tmp_path)
    np.save("target.npy", TARGET)
    options = ["--device", "soft-bounds", "--set", "dw_min=0.03", "--steps", str(STEPS), "--tolerance", "0", "--out", "r.npz"]
    assert main(["program", "--target", "target.npy", "--method", name, *options]) == 0
    _, tile_key, run_key = jr.split(jr.key(0), 3)
    tile = jt.init(CONFIG, SHAPE, key=tile_key)
    solution = jt.program(tile, TARGET, WRITTEN_OUT[name], key=run_key, max_steps=STEPS, tolerance=0)
    with np.load("r.npz") as saved:
        shown = saved[f"{name}/history/frobenius_error"]
    assert shown[0] == pytest.approx(float(jnp.linalg.norm(TARGET)), rel=1e-5), "from weights of zero"
    np.testing.assert_allclose(shown, solution.history["frobenius_error"], rtol=0.05)


def test_the_bridge():
    """One chip and one seed: the same bits, since it is the same loop."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("aihwkit")
    import bridge

    def ended(program_weights):
        torch.manual_seed(0)
        config = bridge.RPUConfigWithProgram(device=bridge.OwnDevice(DEVICE), program_weights=program_weights)
        module = bridge.RealisticTile(*SHAPE, config)
        module.tile.set_weights(torch.tensor(np.asarray(TARGET)))
        return module.program_weights(w_init=0.0, max_iter=2, tolerance=None).read_error

    by_method = {name: ended(bridge.program_weights_by(method)) for name, method in WRITTEN_OUT.items()}
    for name, method in DEFAULTS.items():
        assert ended(bridge.program_weights_by(method)) == by_method[name]
    assert ended(bridge.program_weights_gdp) == by_method["gdp"]
    assert ended(bridge.program_weights_svd) == ended(bridge.program_weights_by(jt.SVD()))
    assert ended(bridge.program_weights_by(jt.RiskSVD(dw_min=0.001))) != by_method["risk-svd"]


OTHERS = {"gdp": jt.GDP(batch_size=5), "risk-svd": jt.RiskSVD(dw_min=0.001, dw_min_std=0.3)}


@pytest.mark.parametrize("name", mostly_slow(OTHERS, "risk-svd"))
def test_other_numbers_end_elsewhere(name):
    """The comparisons above would see a front end that completes defaults in its own way."""
    with pytest.raises(AssertionError, match="differ"):
        assert_runs_agree(errors(OTHERS[name]), written_out(name))

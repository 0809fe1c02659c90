"""Every method on every preset, and on every algorithm of several arrays: it runs, and its numbers are those of its weights."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow

import jaxtile as jt
from jaxtile.programming import Gaussian

KEY, SHAPE = jr.key(0), (4, 6)
TARGET = jnp.asarray(np.random.default_rng(0).uniform(-0.4, 0.4, SHAPE), float)
DEVICES = ("idealized", "gokmen_vlasov", "capacitor", "ecram", "ecram_mo", "pcm", "pcm_unit_cell")
DEVICES += ("reram_es", "reram_sb", "reram_array_om", "reram_array_hfo2")
ALGORITHMS = ("ttv1", "ttv2", "c-ttv2", "agad", "mp")
HARDWARE = {name: lambda name=name: jt.presets.config(getattr(jt.presets, name)()) for name in DEVICES}
HARDWARE |= {name: lambda name=name: jt.learning.build(name, jt.presets.reram_sb()) for name in ALGORITHMS}
METHODS = {
    "gdp": jt.GDP(),
    "gdp of batches": jt.GDP(inputs=Gaussian(n=8), batch_size=4),
    "svd": jt.SVD(),
    "svd, exact": jt.SVD(solver="exact"),
    "power": jt.PowerSVD(),
    "risk": jt.RiskSVD(),
    "verify": jt.ProgramVerify(),
    "verify, cell by cell": jt.ProgramVerify(lines="cells", read_out="hadamard"),
}
CASES = [(hardware, method) for hardware in HARDWARE for method in METHODS]


@pytest.mark.filterwarnings("ignore::UserWarning")  # targets that a preset cannot reach
@pytest.mark.parametrize(("hardware", "method"), mostly_slow(CASES, ("pcm_unit_cell", "verify")))
def test_every_method_runs_on_every_preset(hardware, method):
    tile = jt.init(HARDWARE[hardware](), SHAPE, key=KEY)
    run = jt.program(tile, TARGET, METHODS[method], key=KEY, max_steps=3, tolerance=0, record=("frobenius_error",))
    error = run.history["frobenius_error"]
    np.testing.assert_allclose(error[0], np.linalg.norm(tile.weight - TARGET), rtol=1e-5)
    np.testing.assert_allclose(error[int(run.stats["steps"])], np.linalg.norm(run.weight - TARGET), rtol=1e-5)
    assert np.isfinite(run.weight).all()
    settled = run.tile.device.settle(run.tile.cells, run.tile.state)
    np.testing.assert_allclose(run.tile.device.held(settled), run.tile.device.held(run.tile.state), rtol=1e-5, atol=1e-6)
    assert float(run.stats["full_pulses"]) >= 0

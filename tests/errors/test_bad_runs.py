"""Runs and sweeps that cannot be begun are refused by an error that says what to do."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusals import KEY, TARGET, TILE, TILES, assert_refused, ratio

import jaxtile as jt

WITH_NAN = TARGET.at[0, 0].set(jnp.nan)


def program(target=TARGET, method=None, tile=TILE, key=KEY, max_steps=2, **options):
    return jt.program(tile, target, jt.SVD() if method is None else method, key=key, max_steps=max_steps, **options)


def sweep(**options):
    return jt.sweep(jt.Programming(jt.SVD()), jt.TileConfig(), TARGET, key=KEY, **options)


CASES = {
    "digits of more than 32 bits": (lambda: jt.ProgramVerify(digits=31), ValueError, ["ProgramVerify.digits=31", "at most 30"]),
    "steps beyond 32 bits": (lambda: program(max_steps=2**31), ValueError, ["max_steps=2147483648", "below 2**31"]),
    "sweep over text": (
        lambda: sweep(over={"device.dw_min": "0.001"}),
        TypeError,
        ["over['device.dw_min']='0.001'", "[0.001, 0.01]"],
    ),
    "sweep over switches": (lambda: sweep(over={"device.dw_min": [True]}), TypeError, ["over['device.dw_min']=[True]"]),
    "sweep beyond all floats": (lambda: sweep(over={"device.dw_min": [10**400]}), TypeError, ["over['device.dw_min']=[1000"]),
    "sweep over what is not there": (
        lambda: sweep(over={"half_select.kappa": [10.0]}),
        *(ValueError, ["'half_select.kappa'", "half_select is None: configure it"]),
    ),
    "sweep of too many chips": (lambda: sweep(chips=2**31 - 1, seeds=2), ValueError, ["points; a sweep takes at most 2147483647"]),
    "many tiles to program": (lambda: program(tile=TILES), ValueError, ["tile=Tile(2 x 3 x 4", "jax.vmap"]),
    "target of other shape": (lambda: program(jnp.ones((2, 2))), ValueError, ["target has shape (2, 2)", "(3, 4)"]),
    "target nan, known under jit": (
        lambda: jax.jit(lambda kappa: program(WITH_NAN))(1.0),
        ValueError,
        ["target", "1 of 12", "finite"],
    ),
    "target complex": (lambda: program(TARGET + 1j), TypeError, ["target=", "real numbers", "complex"]),
    "target none": (lambda: program(None), TypeError, ["target=None", "real numbers"]),
    "target nan": (lambda: program(WITH_NAN), ValueError, ["target", "1 of 12", "finite"]),
    "target infinite": (lambda: program(TARGET.at[:, 0].set(jnp.inf)), ValueError, ["target", "3 of 12", "finite"]),
    "target empty": (lambda: program(jnp.ones((0, 4))), ValueError, ["target has shape (0, 4)", "(3, 4)"]),
    "no steps": (lambda: program(max_steps=0), ValueError, ["max_steps=0", "at least 1"]),
    "negative steps": (lambda: program(max_steps=-5), ValueError, ["max_steps=-5", "at least 1"]),
    "tolerance negative": (lambda: program(tolerance=-0.1), ValueError, ["tolerance=-0.1", "at least 0"]),
    "method by name": (lambda: program(method="svd"), TypeError, ["method='svd'", "jaxtile.SVD()"]),
    "compensation by name": (lambda: program(compensation="gain"), TypeError, ["compensation='gain'", "Gain()"]),
    "record one name": (lambda: program(record="read_error"), TypeError, ["record='read_error'", "tuple"]),
    "record of a sweep one name": (lambda: jt.Programming(jt.SVD(), record="reads"), TypeError, ["Programming.record='reads'"]),
    "record of a sweep unknown": (lambda: jt.Programming(jt.SVD(), record=["error"]), ValueError, ["Programming.record", "error"]),
    "record a number": (lambda: program(record=(3,)), ValueError, ["record names [3]", "read_error"]),
    "record unknown": (lambda: program(record=("error",)), ValueError, ["error", "read_error"]),
    "batch too large": (lambda: program(method=jt.GDP(batch_size=5)), ValueError, ["batch_size=5", "at most 4"]),
    "batch zero": (lambda: jt.GDP(batch_size=0), ValueError, ["GDP.batch_size=0", "at least 1"]),
    "inputs unknown": (lambda: jt.GDP(inputs="gauss"), ValueError, ["inputs='gauss'", "'eye', 'hadamard', 'gaussian'"]),
    "reads zero": (lambda: jt.GDP(reads=0), ValueError, ["GDP.reads=0", "at least 1"]),
    "schedule a number": (lambda: jt.GDP(schedule=0.1), TypeError, ["GDP.schedule=0.1", "optax"]),
    "no random inputs": (lambda: jt.programming.Gaussian(n=0), ValueError, ["Gaussian.n=0", "at least 1"]),
    "more triplets than vectors": (lambda: jt.PowerSVD(triplets=9), ValueError, ["PowerSVD.triplets=9", "block=8"]),
    "triplets no number": (lambda: jt.PowerSVD(triplets="a"), ValueError, ["PowerSVD.triplets='a'", "whole number"]),
    "read noise negative": (lambda: jt.PowerSVD(read_noise=-1), ValueError, ["PowerSVD.read_noise=-1", "at least 0"]),
    "caution negative": (lambda: jt.RiskSVD(caution=-1), ValueError, ["RiskSVD.caution=-1", "at least 0"]),
    "all are outliers": (lambda: jt.RiskSVD(outlier=0), ValueError, ["RiskSVD.outlier=0", "above 0"]),
    "model a name": (lambda: jt.ProgramVerify(model="soft"), TypeError, ["ProgramVerify.model='soft'", "SoftBounds()"]),
    "lines unknown": (lambda: jt.ProgramVerify(lines="row"), ValueError, ["lines='row'", "'columns', 'rows', 'cells'"]),
    "batch of no lines": (lambda: jt.ProgramVerify(batch_size=0), ValueError, ["ProgramVerify.batch_size=0", "at least 1"]),
    "more lines than rows": (
        lambda: program(method=jt.ProgramVerify(lines="rows", batch_size=4)),
        ValueError,
        ["ProgramVerify.batch_size=4", "at most 3"],
    ),
    "empty chain": (lambda: jt.chain(), ValueError, ["chain()", "at least one method"]),
    "chain of names": (lambda: jt.chain("svd"), TypeError, ["Stage.method='svd'", "jaxtile.SVD()"]),
    "until a number": (lambda: jt.Stage(jt.SVD(), until=40), TypeError, ["Stage.until=40", "After(40)"]),
    "when a switch": (lambda: jt.Stage(jt.SVD(), when=True), TypeError, ["Stage.when=True", "OneHotPays"]),
    "residual by name": (lambda: jt.residual("svd", [1.0], until=jt.After(1)), TypeError, ["method='svd'", "SVD()"]),
    "gamma zero": (lambda: jt.residual(jt.SVD(), [1.0, 0.0], until=jt.After(1)), ValueError, ["gammas=0", "above 0"]),
    "connect negative": (lambda: jt.Stage(jt.SVD(), connect=-1), ValueError, ["Stage.connect=-1", "from 0"]),
    "connect without a choice": (
        lambda: program(method=jt.chain(jt.Stage(jt.SVD(), connect=1))),
        TypeError,
        ["connection to choose", "VectorCell"],
    ),
    "plateau in no steps": (lambda: jt.Plateau(steps=0), ValueError, ["Plateau.steps=0", "at least 1"]),
    "after negative steps": (lambda: jt.After(-1), ValueError, ["After.steps=-1", "at least 0"]),
    "kappa of a gate below one": (lambda: jt.OneHotPays(kappa=0.5), ValueError, ["OneHotPays.kappa=0.5", "at least 1"]),
    "inputs of other width": (
        lambda: program(method=jt.GDP(inputs=jnp.ones((2, 3)))),
        ValueError,
        ["inputs has shape (2, 3)", "4"],
    ),
    "inputs nan": (lambda: jt.GDP(inputs=jnp.full((2, 4), jnp.nan)), ValueError, ["inputs", "finite"]),
    "solver unknown": (lambda: jt.SVD(solver="lanczos"), ValueError, ["solver='lanczos'", "'power', 'exact'"]),
    "rank_atol negative": (lambda: jt.SVD(rank_atol=-1), ValueError, ["rank_atol=-1", "at least 0"]),
    "gain of active phases": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=ratio(phases="active")), (3, 4), key=KEY), compensation=jt.compensation.Gain()
        ),
        ValueError,
        ["Gain()", "phases='all'"],
    ),
    "gain that is not there": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=ratio(kappa=2.0)), (3, 4), key=KEY), compensation=jt.compensation.Gain()
        ),
        ValueError,
        ["Gain()", "kappa=2", "above 0"],
    ),
    "gain of a model without one": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=jt.half_select.Threshold()), (3, 4), key=KEY),
            compensation=jt.compensation.Gain(),
        ),
        ValueError,
        ["Gain()", "Threshold()", "the same for all"],
    ),
    "gain of other steps up than down": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=ratio(up=2.0)), (3, 4), key=KEY), compensation=jt.compensation.Gain()
        ),
        ValueError,
        ["Gain()", "up=2", "the same for all"],
    ),
}


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    assert_refused(*CASES[name])


def test_targets_out_of_range_warn_and_are_counted():
    """Half of the target lies beyond the nominal range; `unreachable` counts each device's own bounds."""
    target = TARGET.at[:, :2].set(0.9)
    with pytest.warns(UserWarning, match=r"50.00% of target .* \[-0.6, 0.6\]"):
        run = program(target)
    own = np.mean((target > TILE.cells.w_max) | (target < TILE.cells.w_min))
    assert float(run.stats["unreachable"]) == pytest.approx(own)
    assert own > 0


def test_ideal_devices_reach_everything():
    tile = jt.init(jt.TileConfig(device=jt.device.Ideal()), (3, 4), key=KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(program(100 * TARGET, tile=tile).stats["unreachable"]) == 0

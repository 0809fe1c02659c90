"""The methods of the bridge, by their arguments, on a tile of either engine."""

import logging

import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, IdealDevice
from aihwkit.simulator.tiles.analog import AnalogTile
from ideal import OUT, PERFECT, WIDTH, ideal_tile, target

import jaxtile as jt
from bridge import RealisticTile, RPUConfigWithProgram, program_weights_gdp, program_weights_gdp2, program_weights_svd

METHODS = {"gdp": program_weights_gdp, "gdp2": program_weights_gdp2, "svd": program_weights_svd}


def attach(tile, method):
    tile.program_weights = method.__get__(tile)
    return tile


@pytest.mark.parametrize("engine", ["aihwkit", "jaxtile"])
@pytest.mark.parametrize("method", METHODS)
def test_ideal_devices_are_programmed(method, engine):
    tile = attach(ideal_tile(engine), METHODS[method])
    tile.set_learning_rate(0.37)
    tile.tile.set_weights(target())
    done = tile.program_weights(tolerance=1e-5)
    torch.testing.assert_close(tile.tile.get_weights(), target(), atol=2e-5, rtol=0)
    assert done.result == jt.RESULTS.converged
    assert len(done.spectral_error) == len(done.read_error) == {"gdp": 2, "gdp2": 8, "svd": 5}[method]
    assert tile.get_learning_rate() == pytest.approx(0.37)


@pytest.mark.parametrize("engine", ["aihwkit", "jaxtile"])
def test_arguments_keep_their_meaning(engine):
    tile, wanted = ideal_tile(engine), target()
    start = torch.full((OUT, WIDTH), 0.1)

    def run(method, **arguments):
        tile.set_weights(wanted)
        return method(tile, **arguments)

    # A fraction of the error per step, from the given start, over the given inputs.
    done = run(program_weights_gdp, learning_rate=0.1, max_iter=5, tolerance=None, w_init=start)
    torch.testing.assert_close(tile.tile.get_weights(), wanted + 0.9**5 * (start - wanted), atol=1e-5, rtol=0)
    assert len(done.read_error) == 6
    assert done.result == jt.RESULTS.max_steps_reached
    x, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH))
    run(program_weights_gdp, x_values=x, learning_rate=0.5, tolerance=1e-3)
    torch.testing.assert_close(tile.tile.get_weights(), wanted, atol=5e-3, rtol=0)
    # The reference is what was set, once more and in spite of what was programmed; otherwise it is what the tile holds.
    tile.tile.set_weights(torch.zeros(OUT, WIDTH))
    program_weights_gdp(tile)
    torch.testing.assert_close(tile.tile.get_weights(), wanted, atol=1e-2, rtol=0)
    tile.tile.set_weights(start)
    program_weights_gdp(tile, from_reference=False)
    torch.testing.assert_close(tile.tile.get_weights(), start, atol=1e-3, rtol=0)
    # Relative to the largest output for GDP, the largest singular value itself for SVD.
    error = run(program_weights_svd, tolerance=0.2).spectral_error
    assert error[-1] < 0.2 <= error[-2]
    # Components up to rank_atol are left out of a decomposition that is walked.
    sizes = torch.linalg.svdvals(wanted)
    done = run(program_weights_svd, svd_once=True, tolerance=None, rank_atol=float(sizes[1:3].mean()))
    assert done.result == jt.RESULTS.stalled
    assert len(done.spectral_error) == 3
    assert done.spectral_error[-1] == pytest.approx(float(sizes[2]), rel=1e-3)
    assert run(program_weights_svd, svd_once=True, rank_atol=None).spectral_error[-1] < 1e-2


def test_batches_go_around_and_the_notebooks_window_grows():
    tile, columns = ideal_tile("jaxtile"), []
    update = tile.tile.update
    tile.tile.update = lambda x, d, bias: columns.append(x.argmax(dim=1).tolist()) or update(x, d, bias)

    def batches(**arguments):
        columns.clear()
        tile.tile.set_weights(target())
        program_weights_gdp2(tile, batch_size=8, max_iter=5, tolerance=None, **arguments)
        return list(columns)

    assert batches() == [[*range(8)], [*range(8, 16)], [*range(16, 20), *range(4)], [*range(4, 12)], [*range(12, 20)]]
    expected = [[*range(8)], [*range(8, 16)], [*range(16, 20), *range(4)], [*range(12)], [*range(20)]]
    assert batches(legacy_wrap=True) == expected


def test_one_good_batch_does_not_stop_a_run_unless_asked_to():
    """The first columns are right from the start, the last ones are not."""
    wanted, tile = target(), ideal_tile("jaxtile")
    start = wanted.clone()
    start[:, 10:] = 0
    tile.tile.set_weights(wanted)
    assert len(program_weights_gdp2(tile, w_init=start).read_error) > 4
    torch.testing.assert_close(tile.tile.get_weights(), wanted, atol=1e-3, rtol=0)
    assert len(program_weights_gdp2(tile, w_init=start, legacy_wrap=True).read_error) == 1


def test_the_notebooks_error_of_a_batch_is_relative_to_all_weights():
    """The first batch wants a hundredth of what the last one does, and is off by a tenth of that."""
    tile = ideal_tile("jaxtile")
    wanted = torch.full((OUT, WIDTH), 0.3)
    wanted[:, :5] = 0.003
    for legacy, steps in ((False, 5), (True, 1)):
        tile.tile.set_weights(wanted)
        start = wanted.clone()
        start[:, :5] *= 1.1
        done = program_weights_gdp2(tile, w_init=start, tolerance=0.01, legacy_wrap=legacy)
        assert done.result == jt.RESULTS.converged
        assert len(done.read_error) == steps


@pytest.mark.parametrize("method", METHODS)
def test_a_tile_is_programmed_again_to_what_it_holds_or_to_what_was_set(method):
    wanted, held = target(0), target(1)
    for from_reference, expected in ((True, wanted), (False, held)):
        tile = ideal_tile("jaxtile")
        tile.set_weights(wanted)
        METHODS[method](tile, max_iter=0)
        tile.tile.set_weights(held)
        METHODS[method](tile, tolerance=1e-5, from_reference=from_reference)
        torch.testing.assert_close(tile.tile.get_weights(), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_diverging_run_ends_as_such(method):
    tile = ideal_tile("jaxtile")
    tile.set_weights(target())
    assert METHODS[method](tile, w_init=torch.full((OUT, WIDTH), torch.nan)).result == jt.RESULTS.nonfinite


def test_a_narrow_tile_has_smaller_batches():
    tile = RealisticTile(3, 2, RPUConfigWithProgram(device=IdealDevice(), forward=PERFECT))
    tile.set_weights(torch.full((3, 2), 0.1))
    assert program_weights_gdp2(tile).result == jt.RESULTS.converged


@pytest.mark.parametrize(
    ("method", "arguments", "named"),
    [
        (program_weights_gdp, {"max_iter": 1.5}, "max_iter=1.5"),
        (program_weights_svd, {"tolerance": -1}, "tolerance=-1"),
        (program_weights_gdp2, {"batch_size": 0, "legacy_wrap": True}, "batch_size=0"),
    ],
)
def test_wrong_arguments_are_named(method, arguments, named):
    with pytest.raises(ValueError, match=named):
        method(ideal_tile("jaxtile"), **arguments)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_to_program(method):
    """A target of zeros, which makes aihwkit's own method divide by zero."""
    tile = ideal_tile("jaxtile")
    tile.set_weights(torch.zeros(OUT, WIDTH))
    assert METHODS[method](tile).result == jt.RESULTS.converged
    assert tile.tile.get_weights().abs().max() < 1e-2


def test_an_error_leaves_the_learning_rate():
    tile = ideal_tile("jaxtile")
    tile.set_learning_rate(0.2)
    with pytest.raises(ValueError, match="inputs"):
        program_weights_gdp(tile, x_values=torch.eye(WIDTH + 1))
    tile.set_weights(target())
    tile.tile.update = lambda *args: 1 / 0
    with pytest.raises(ZeroDivisionError):
        program_weights_gdp(tile)
    assert tile.get_learning_rate() == pytest.approx(0.2)


def test_the_error_is_logged(caplog):
    tile = ideal_tile("jaxtile")
    tile.set_weights(target())
    with caplog.at_level(logging.DEBUG, "bridge"):
        done = tile.program_weights()
    assert caplog.messages == [f"Error: {error:g}" for error in done.spectral_error]


def test_realistic_weights_are_programmed():
    """`set_weights(realistic=True)` runs the method of the configuration."""
    tile = RealisticTile(OUT, WIDTH, RPUConfigWithProgram(device=IdealDevice(), program_weights=program_weights_svd))
    tile.set_weights(target(), realistic=True)
    weight, _ = tile.get_weights()
    assert 0 < (weight - target()).abs().max() < 1e-2
    read, _ = tile.read_weights(over_sampling=20)
    assert 0 < (read - target()).abs().mean() < 0.02


ALIKE = ConstantStepDevice(w_max_dtod=0.0, w_min_dtod=0.0)
ENGINES = {
    "bridge": lambda: RealisticTile(3, 4, RPUConfigWithProgram(device=ALIKE)),
    "aihwkit": lambda: AnalogTile(3, 4, SingleRPUConfig(device=ALIKE), False),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_and_inputs_of_any_kind_are_taken(engine):
    """Where no step is made, the weights are those that were put in."""
    module, start = ENGINES[engine](), np.arange(12.0).reshape(3, 4) / 100
    wanted = torch.tensor(start, dtype=torch.float32)
    for w_init in (start, torch.tensor(start, requires_grad=True), torch.tensor(start.T.copy()).T, wanted.numpy().astype(">f4")):
        program_weights_gdp(module, w_init=w_init, x_values=np.eye(4, dtype=int), max_iter=0)
        torch.testing.assert_close(module.tile.get_weights(), wanted)
    program_weights_gdp(module, w_init=torch.tensor(0), max_iter=0)
    assert torch.count_nonzero(module.tile.get_weights()) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"w_init": np.zeros((4, 3))}, r"w_init has shape \(4, 3\)"),
        ({"w_init": float("nan")}, "w_init=nan is no range"),
        ({"w_init": "small"}, "w_init has entries of type <U5"),
        ({"x_values": 1j * np.eye(4)}, "x_values has entries of type complex128"),
        ({"x_values": torch.eye(3)}, r"inputs has shape \(3, 3\)"),
        ({"tolerance": "low"}, "tolerance has entries of type <U3"),
    ],
)
def test_a_refused_run_changes_nothing(arguments, said):
    module = ENGINES["bridge"]()
    module.tile.set_weights(torch.full((3, 4), 0.1))
    before = module.tile.get_weights()
    with pytest.raises((TypeError, ValueError), match=said):
        program_weights_gdp(module, **arguments)
    assert torch.equal(module.tile.get_weights(), before)
    assert module.reference_combined_weights is None

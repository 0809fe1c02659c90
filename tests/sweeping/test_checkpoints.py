"""Runs that take long keep checkpoints: what was killed within a block goes on, and ends with the same bits."""

import multiprocessing
import os
import pathlib
import signal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from sweeps import CONFIG, KEY, TARGET, same

import jaxtile as jt

STAGES = 4


class Pace(eqx.Module):
    rate: float = 0.5


def walk(config, key, checkpoint=None):
    """A sum of draws, kept after each; the process is killed once, in the middle of the second point."""
    first, total = 0, jnp.zeros(3)
    if checkpoint is not None and checkpoint.exists():
        kept = np.load(checkpoint)
        first, total = int(kept[0]), jnp.asarray(kept[1:])
    for stage in range(first, STAGES):
        total = total + config.rate * jr.normal(jr.fold_in(key, stage), (3,))
        if checkpoint is not None:
            _keep(checkpoint, stage, total)
    return {"total": total}


def _keep(checkpoint, stage, total):
    part = checkpoint.with_name("part")
    with part.open("wb") as file:
        np.save(file, np.asarray([stage + 1, *total]))
    part.replace(checkpoint)
    log = pathlib.Path(os.environ["JAXTILE_TEST_LOG"])
    with log.open("a") as file:
        print(stage, file=file)
    if multiprocessing.parent_process() is not None and len(log.read_text().split()) == STAGES + 2:
        os.kill(os.getpid(), signal.SIGKILL)


def sweep_into(path, log, chips=3):
    os.environ["JAXTILE_TEST_LOG"] = str(log)  # here: a server of forks that another test started has its own environment
    return jt.sweep(walk, Pace(), key=KEY, over={"rate": [0.5, 1.0]}, chips=chips, store=path)


def test_a_point_that_is_killed_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    store, log = tmp_path / "s.zarr", tmp_path / "log"
    monkeypatch.setenv("JAXTILE_TEST_LOG", str(log))  # to be unset again
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["jaxtile", "xarray", "zarr"])
    process = processes.Process(target=sweep_into, args=(store, log, 2))
    process.start()
    process.join(timeout=300)
    assert process.exitcode == -signal.SIGKILL
    assert jt.sweep.load(store).attrs["missing_blocks"] == 3  # of four: the first has landed
    assert len(list(store.rglob("running*/*/*"))) == 1
    data = sweep_into(store, log)  # and grows meanwhile
    stages = list(range(STAGES))
    assert list(map(int, log.read_text().split())) == 6 * stages  # none was run twice
    assert not list(store.rglob("running*"))
    same(data, jt.sweep(walk, Pace(), key=KEY, over={"rate": [0.5, 1.0]}, chips=3))
    assert data.sizes["chip"] == 3


def test_a_function_with_a_target_and_a_block_of_several_points(tmp_path):
    """A point that only fills up a block is run once."""
    files = []

    def run(tile, target, key, *, checkpoint):
        files.append(checkpoint)
        return {"product": target @ jr.normal(key, target.shape[1:]), "w_max": tile.cells.w_max}

    def compiled(tile, target, key):
        return {"product": target @ jr.normal(key, target.shape[1:]), "w_max": tile.cells.w_max}

    options = {"key": KEY, "chips": 5, "width": 3}
    data = jt.sweep(run, CONFIG, TARGET, store=tmp_path / "s.zarr", **options)
    assert len(files) == len(set(files)) == 1 + 5  # the first is the trace, which has none
    assert files[0] is None
    np.testing.assert_allclose(data["product"], jt.sweep(compiled, CONFIG, TARGET, **options)["product"], rtol=1e-5)
    del files[:]
    same(jt.sweep(run, CONFIG, TARGET, **options), data)
    assert set(files) == {None}


@pytest.mark.slow
def test_a_training_that_is_interrupted_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    x = jr.normal(jr.key(0), (40, 6))
    y = (x[:, 0] > 0).astype(int)
    epochs = []

    def trained(config, key, checkpoint=None):
        model = jt.nn.Linear(6, 2, config, bias=None, key=key)
        run = jt.train(model, jt.nn.cross_entropy, (x, y), jt.nn.Optimizer(0.1), key=key, epochs=3, checkpoint=checkpoint)
        return {"loss": run.history["loss"]}

    save = jt.nn.training.verbs.save

    def interrupted(path, state, belongs):
        save(path, state, belongs)
        epochs.append(int(state.epoch))
        if len(epochs) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(jt.nn.training.verbs, "save", interrupted)
    options = {"key": KEY, "over": {"device.dw_min": [1e-3, 1e-2]}}
    with pytest.raises(KeyboardInterrupt):
        jt.sweep(trained, jt.TileConfig(), store=tmp_path / "s.zarr", **options)
    data = jt.sweep(trained, jt.TileConfig(), store=tmp_path / "s.zarr", **options)
    assert epochs == [1, 2, 3, 1, 2, 3]
    same(data, jt.sweep(trained, jt.TileConfig(), **options))
    assert np.isfinite(data.loss).all()

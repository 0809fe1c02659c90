"""Blocks that others run: parts that are jobs of their own, and executors. The bits are those of one process."""

import concurrent.futures
import gc
import multiprocessing
import os
import pathlib
import pickle
import signal
import warnings

import jax
import numpy as np
import pytest
from sweeps import CONFIG, KAPPAS, KEY, TARGET, drawn, same

import jaxtile as jt

ARGUMENTS = {"key": KEY, "over": {"half_select.kappa": KAPPAS}, "chips": 8, "width": 2}


def swept(run=drawn, **others):
    return jt.sweep(run, CONFIG, TARGET, **ARGUMENTS | others)


@pytest.fixture(scope="module")
def whole():
    return swept()


def deadly(tile, target, key):
    """The same, but the first process that traces it dies, as if it had been killed."""
    mark = pathlib.Path(os.environ["JAXTILE_TEST_MARK"])
    if multiprocessing.parent_process() is not None and mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn(tile, target, key)


def test_parts_in_any_order_make_the_whole(whole, tmp_path, capsys):
    store = tmp_path / "s.zarr"
    for n, left in ((3, 6), (1, 4), (4, 2), (1, 2)):
        data = swept(store=store, part=(n, 4), progress=True)
        assert " 4/4 " in capsys.readouterr().err  # tiles of the part, of 16
        assert data.attrs["missing_blocks"] == left
        progress = jt.sweeping.progress_of(store)
        assert (progress.done, progress.blocks) == (8 - left, 8)
        assert progress.first <= progress.last
    assert np.isnan(data["product"].values).any()
    same(swept(store=store), whole)


def test_a_part_shares_the_store_with_parts_alone(whole, tmp_path):
    store = tmp_path / "s.zarr"
    swept(store=store, part=(1, 2))
    kept = jt.sweeping.store.Store.open(store)
    with kept.locked(shared=True):
        same(swept(store=store, part=(2, 2)), whole)
        with pytest.raises(OSError, match="another sweep is writing"):
            swept(store=store)


def test_threads_of_this_process(whole, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        same(swept(executor=executor), whole)
        same(swept(executor=executor, store=tmp_path / "s.zarr", part=(2, 3)), swept(store=tmp_path / "t.zarr", part=(2, 3)))


def test_a_worker_of_another_precision_or_other_code_is_refused(monkeypatch):
    monkeypatch.setattr(jt.sweeping.running, "_COMPILED", {})

    class Elsewhere(concurrent.futures.ThreadPoolExecutor):
        """Its work is done where single precision is double, as where the environment was not handed on."""

        def submit(self, fn, /, *args):
            done = concurrent.futures.Future()
            with jax.enable_x64(not jax.config.jax_enable_x64):
                try:
                    done.set_result(fn(*args))
                except Exception as error:
                    done.set_exception(error)
            return done

    with Elsewhere(1) as executor, pytest.raises(RuntimeError, match=r"precision: '\w+' now, '\w+' in the worker"):
        swept(executor=executor)


def _cancelled():
    job = concurrent.futures.Future()
    job.cancel()
    return job


def _empty():
    job = concurrent.futures.Future()
    job.set_result(None)
    return job


def _shut_down():
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        pass
    return executor.submit(print)


@pytest.mark.parametrize(
    ("second", "words"),
    [(_cancelled, "CancelledError"), (_empty, "returned nothing"), (_shut_down, "after shutdown")],
)
def test_an_executor_that_drops_a_block_is_named(whole, tmp_path, second, words):
    """Nothing is made up for it: with a store, the same call goes on."""

    class Drops(concurrent.futures.Executor):
        jobs = 0

        def submit(self, fn, /, *args):
            Drops.jobs += 1
            if Drops.jobs == 2:
                return second()
            done = concurrent.futures.Future()
            done.set_result(fn(*args))
            return done

    store = tmp_path / "s.zarr"
    for options in ({}, {"store": store}):
        Drops.jobs = 0
        with pytest.raises(RuntimeError, match=f"(?s)executor=.*Drops.* has dropped a block .*{words}.*Call again"):
            swept(executor=Drops(), **options)
    assert 0 < jt.sweep.load(store).attrs["missing_blocks"] < 8
    same(swept(executor=Drops(), store=store), whole)


class Pickles(concurrent.futures.ThreadPoolExecutor):
    """It pickles in `submit`, as those of Dask and submitit do."""

    def submit(self, fn, /, *args):
        return super().submit(pickle.loads(pickle.dumps(fn)), *args)


@pytest.mark.parametrize(
    "executor", [Pickles, lambda n: concurrent.futures.ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("spawn"))]
)
def test_a_function_that_cannot_be_sent_is_named(executor):
    def closed_in(tile, target, key):
        return drawn(tile, target, key)

    message = r"run=test_a_function\S*closed_in cannot be sent to the workers .*Define it at the top of a module"
    with executor(1) as pool, pytest.raises(TypeError, match=message):
        swept(closed_in, executor=pool)


def test_jobs_without_a_result_are_refused():
    class Forgets(concurrent.futures.Executor):
        def submit(self, fn, /, *args):
            return {}

    with pytest.raises(TypeError, match=r"executor=.*Forgets.* returns \{\} from submit, which has no `result`"):
        swept(executor=Forgets())


def test_processes(whole, tmp_path, monkeypatch):
    """A store by a relative name is the same one where a worker stands in another folder."""
    elsewhere = {"mp_context": multiprocessing.get_context("spawn"), "initializer": os.chdir, "initargs": (tmp_path.parent,)}
    monkeypatch.chdir(tmp_path)
    with concurrent.futures.ProcessPoolExecutor(1, **elsewhere) as executor:
        same(swept(executor=executor, store="s.zarr"), whole)
        same(swept(executor=executor), whole)


@pytest.mark.slow
def test_dask_with_a_worker_that_is_killed(whole, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    mark.touch()
    monkeypatch.setenv("JAXTILE_TEST_MARK", str(mark))
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        same(swept(deadly, executor=client.get_executor(), store=tmp_path / "s.zarr"), whole)
    assert not mark.exists()


@pytest.mark.slow
def test_submitit(tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit")
    here = str(pathlib.Path(__file__).parent)  # where its processes find `drawn`
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    executor = submitit.LocalExecutor(tmp_path / "logs")
    executor.update_parameters(timeout_min=5)
    same(swept(executor=executor, store=tmp_path / "s.zarr", width=8), swept(width=8))
    del executor
    with warnings.catch_warnings(action="ignore"):  # submitit waits for results, not for its processes
        gc.collect()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": 3}, "part=3 must be two whole numbers"),
        ({"part": (5, 4)}, r"part=\(5, 4\) must be two"),
        ({"part": (0, 4)}, r"part=\(0, 4\) must be two"),
        ({"part": (1, 4)}, "needs a store, in which the parts meet"),
        ({"executor": "dask"}, "has no submit"),
        ({"executor": concurrent.futures.ThreadPoolExecutor}, "has no submit"),
        ({"executor": concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))}, "'spawn'"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_refusals(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        swept(**arguments)

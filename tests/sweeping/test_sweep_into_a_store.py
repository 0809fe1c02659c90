"""A sweep into a store: another one is refused, and what was stopped, damaged or killed ends with the same bits."""

import errno
import json
import multiprocessing
import random
import signal
import time

import numpy as np
import pytest
import zarr
from sweeps import CONFIG, KEY, POINTS, TARGET, drawn, pulsed, same

import jaxtile as jt
from jaxtile.sweeping import matching, running
from jaxtile.sweeping.dataset import load
from jaxtile.sweeping.store import Store
from jaxtile.sweeping.versions import versions


def test_a_store_is_the_sweep_and_is_loaded_again(tmp_path):
    data = jt.sweep(pulsed, CONFIG, TARGET, key=KEY, width=4, store=tmp_path / "s.zarr", **POINTS)
    same(data, jt.sweep(pulsed, CONFIG, TARGET, key=KEY, width=4, **POINTS))
    loaded = jt.sweep.load(tmp_path / "s.zarr")
    same(loaded, data)
    assert loaded.attrs["missing_blocks"] == 0


def test_another_sweep_is_refused_with_the_difference(tmp_path):
    jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=tmp_path / "s.zarr", chips=2)
    other = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=31.0))
    with pytest.raises(ValueError, match=r"config\.config\.half_select\.kappa: 31\.0 now, 30\.0 in the store"):
        jt.sweep(drawn, other, TARGET, key=KEY, store=tmp_path / "s.zarr", chips=2)
    with pytest.raises(ValueError, match="chip: 1 now, 2 in the store, which grows and gives up nothing"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=tmp_path / "s.zarr", chips=1)
    with pytest.raises(ValueError, match="width: 1 now, 2 in the store"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=tmp_path / "s.zarr", chips=2, width=1)
    with pytest.raises(ValueError, match=r"dimensions: \['run', 'chip', 'seed'\] now, \['chip', 'seed'\] in the store"):
        jt.sweep({"a": drawn}, CONFIG, TARGET, key=KEY, store=tmp_path / "s.zarr", chips=2)
    zarr.open_group(tmp_path / "weights.zarr", mode="w").create_array("w", shape=(3,), dtype="f4")
    with pytest.raises(ValueError, match="no store of a sweep"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=tmp_path / "weights.zarr", chips=2)
    assert "w" in zarr.open_group(tmp_path / "weights.zarr")
    (tmp_path / "file").write_text("something else")
    with pytest.raises(ValueError, match="no store of a sweep"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=tmp_path / "file", chips=2)


def test_a_store_of_other_versions_is_gone_on_with_on_request(tmp_path, monkeypatch):
    """Refused, with what differs by name; or gone on with, and each block says which versions wrote it."""
    path, code, again = tmp_path / "s.zarr", versions()["code of jaxtile"], {"width": 2, "store": tmp_path / "s.zarr", **POINTS}
    data = jt.sweep(drawn, CONFIG, TARGET, key=KEY, **again)
    (path / "done" / "c" / "1" / "0" / "0").unlink()
    for module in (matching, running):
        monkeypatch.setattr(module, "versions", lambda: versions() | {"code of jaxtile": "abc"})
    with pytest.raises(ValueError, match=rf"(?s)allow_versions=True.*code of jaxtile: 'abc' now, '{code}' in the store"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, **again)
    assert missing(path) == [(1, 0, 0)]
    for _ in range(2):
        same(jt.sweep(drawn, CONFIG, TARGET, key=KEY, allow_versions=True, **again), data)
    assert zarr.open_group(path)["done"][:, :, 0].tolist() == [[1, 1, 1, 1, 1], [2, 2, 1, 1, 1]]
    assert [each["code of jaxtile"] for each in json.loads(jt.sweep.load(path).attrs["versions"])] == [code, "abc"]
    monkeypatch.undo()
    with pytest.raises(ValueError, match="other versions"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, **again)


def test_a_store_of_an_older_layout_is_refused_by_name(tmp_path):
    zarr.open_group(tmp_path / "s.zarr", mode="w").attrs["plan"] = "{}"
    for use in (jt.sweep.load, lambda path: jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=path)):
        with pytest.raises(ValueError, match="was laid out by an older jaxtile, which can read it; choose another place"):
            use(tmp_path / "s.zarr")


def test_a_damaged_chunk_is_found_and_run_again(tmp_path):
    path = tmp_path / "s.zarr"
    data = jt.sweep(pulsed, CONFIG, TARGET, key=KEY, width=2, store=path, **POINTS)
    chunk = path / "frobenius_error" / "c" / "0" / "1" / "0"
    damaged = bytearray(chunk.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    chunk.write_bytes(bytes(damaged))
    (path / "done" / "c" / "1" / "0" / "0").unlink()
    (path / "frobenius_error" / "c" / "1" / "1" / "0").unlink()
    assert missing(path) == [(0, 1, 0), (1, 0, 0), (1, 1, 0)]
    partly = load(path)
    assert partly.attrs["missing_blocks"] == 3
    assert np.isnan(partly.frobenius_error.values[:, :, 0]).tolist() == [[False, False, True, True, False], [True] * 4 + [False]]
    same(jt.sweep(pulsed, CONFIG, TARGET, key=KEY, store=path, **POINTS), data)
    assert missing(path) == []


def test_a_full_disk_is_said_and_resumed_from(tmp_path, monkeypatch):
    path, write = tmp_path / "s.zarr", Store.write
    calls = []

    def until_full(self, block, results):
        calls.append(block)
        if len(calls) == 3:
            monkeypatch.setattr(
                "zarr.storage._local._put", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left"))
            )
        return write(self, block, results)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", until_full)
        with pytest.raises(OSError, match="block .* could not be written. Make room"):
            jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, store=path, **POINTS)
    monkeypatch.undo()
    assert missing(path) == [(0, 2, 0), (1, 0, 0), (1, 1, 0), (1, 2, 0)]
    same(
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=path, **POINTS),
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, **POINTS),
    )


def test_a_disk_that_is_full_before_the_first_block_is_named(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left")

    path = tmp_path / "s.zarr"
    with monkeypatch.context() as patched:
        patched.setattr("zarr.storage._local._put", full)
        with pytest.raises(OSError, match="No space left: the store could not be laid out. Make room"):
            jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, store=path, **POINTS)
    assert not list(tmp_path.iterdir())
    jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, store=path, **POINTS | {"chips": 1})
    with monkeypatch.context() as patched:
        patched.setattr("zarr.storage._local._put", full)
        with pytest.raises(OSError, match="No space left: the store could not grow. Make room"):
            jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, store=path, **POINTS)
    same(
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, store=path, **POINTS),
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, width=2, **POINTS),
    )


def test_a_store_is_written_by_one_sweep_at_a_time(tmp_path):
    path = tmp_path / "s.zarr"
    jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=path)
    with Store.open(path).locked(), pytest.raises(OSError, match="another sweep is writing to this store"):
        jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=path)
    jt.sweep(drawn, CONFIG, TARGET, key=KEY, store=path)


BLOCKS = 200


def sweep_into(path):
    jt.sweep(drawn, CONFIG, TARGET, key=KEY, chips=2 * BLOCKS, width=2, store=path)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_sweep_that_is_killed_ends_with_the_same_bits(tmp_path, monkeypatch, kills):
    """Killed at random moments, and resumed each time; the final store has the bits of an unbroken one.

    A machine that is too fast to be killed so often, in so few blocks, is killed less often.
    """
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    processes = multiprocessing.get_context("forkserver")  # forked from one that has imported these, and runs nothing
    processes.set_forkserver_preload(["jaxtile", "xarray", "zarr"])

    def start(path):
        process = processes.Process(target=sweep_into, args=(path,))
        process.start()
        return process

    unbroken, killed = tmp_path / "unbroken.zarr", tmp_path / "killed.zarr"
    process = start(unbroken)
    process.join(timeout=600)
    assert process.exitcode == 0
    rng = random.Random(0)
    for _ in range(kills):
        if done_blocks(killed) > 0.75 * BLOCKS:
            break
        process, enough = start(killed), done_blocks(killed) + rng.randint(0, 5)
        while process.is_alive() and done_blocks(killed) < enough:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.01))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert 0 < done_blocks(killed) < BLOCKS
    process = start(killed)
    process.join(timeout=600)
    assert process.exitcode == 0
    assert not list(killed.rglob("*.partial"))
    files = sorted(path.relative_to(unbroken) for path in unbroken.glob("*/c/**/*") if path.is_file())
    assert len(files) == 3 * BLOCKS + 1  # the chips; zarr keeps no zeros, such as the number of the only seed
    for file in files:
        assert (killed / file).read_bytes() == (unbroken / file).read_bytes(), file


def done_blocks(path):
    return sum(1 for _ in (path / "done" / "c").glob("*/0"))


def missing(path):
    return [task.block for task in Store.open(path).missing()]

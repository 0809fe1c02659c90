"""A store that grows: what is there is kept and not run again, and the bits are those of all at once."""

import concurrent.futures

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from sweeps import CONFIG, KEY, TARGET, drawn, same

import jaxtile as jt
from jaxtile.sweeping.store import Store

WHOLE = {"over": {"half_select.kappa": [10.0, 30.0, 100.0]}, "chips": 8, "seeds": 2}


def swept(run=drawn, target=TARGET, **options):
    return jt.sweep(run, CONFIG, target, key=KEY, width=5, **options)


def files(store):
    return {path: path.read_bytes() for path in store.glob("*/c/**/*") if path.is_file()}


def test_growth_in_three_steps_has_the_bits_of_all_at_once(tmp_path):
    """More chips, then a value between two others, then seeds; a block that is cut by an end is filled up."""
    store, few = tmp_path / "s.zarr", {"half_select.kappa": [10.0, 100.0]}
    swept(store=store, over=few, chips=7)
    swept(store=store, over=few, chips=8)
    before = files(store)
    swept(store=store, **WHOLE | {"seeds": 1})
    changed = {path for path, data in before.items() if path.read_bytes() != data}
    assert changed <= {store / "half_select.kappa" / "c" / "0"}  # a new value leaves the blocks of the others as they are
    data = swept(store=store, **WHOLE)
    same(data, swept(**WHOLE))
    opened = xr.open_zarr(store)
    assert opened["half_select.kappa"].values.tolist() == [10.0, 100.0, 30.0]
    same(opened.drop_vars("done").sel({"half_select.kappa": WHOLE["over"]["half_select.kappa"]}), data)


def test_what_is_there_is_not_run_again(tmp_path, monkeypatch):
    run = []
    write = Store.write
    monkeypatch.setattr(Store, "write", lambda self, task, results: run.append(len(task.lanes)) or write(self, task, results))
    for chips, seeds, new in ((3, 1, 3), (8, 1, 5), (8, 2, 8), (8, 2, 0)):
        swept(store=tmp_path / "s.zarr", chips=chips, seeds=seeds)
        assert sum(run) == new
        run.clear()


def test_targets_and_methods_are_added(tmp_path):
    store, targets = tmp_path / "s.zarr", jnp.stack([TARGET, 2 * TARGET, 3 * TARGET])
    runs = {"b": drawn, "a": drawn}
    swept({"a": drawn}, targets[:2], store=store, chips=3)
    again = swept(runs, targets, store=store, chips=3)
    same(again, swept(runs, targets, chips=3))
    with pytest.raises(ValueError, match="target: .* now, .* in the store, which grows and gives up nothing"):
        swept(runs, targets[::-1], store=store, chips=3)
    with pytest.raises(ValueError, match="run=.* returns .*, but the first run returns"):
        swept(runs | {"c": lambda tile, target, key: {"other": target}}, targets, store=store, chips=3)
    same(swept(runs, targets, store=store, chips=3), again)


def test_points_that_are_zipped_are_added_wherever_they_stand(tmp_path):
    store, few = tmp_path / "s.zarr", {"half_select.kappa": [10.0, 30.0], "device.dw_min": [1e-3, 2e-3]}
    more = {"half_select.kappa": [30.0, 20.0, 10.0], "device.dw_min": [2e-3, 1e-3, 1e-3]}
    swept(store=store, over=few, zipped=True)
    same(swept(store=store, over=more, zipped=True), swept(over=more, zipped=True))
    with pytest.raises(ValueError, match="point: .* which grows and gives up nothing"):
        swept(store=store, over=few, zipped=True)
    opened = xr.open_zarr(store)
    assert opened["device.dw_min"].dims == ("point",)
    assert "device.dw_min" in opened.coords


@pytest.mark.filterwarnings("ignore:Consolidated metadata")  # threads share the filters of warnings; processes do not
def test_two_that_grow_a_store_at_once_both_find_room(tmp_path):
    store = tmp_path / "s.zarr"
    swept(store=store, chips=3)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: swept(store=store, chips=8, part=(n, 2)), (1, 2)))
    data = jt.sweep.load(store)
    assert data.attrs["missing_blocks"] == 0
    same(data, swept(chips=8))


@pytest.mark.parametrize("left", ["resize", "create_array"])
def test_growth_that_is_killed_is_finished(tmp_path, monkeypatch, left):
    """Wherever it stops: the attributes say what there is to be."""
    import zarr

    store = tmp_path / "s.zarr"
    swept(store=store, chips=3)
    kind = zarr.Array if left == "resize" else zarr.Group

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(kind, left, killed)
        with pytest.raises(KeyboardInterrupt):
            swept(store=store, chips=5)
    assert np.isnan(jt.sweep.load(store)["product"].values[3:]).all()
    same(swept(store=store, chips=5), swept(chips=5))
    same(xr.open_zarr(store).drop_vars("done"), swept(chips=5))

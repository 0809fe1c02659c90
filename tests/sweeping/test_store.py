"""A store on disk: laid out once, whoever comes first, and refused by what is wrong with it."""

import json

import jax
import numpy as np
import pytest
import xarray as xr

import jaxtile as jt
from jaxtile.sweeping import block, store

RESULT = {"shape": [], "dtype": "float32", "dims": [], "units": "1", "label": "error"}
PLAN = {
    "description": {},
    "groups": 1,
    "points": 3,
    "width": 2,
    "coordinates": {"chip": [0, 1, 2]},
    "zipped": {},
    "units": {},
    "results": {"error": RESULT},
}
TARGET = np.full((2, 3), 0.1)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_first_one_lays_the_store_out_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "s.zarr"
    (tmp_path / ".s.zarr.0123abcd").mkdir()  # of a sweep that was killed
    store.Store.create(path, PLAN)
    assert names(tmp_path) == ["s.zarr"]
    store.Store.create(path, PLAN | {"points": 4})
    assert store.Store.open(path).plan["points"] == 3
    assert names(tmp_path) == ["s.zarr"]


def test_a_sweep_that_another_one_has_overtaken_is_refused(tmp_path, monkeypatch):
    path, create = tmp_path / "s.zarr", store.Store.create

    def overtaken(place, plan):
        create(place, plan | {"description": plan["description"] | {"key": "another"}})
        create(place, plan)

    monkeypatch.setattr(store.Store, "create", overtaken)
    with pytest.raises(ValueError, match="key: .* now, 'another' in the store"):
        jt.sweep(lambda tile, target, key: {"error": target[0, 0]}, jt.TileConfig(), TARGET, key=jax.random.key(0), store=path)


def test_a_store_that_is_damaged_is_told_from_what_is_none(tmp_path):
    path = tmp_path / "s.zarr"
    store.Store.create(path, PLAN)
    (path / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="whose description is damaged .*Its blocks are kept: put its zarr.json files back"):
        store.load(path)


def test_xarray_opens_the_blocks(tmp_path):
    store.Store.create(tmp_path / "s.zarr", PLAN)
    kept = store.Store.open(tmp_path / "s.zarr")
    kept.write((0, 0), {"error": np.asarray([1.0, 2.0], "float32")})
    data = xr.open_zarr(tmp_path / "s.zarr", consolidated=False)
    assert data.error.dims == ("group", "tile")
    assert data.error[0, :2].values.tolist() == [1, 2]
    assert json.loads(data.attrs["plan"])["points"] == 3


@pytest.mark.parametrize(
    ("run", "chips", "words"),
    [
        (lambda tile, target, key: {"chip": target[0, 0]}, 1, "run returns 'chip', which is the name of a dimension"),
        (lambda tile, target, key: {"an error": target[0, 0]}, 1, "run returns 'an error'"),
        (
            lambda tile, target, key: {"w": jax.numpy.zeros((1000, 1000))},
            10**9,
            "points take .* GiB of memory, .* pass fewer chips",
        ),
    ],
)
def test_results_are_refused_before_anything_is_compiled(monkeypatch, run, chips, words):
    monkeypatch.setattr(block.Blocks, "_program", property(lambda blocks: pytest.fail("it is compiled")))
    with pytest.raises(ValueError, match=words):
        jt.sweep(run, jt.TileConfig(), TARGET, key=jax.random.key(0), chips=chips)

"""A store on disk: laid out once, whoever comes first, and refused by what is wrong with it."""

import concurrent.futures
import json
import os
import shutil

import jax
import numpy as np
import pytest
import xarray as xr
from helpers import as_a_user

import jaxtile as jt
from jaxtile.sweeping import block, store
from jaxtile.sweeping.layout import Layout, Task, block_of
from jaxtile.sweeping.locks import lock

RESULTS = {
    name: {"shape": shape, "dtype": dtype, "dims": dims, "units": "1", "label": name}
    for name, shape, dtype, dims in (
        ("error", [], "float32", []),
        ("path", [2], "bfloat16", ["step"]),
        ("steps", [], "int32", []),
        ("least", [], "uint8", []),
        ("finite", [], "bool", []),
    )
}
LAYOUT = Layout({"run": ["a", "b"], "chip": 3}, {}, [], {}, {"run": 1, "chip": 2}, 2, RESULTS)
ABOUT = {"description": "{}", "configuration": "a", "command": "b"}
VERSIONS = {"jaxtile": "1"}
TARGET = np.full((2, 3), 0.1)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def laid_out(path, layout=LAYOUT):
    store.Store.create(path, layout, ABOUT, VERSIONS)
    return store.Store.open(path)


def test_the_first_one_lays_the_store_out_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "s.zarr"
    (tmp_path / ".s.zarr.0123abcd").mkdir()  # of a sweep that was killed
    laid_out(path)
    assert names(tmp_path) == ["s.zarr"]
    assert laid_out(path, Layout(**vars(LAYOUT) | {"width": 3})).layout == LAYOUT
    assert names(tmp_path) == ["s.zarr"]


def test_a_sweep_that_another_one_has_overtaken_is_refused(tmp_path, monkeypatch):
    path, create = tmp_path / "s.zarr", store.Store.create

    def overtaken(place, layout, about, versions):
        other = json.loads(about["description"]) | {"key": "another"}
        create(place, layout, about | {"description": json.dumps(other)}, versions)
        create(place, layout, about, versions)

    monkeypatch.setattr(store.Store, "create", overtaken)
    with pytest.raises(ValueError, match="key: .* now, 'another' in the store"):
        jt.sweep(lambda tile, target, key: {"error": target[0, 0]}, jt.TileConfig(), TARGET, key=jax.random.key(0), store=path)


@pytest.mark.parametrize("half", ["", "{", '{"zarr_format": 3, "node_type": "group", "attributes": {}}', "description"])
def test_a_store_that_is_damaged_is_told_from_what_is_none(tmp_path, half):
    path = tmp_path / "s.zarr"
    laid_out(path)
    whole = json.loads((path / "zarr.json").read_text())
    whole["attributes"]["description"] = "{"
    (path / "zarr.json").write_text(json.dumps(whole) if half == "description" else half)
    with pytest.raises(ValueError, match="whose description is damaged .*Its blocks are kept: put its zarr.json files back"):
        jt.sweep.load(path)


@pytest.mark.filterwarnings("ignore:Consolidated metadata")  # threads share the filters of warnings; processes do not
def test_several_lay_out_a_store_at_once(tmp_path):
    """One of them wins, and the others find its store; nothing is left behind."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(laid_out, [tmp_path / "s.zarr"] * 4))
    assert [kept.layout for kept in found] == [LAYOUT] * 4
    assert names(tmp_path) == ["s.zarr"]


def test_what_killed_writes_left_behind_is_removed_when_nobody_writes(tmp_path):
    path = tmp_path / "s.zarr"
    kept = laid_out(path)
    chunks = path / "error" / "c" / "0"
    chunks.mkdir(parents=True)
    left = [place / f"0.{32 * '0'}.partial" for place in (path, path / "error", chunks)]
    for file in left:
        file.touch()
    with lock(path / "done" / "writing", shared=True), kept.locked():  # as a worker of an executor does while it writes a block
        assert all(file.exists() for file in left)
    with kept.locked():
        assert not any(file.exists() for file in left)


def test_versions_that_sign_at_once_are_all_kept(tmp_path):
    laid_out(tmp_path / "s.zarr")
    several = [store.Store.open(tmp_path / "s.zarr") for _ in range(2)]
    for n, kept in enumerate(several):
        kept.sign({"jaxtile": str(n + 2)})
    assert store.Store.open(tmp_path / "s.zarr").versions == [VERSIONS, {"jaxtile": "2"}, {"jaxtile": "3"}]


def test_a_sweep_that_signs_after_another_one_has_grown_cuts_nothing_off(tmp_path):
    """It has opened the store before; what the other one has finished is kept, and so is what was noted."""
    path = tmp_path / "s.zarr"
    late = laid_out(path)
    more = Layout(**vars(LAYOUT) | {"coordinates": {"run": ["a", "b"], "chip": 6}})
    store.Store.open(path).grow(more, ABOUT | {"command": "c"})
    other = store.Store.open(path)
    other.sign(VERSIONS)
    for task in other.missing():
        other.write(task, {name: np.ones((len(task.lanes), *result["shape"])) for name, result in RESULTS.items()})
    late.sign({"jaxtile": "2"})
    again = store.Store.open(path)
    assert again.layout == more
    assert again.missing() == []
    assert again.about["command"] == "b\nc"
    assert again.versions == [VERSIONS, {"jaxtile": "2"}]
    assert {len(values) for values in (xr.open_zarr(path).chip, xr.open_zarr(path).error[0])} == {6}
    other.grow(more, ABOUT)  # it knows nothing of the versions that have signed since
    assert store.Store.open(path).versions == [VERSIONS, {"jaxtile": "2"}]


def test_a_store_that_is_deleted_under_a_sweep_is_named(tmp_path):
    kept = laid_out(tmp_path / "s.zarr")
    shutil.rmtree(tmp_path / "s.zarr")
    with pytest.raises(FileNotFoundError, match=r"s\.zarr' was there, and has been deleted"):
        kept.sign({"jaxtile": "2"})


@pytest.mark.parametrize("first", [True, False])
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, first):
    """Run as a user, since root may write everywhere."""
    path = tmp_path / "closed" / "s.zarr"
    if not first:
        laid_out(path)
    folder = path.parent if first else path
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)
    try:
        with as_a_user(tmp_path), pytest.raises(OSError, match="cannot be written .*Permission denied.*Choose a place that can be"):
            jt.sweep(lambda tile, target, key: {"a": key}, jt.TileConfig(), TARGET, key=jax.random.key(0), store=path)
    finally:
        folder.chmod(0o755)


def test_xarray_opens_what_is_there_and_reads_nan_where_nothing_is(tmp_path, recwarn):
    kept = laid_out(tmp_path / "s.zarr")
    kept.sign(VERSIONS)
    whole = {
        "error": [0.0, 1.0],
        "path": [[0.0, 1.0], [2.0, 3.0]],
        "steps": [0, -(2**31)],
        "least": [0, 255],
        "finite": [True, False],
    }
    kept.write(Task((0, 0), np.arange(2)), {name: np.asarray(values) for name, values in whole.items()})
    kept.write(Task((1, 1), np.arange(1)), {name: np.asarray(values)[:1] for name, values in whole.items()})
    data = xr.open_zarr(tmp_path / "s.zarr")
    assert not recwarn
    assert dict(data.sizes) == {"run": 2, "chip": 3, "step": 2}
    assert data.run.values.tolist() == ["a", "b"]
    there = np.asarray([[True, True, False], [False, False, True]])
    np.testing.assert_array_equal(data.done > 0, there)
    for name, values in whole.items():
        np.testing.assert_array_equal(data[name][0, :2], np.asarray(values, float))
        np.testing.assert_array_equal(data[name].isel(step=0, missing_dims="ignore").notnull(), there)
    xr.testing.assert_equal(data.drop_vars("done").astype(float), jt.sweep.load(tmp_path / "s.zarr").astype(float))
    assert json.loads(data.attrs["versions"]) == [VERSIONS]
    assert data.attrs["configuration"] == "a"
    assert data.error.attrs["label"] == "error"


def test_a_clock_that_jumps_changes_nothing(tmp_path):
    kept = laid_out(tmp_path / "s.zarr", Layout({"chip": 4}, {}, [], {}, {"chip": 1}, 1, {"error": RESULTS["error"]}))
    kept.sign(VERSIONS)
    for chip, time in enumerate((4e9, 0.0, 2e9)):
        kept.write(kept.layout.task((chip,)), {"error": np.ones(1)})
        os.utime(tmp_path / "s.zarr" / "done" / "c" / str(chip), (time, time))
    progress = kept.progress()
    assert (progress.blocks, progress.done) == (4, 3)
    assert progress.first < progress.last
    assert [task.block for task in kept.missing()] == [(3,)]


def test_blocks_are_boxes_that_hold_every_point_once():
    sizes = {"run": 2, "device.dw_min": 5, "chip": 7, "seed": 3}
    for width in range(1, 130):
        block = block_of({name: size for name, size in sizes.items() if name != "run"}, width)
        assert np.prod(list(block.values())) <= width
        layout = Layout(sizes, {}, [], {}, {"run": 1} | block, width, {})
        points = [layout.group(block) * 105 + layout.points(layout.task(block)) for block in layout.blocks()]
        np.testing.assert_array_equal(np.sort(np.concatenate(points)), np.arange(210))


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

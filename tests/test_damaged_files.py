"""Files that are damaged, strange or hostile: refused by name, and nothing in them is run."""

import json
import os
import pickle
import re
import sys
import tracemalloc
import zipfile

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxtile as jt

KEY = jr.key(5)


def written(path, tree, **others):
    versions = {"jaxtile": "0.0.1"}
    header = {"format": 1, "versions": versions, "tree": tree} | others
    save_file({"x": np.ones(3, np.float32)}, path, {"jaxtile": json.dumps(header)})
    return path


HOSTILE = {
    "another class": ({"object": ["os:path", {}]}, r"names the class os:path, which is none of jaxtile, equinox, optax"),
    "a class by way of ours": ({"object": ["jaxtile.targets:Path", {}]}, r"jaxtile.targets:Path, which the installed jaxtile"),
    "a module that is not imported": ({"object": ["jaxtile.__main__:main", {}]}, "which the installed jaxtile does not have"),
    "a function": ({"function": "os.system"}, r"names the function 'os.system', which is none"),
    "a private function": ({"function": "jaxtile.io.file._versions"}, "which is none of the functions"),
    "a function that writes": ({"partial": [{"function": "jax.numpy.save"}, ["/tmp/x"], {"dict": []}]}, "jax.numpy.save"),
    "code": ({"function": "(lambda: 1)()"}, "which is none of the functions"),
    "no class of fields": ({"object": ["equinox:Enumeration", {}]}, "is no class of fields"),
    "an abstract class": (
        {"object": ["jaxtile.device:AbstractDevice", {}]},
        "damaged header: TypeError: Can't instantiate abstract",
    ),
    "other fields": (
        {"object": ["jaxtile:UnitVectors", {"index": 1, "no": 2}]},
        r"with the fields index, no; here the class has columns, width",
    ),
    "no such array": ({"array": "y"}, "damaged header: KeyError: 'y'"),
    "another kind": ({"pickle": "x"}, "damaged header: KeyError: 'pickle'"),
    "nonsense": ({"array": 3}, "damaged header"),
    "two kinds": ({"array": "x", "numpy": "x"}, "damaged header|cannot be loaded"),
    "objects": ({"numpy": ["x", "object", [3]]}, "cannot be loaded"),
    "a shape that does not fit": ({"numpy": ["x", "float32", [5]]}, "cannot be loaded"),
    "a shape below zero": ({"numpy": ["x", "float32", [-1]]}, r"an array of the shape \[-1\]"),
    "a shape of NaN": ({"numpy": ["x", "float32", [float("nan")]]}, "damaged header: TypeError"),
    "a shape without end": ({"array": ["x", "float32", [2**62, 2**62]]}, "damaged header|cannot be loaded"),
    "a function of the system": ({"partial": [{"function": "os.system"}, ["ls"], {"dict": []}]}, "names the function 'os.system'"),
    "a lambda": ({"function": "<lambda>"}, "which is none of the functions"),
    "a path": ({"object": ["jaxtile/../../os:path", {}]}, "which is none of jaxtile, equinox, optax"),
    "a path of an array": ({"array": "../x"}, "damaged header: KeyError"),
    "a key of no kind": ({"key": ["os.system", "x"]}, "cannot be loaded|damaged header"),
    "a list as a key": ({"dict": [[{"list": []}, 1]]}, "damaged header: TypeError"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_nothing(tmp_path, name):
    tree, message = HOSTILE[name]
    imported = set(sys.modules)
    with pytest.raises(ValueError, match=message) as caught:
        jt.load(written(tmp_path / "file", tree))
    assert str(tmp_path / "file") in str(caught.value)
    assert not {name for name in set(sys.modules) - imported if name.startswith(("jaxtile", "equinox", "optax"))}


def a_pickle(path):
    """One that would leave a file beside it."""
    code = type("Code", (), {"__reduce__": lambda self: (os.mkdir, (str(path.with_name("run")),))})
    path.write_bytes(pickle.dumps(code()))


def with_header(path, header):
    path.write_bytes(len(header).to_bytes(8, "little") + header)


TWICE = b'{"__metadata__":{"jaxtile":"1","jaxtile":"2"}}'
STRANGE = {
    "empty": lambda path: path.write_bytes(b""),
    "a header of 2^60 bytes": lambda path: path.write_bytes((2**60).to_bytes(8, "little") + b"{}"),
    "a header of all bytes": lambda path: path.write_bytes((2**64 - 1).to_bytes(8, "little") + b"{}"),
    "an array of 2^60 numbers": lambda path: with_header(
        path, b'{"x":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (2**60, 2**62)
    ),
    "a shape below zero": lambda path: with_header(path, b'{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}'),
    "a shape of NaN": lambda path: with_header(path, b'{"x":{"dtype":"F32","shape":[NaN],"data_offsets":[0,0]}}'),
    "a type of objects": lambda path: with_header(path, b'{"x":{"dtype":"O","shape":[1],"data_offsets":[0,0]}}'),
    "a name twice": lambda path: with_header(path, TWICE),
    "a name twice in the tree": lambda path: save_file(
        {"x": np.ones(3)}, path, {"jaxtile": '{"format":1,"format":1,"versions":{},"tree":1}'}
    ),
    "a number of a million digits": lambda path: save_file({"x": np.ones(3)}, path, {"jaxtile": "1" * 1_000_000}),
    "a pickle": a_pickle,
    "arrays of NumPy": lambda path: np.savez(path.with_suffix(".npz"), x=np.ones(3)) or path.with_suffix(".npz").rename(path),
    "an archive": lambda path: zipfile.ZipFile(path, "w").writestr("x", "y"),
    "text": lambda path: path.write_text("text " * 100),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_file_is_refused_at_once(tmp_path, name):
    """In a few MiB, by its name, and nothing of it runs."""
    path = tmp_path / "file"
    STRANGE[name](path)
    tracemalloc.start()
    with pytest.raises((ValueError, IsADirectoryError), match=re.escape(str(path))):
        jt.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert [*tmp_path.iterdir()] == [path]


def test_every_damage_is_found(tmp_path):
    """Files that are cut, and files with one bit turned, in the header or in the numbers."""
    path = tmp_path / "file"
    jt.save(
        path, {"x": jnp.arange(20.0), "n": 3, "tile": jt.init(jt.TileConfig(jt.device.Ideal()), (2, 3), key=KEY), "f": jax.nn.relu}
    )
    whole = path.read_bytes()
    turned = []
    for bit in range(0, 8 * len(whole), 149):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        turned.append(bytes(damaged))
    for damaged in [whole[:n] for n in range(0, len(whole), 97)] + turned:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=re.escape(str(path))):
            jt.load(path)


def test_a_file_of_the_first_format_is_read(tmp_path):
    """It has no checksum."""
    assert jt.load(written(tmp_path / "file", {"tuple": [1, {"list": [2.5]}]})) == (1, [2.5])


def test_deep_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "file"
    jt.save(path, {"x": jnp.arange(1000.0)})
    whole = path.read_bytes()
    for kept in (0, 5, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match="is damaged, or no file of jaxtile.save"):
            jt.load(path)
    save_file({"x": np.ones(3)}, path)
    with pytest.raises(ValueError, match="was not written by jaxtile.save"):
        jt.load(path)
    save_file({"x": np.ones(3)}, path, {"jaxtile": "[" * 100_000})
    with pytest.raises(ValueError, match="damaged header: RecursionError"):
        jt.load(path)
    save_file({"x": np.ones(3)}, path, {"jaxtile": "{}"})
    with pytest.raises(ValueError, match="damaged header: KeyError: 'versions'"):
        jt.load(path)
    with pytest.raises(OSError, match="none"):
        jt.load(tmp_path / "none")


def test_a_file_of_equinox_is_refused_by_name(tmp_path):
    """It has numbers in their order, and not what they are of: nothing can tell whether they fit."""
    path = tmp_path / "tile.eqx"
    eqx.tree_serialise_leaves(path, jt.init(jt.TileConfig(), (2, 3), key=KEY))
    with pytest.raises(ValueError, match="tile.eqx holds arrays without names, as equinox.tree_serialise_leaves.*write that with"):
        jt.load(path)


def test_a_newer_file_is_refused_by_name(tmp_path):
    path = written(tmp_path / "file", None, format=3, versions={"jaxtile": "9.1", "jax": "3.0"})
    with pytest.raises(ValueError, match=r"saved by jaxtile 9.1, jax 3.0, cannot be loaded: it has format 3, and this jaxtile"):
        jt.load(path)


def test_double_precision_is_not_cut(tmp_path):
    if jax.config.read("jax_enable_x64"):
        pytest.skip("of single precision")
    save_file(
        {"x": np.array([0.1])}, tmp_path / "file", {"jaxtile": json.dumps({"format": 1, "versions": {}, "tree": {"array": "x"}})}
    )
    with pytest.raises(ValueError, match="an array of float64.*jax_enable_x64"):
        jt.load(tmp_path / "file")

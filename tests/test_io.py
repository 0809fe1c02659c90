"""Files: anything comes back bit for bit, in a new process, and nothing in a file is run."""

import dataclasses
import enum
import functools
import inspect
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import DEVICES, PULSES
from safetensors.numpy import load_file

import jaxtile as jt
from jaxtile.io import names

KEY = jr.key(5)


class Colour(enum.Enum):
    RED = "red"


class Own(eqx.Module):
    weight: jax.Array
    name: str = eqx.field(static=True)

    def __init__(self):
        raise AssertionError("no constructor runs")


def own():
    made = object.__new__(Own)
    object.__setattr__(made, "weight", jnp.arange(3.0))
    object.__setattr__(made, "name", "mine")
    return made


def classes_of(root):
    for kind in root.__subclasses__():
        yield kind
        yield from classes_of(kind)


def catalogue() -> dict:
    """One object of each class of jaxtile: of its defaults, or with an array of its own in each field."""
    made, rng = {}, np.random.default_rng(0)
    for kind in classes_of(eqx.Module):
        if not kind.__module__.startswith("jaxtile.") or inspect.isabstract(kind):
            continue
        try:
            made[f"{kind.__module__}.{kind.__qualname__}"] = kind()
        except TypeError:
            thing = object.__new__(kind)
            for n, field in enumerate(dataclasses.fields(kind)):
                value = f"text {n}" if field.metadata.get("static", False) else jnp.asarray(rng.normal(size=(n, 2)), float)
                object.__setattr__(thing, field.name, value)
            made[f"{kind.__module__}.{kind.__qualname__}"] = thing
    return made


def model():
    config = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=30.0))
    own = {"input_range": jt.digital.InputRange(input_range=2.0), "modifier": jt.modifier.AddNormal(std_dev=0.1)}
    layers = [jt.nn.Linear(7, 5, config, omega=0.6, key=KEY, **own), jax.nn.relu, eqx.nn.Linear(5, 2, key=KEY), eqx.nn.Dropout(0.1)]
    return jt.nn.with_key(jt.nn.Sequential(layers), KEY)


def networks() -> dict:
    """Models, and what training makes of them."""
    tiles = model()
    optimizer = jt.nn.Optimizer(0.05, optax.chain(optax.clip(1.0), optax.adam(1e-3)))
    weights = {"w": jnp.ones((2, 3)), "b": jnp.zeros(3)}
    transforms = {
        "momentum": optax.sgd(0.1, momentum=0.9),
        "hyperparameters": optax.inject_hyperparams(optax.adamw)(1e-3),
        "masked": optax.masked(optax.adam(0.1), {"w": True, "b": False}),
        "by label": optax.multi_transform({"x": optax.adam(0.1), "y": optax.sgd(0.1)}, {"w": "x", "b": "y"}),
    }
    return {
        "model": tiles,
        "optimizer state": optimizer.init(tiles),
        "training": jt.nn.Run(tiles, jt.nn.OUTCOMES.stopped, {"epochs": jnp.asarray(3)}, {"loss": jnp.asarray([1.0, jnp.nan])}),
        "mlp": eqx.nn.MLP(3, 2, 4, 1, key=KEY),
        "batch norm": eqx.nn.make_with_state(eqx.nn.BatchNorm)(3, "batch", mode="ema"),
        "pool": eqx.nn.MaxPool2d(2),
        "lstm": eqx.nn.LSTMCell(2, 3, key=KEY),
        "optax": {name: transform.init(weights) for name, transform in transforms.items()},
    }


def runs() -> dict:
    """Tiles, and what programming makes of them."""
    config = jt.TileConfig(jt.device.SoftBounds(), half_select=jt.half_select.ConstantRatio(kappa=30.0))
    tile = jt.init(config, (5, 7), key=KEY)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), tile)
    return {
        "devices": {name: make() for name, make in DEVICES.items()},
        "pulses": {name: make() for name, make in PULSES.items()},
        "tiles": (jt.count_pulses(tile), batch),
        "solution": jt.program(tile, 0.1 * jr.normal(KEY, (5, 7)), jt.SVD(), key=KEY, max_steps=3),
    }


def values() -> dict:
    """Values of every kind that a tree may hold."""
    kept = jnp.arange(4.0)
    return {
        "plain": [None, True, -3, 2**70, 0.1, -0.0, float("inf"), 'te"xt \u2603', 1 + 2j, (), [], {}],
        "keys": {3: "number", (1, "two"): [None], "a.b": {"c": 1}, "a": {"b.c": 2}},
        "types": [
            jnp.ones((2, 3), dtype)
            for dtype in ("bfloat16", "float16", "int8", "uint32", "bool", "complex64", "int4", "float8_e5m2")
        ],
        "shapes": [
            jnp.float32(3),
            jnp.ones((0, 3)),
            np.ones((2, 3))[:, ::2],
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array(5),
        ],
        "numpy": [np.float64(0.1), np.int16(-3), np.bool_(True), np.arange(3, dtype=">f8"), np.zeros(2, complex)],
        "other bytes first": np.array([1 + 2j, 3], ">c16"),
        "random": [KEY, jr.split(KEY, 3), jr.key(0, impl="rbg"), jr.PRNGKey(1)],
        "dtypes": [jnp.float32, jnp.bfloat16, np.float32, np.dtype("bfloat16"), float, bool],
        "functions": [jax.nn.relu, jnp.tanh, jax.lax.max, jt.nn.accuracy, jax.tree_util.Partial(jnp.clip, -1.0, max=1.0)],
        "partial": functools.partial(jnp.sum, axis=0),
        "codes": [
            jt.RESULTS.stalled,
            jax.vmap(lambda n: jt.RESULTS.where(n > 0, jt.RESULTS.stalled, jt.RESULTS.converged))(jnp.arange(3)),
        ],
        "bits": jax.lax.bitcast_convert_type(jnp.asarray([0x7FC00001, 0xFFC00000, 1], jnp.uint32), jnp.float32),
        "shared": [kept, (kept, kept)],
    }


def assert_same(a, b, at=""):
    """Equal in structure, and in the bits of each leaf."""
    if isinstance(a, dict):  # keys of several types, which JAX cannot order
        assert list(a) == list(b), at
        for key in a:
            assert_same(a[key], b[key], f"{at}[{key!r}]")
        return
    flat, treedef = jax.tree.flatten(a, is_leaf=lambda node: isinstance(node, dict) and node is not a)
    other, treedef_of_other = jax.tree.flatten(b, is_leaf=lambda node: isinstance(node, dict) and node is not b)
    assert treedef == treedef_of_other, at
    for one, two in zip(flat, other, strict=True):
        assert type(one) is type(two), at
        if isinstance(one, dict):
            assert_same(one, two, at)
        elif not eqx.is_array(one) and not isinstance(one, np.ndarray | np.generic):
            assert (one is two) if callable(one) and not isinstance(one, functools.partial) else (repr(one) == repr(two)), at
        else:
            assert one.shape == two.shape, at
            assert one.dtype.newbyteorder("=") == two.dtype if isinstance(one, np.ndarray) else one.dtype == two.dtype, at
            one, two = (jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in (one, two))
            assert np.asarray(one).astype(two.dtype).tobytes() == np.asarray(two).tobytes(), at


def test_anything_comes_back_bit_for_bit_in_a_new_process(tmp_path):
    made = {"catalogue": catalogue(), "networks": networks(), "runs": runs(), "values": values()}
    assert len(made["catalogue"]) > 150
    for name, value in made.items():
        jt.save(tmp_path / f"{name}.jt", value)
        assert_same(value, jt.load(tmp_path / f"{name}.jt"), name)
    code = "import sys, jaxtile as jt\nfor name in sys.argv[1:]: jt.save(name + '.again', jt.load(name))"
    files = [tmp_path / f"{name}.jt" for name in made]
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True)
    for file in files:
        assert file.read_bytes() == file.with_name(f"{file.name}.again").read_bytes()


def test_what_is_loaded_works_on(tmp_path):
    """The same read, bit for bit; and what two places share they still share."""
    before = model()
    jt.save(tmp_path / "model", (before, before.layers[0].tile))
    after, tile = jt.load(tmp_path / "model")
    np.testing.assert_array_equal(after(jnp.ones((2, 7)), key=KEY), before(jnp.ones((2, 7)), key=KEY))
    assert tile.state is after.layers[0].tile.state


def test_other_programs_can_read_the_arrays(tmp_path):
    tile = jt.init(jt.TileConfig(), (5, 7), key=KEY)
    jt.save(tmp_path / "tile.safetensors", {"tile": tile})
    np.testing.assert_array_equal(load_file(tmp_path / "tile.safetensors")["['tile'].now.state"], tile.state)


def test_classes_of_ones_own(tmp_path):
    path = tmp_path / "own"
    jt.save(path, [own(), Colour.RED])
    for classes in ((), (Colour,), (Own,)):
        with pytest.raises(
            ValueError, match=r"names the class test_io:(Own|Colour), which is none of jaxtile.*classes=\[(Own|Colour)\]"
        ):
            jt.load(path, classes=classes)
    loaded, colour = jt.load(path, classes=[Own, Colour])
    assert (colour, loaded.name) == (Colour.RED, "mine")
    np.testing.assert_array_equal(loaded.weight, own().weight)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": [lambda x: x]}, r"\['x'\]\[0\] is <function.*Make a module of it"),
        (jt.GDP(learning_rate=0.1, schedule=lambda step: 1.0), r"\.schedule\.func is <function"),
        (jt.nn.Optimizer(0.1, optax.adam(1e-3)), r"\.digital\.init is <function"),
        (eqx.nn.BatchNorm(3, "batch", mode="ema"), r"marker is <object"),
        (np.array(["text"]), "the value is array"),
        (np.array([None]), "the value is array"),
        ({1, 2}, "the value is {1, 2}, which a file cannot hold"),
        (open, "the value is <built-in function open>"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        jt.save(tmp_path / "file", value)
    assert not list(tmp_path.iterdir())


def test_what_is_traced_or_holds_itself_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"\.weight is traced"):
        jax.jit(lambda weight: jt.save(tmp_path / "file", eqx.tree_at(lambda own: own.weight, own(), weight)))(jnp.ones(3))
    ring = []
    ring.append(ring)
    with pytest.raises(ValueError, match="value=list holds itself"):
        jt.save(tmp_path / "file", ring)


def test_functions_that_open_files_have_no_name():
    table = names._functions()
    assert {"jax.nn.relu", "jax.numpy.tanh", "jaxtile.nn.cross_entropy"} <= table.keys()
    assert not {name for name in table if name.rpartition(".")[2] in ("save", "load", "savez", "fromfile", "sweep", "train")}
    assert not {name for name in table if ".plot." in name}

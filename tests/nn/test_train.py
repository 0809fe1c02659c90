"""Training on real data: what a run says, how it is cut short and gone on with, and what is refused."""

import os
import pathlib
import signal
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax
import pytest
from helpers import mostly_slow
from sklearn.datasets import load_digits

import jaxtile as jt

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
TRAIN, TEST = (X[:1203], Y[:1203]), (X[1203:], Y[1203:])
OPTIMIZER = jt.nn.Optimizer(0.1, optax.adam(1e-3))
METRICS = {"accuracy": jt.nn.accuracy}
TRACES = []


def network(key, config=jt.TileConfig()):  # noqa: B008
    a, b = jr.split(key)
    return jt.nn.Sequential([jt.nn.Linear(64, 16, config, key=a), jax.nn.sigmoid, jt.nn.Linear(16, 10, config, key=b)])


def loss(model, x, y, *, key):
    TRACES.append(x.shape)
    return jt.nn.cross_entropy(model, x, y, key=key)


def train(key, model=None, data=TRAIN, optimizer=OPTIMIZER, **changes):
    """One compiled program for all tests that change numbers only."""
    options = {"epochs": 4, "batch_size": 10, "test": TEST, "metrics": METRICS, "key": key}
    return jt.train(network(key) if model is None else model, loss, data, optimizer, **options | changes)


def assert_equal(a, b):
    """To the bit."""
    a, b = (jax.tree.leaves(eqx.filter((run.model, run.history), eqx.is_array)) for run in (a, b))
    for one, other in zip(a, b, strict=True):
        if not jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def run():
    return train(jr.key(0))


def test_digits_are_learned(run):
    assert run.history["accuracy"].shape == (4,)
    assert run.stats["accuracy"] > 0.6
    assert run.result == jt.nn.OUTCOMES.all_epochs
    assert np.all(np.diff(run.history["loss"]) < 0)
    second = run.model.layers[2].tile
    assert float(run.stats["layers.2.largest"]) == pytest.approx(float(jnp.max(jnp.abs(second.weight))))
    assert float(jnp.sum(run.history["layers.2.pulses"])) == pytest.approx(float(second.full_pulses), rel=1e-4)
    span = 0.01 * (second.cells.w_max - second.cells.w_min)
    near = (second.weight > second.cells.w_max - span) | (second.weight < second.cells.w_min + span)
    assert float(run.stats["layers.2.saturated"]) == pytest.approx(float(jnp.mean(near.astype(float))))
    assert "accuracy=" in repr(run)
    found = jt.nn.evaluate(run.model, TEST, METRICS, key=jr.key(5))
    assert float(found["accuracy"]) == pytest.approx(float(run.stats["accuracy"]), abs=0.05)


def test_a_second_call_compiles_nothing(run, caplog):
    """The second call has another chip, other data and another rate."""
    TRACES.clear()
    faster = jt.nn.Optimizer(0.2, OPTIMIZER.digital)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        other = train(jr.key(1), data=(X[1:1204], Y[1:1204]), optimizer=faster)
    longer = train(jr.key(0), epochs=5)
    assert not TRACES
    assert not [record.message for record in caplog.records if "Compiling" in record.message]
    assert not np.allclose(other.history["loss"], run.history["loss"])
    for name, values in run.history.items():
        np.testing.assert_array_equal(longer.history[name][:4], values)
    assert longer.history["loss"].shape == (5,)


@pytest.mark.slow
def test_the_short_last_batch_is_a_step_of_its_own(run):
    """1203 samples are 120 batches of 10 and one of 3, which draws and sends as by hand."""
    model, state = network(jr.key(0)), OPTIMIZER.init(network(jr.key(0)))
    batch = (jnp.asarray(X[:13]), jnp.asarray(Y[:13]))
    trained = train(jr.key(0), data=batch, epochs=1, shuffle=False, test=None, metrics=None)
    steps_key = jr.split(jr.fold_in(jr.key(0), 0), 3)[1]
    losses = []
    for number, part in enumerate((slice(0, 10), slice(10, 13))):
        loss_key, step_key = jr.split(jr.fold_in(steps_key, number))
        value, grads = jt.nn.value_and_grad(loss)(model, batch[0][part], batch[1][part], key=loss_key)
        assert grads.layers[0].tile.x.shape[0] == part.stop - part.start
        model, state = OPTIMIZER.step(model, grads, state, key=step_key)
        losses.append(float(value))
    assert float(trained.stats["loss"]) == pytest.approx((10 * losses[0] + 3 * losses[1]) / 13, rel=1e-4)
    np.testing.assert_allclose(trained.model.layers[2].tile.weight, model.layers[2].tile.weight, atol=5e-3)


@pytest.mark.slow
def test_only_samples_that_are_there_take_a_turn():
    """Vectors of zeros in the place of missing samples would move the turn of the devices on."""
    cell = jt.device.VectorCell((jt.device.ConstantStep(),) * 3, update_policy=jt.device.SingleSequential())
    run = train(jr.key(0), jt.nn.Linear(64, 10, jt.TileConfig(cell), key=jr.key(1)), data=(X[:13], Y[:13]), epochs=1)
    assert run.model.tile.now.state.turn == 13 % 3
    assert run.stats["model.pulses"] > 0


def test_chips_and_numbers_are_lanes_of_one_program():
    def accuracy(key, dw_min, kappa, rate):
        half = jt.half_select.ConstantRatio(kappa=kappa)
        config = jt.TileConfig(jt.device.ConstantStep(dw_min=dw_min), half_select=half)
        options = {"key": key, "epochs": 2, "batch_size": 50, "test": TEST, "metrics": METRICS}
        optimizer, layer = jt.nn.Optimizer(rate, optax.sgd(0.1)), jt.nn.Linear(64, 10, config, key=key)
        run = jt.train(layer, loss, TRAIN, optimizer, progress=True, checkpoint="nowhere/at/all", **options)
        return run.history["accuracy"], run.result == jt.nn.OUTCOMES.all_epochs

    TRACES.clear()
    keys = jr.split(jr.key(0), 3)
    numbers = jnp.array([1e-3, 2e-3, 1e-3]), jnp.array([1e3, 1e3, 10.0]), jnp.array([0.5, 0.5, 0.1])
    lanes = jax.jit(jax.vmap(accuracy))
    found, ended = lanes(keys, *numbers)
    assert len(TRACES) == 2  # a whole batch and the short one
    assert lanes._cache_size() == 1
    assert found.shape == (3, 2)
    assert np.all(ended)
    backwards, _ = lanes(keys[::-1], *(each[::-1] for each in numbers))
    np.testing.assert_allclose(backwards[::-1], found)


def test_a_run_that_was_interrupted_goes_on_with_the_same_bits(run, tmp_path, monkeypatch):
    path, saved = tmp_path / "digits.train", []

    def interrupted_after_two(*args):
        saved.append(1)
        save(*args)
        if len(saved) == 2:
            signal.raise_signal(signal.SIGINT)  # as Ctrl-C does

    module = sys.modules["jaxtile.nn.training.verbs"]
    save = module.save
    monkeypatch.setattr(module, "save", interrupted_after_two)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores the signal
    with pytest.raises(KeyboardInterrupt):
        train(jr.key(0), checkpoint=path)
    signal.signal(signal.SIGINT, former)
    monkeypatch.setattr(module, "save", save)
    assert_equal(train(jr.key(0), checkpoint=path, every=2), run)
    assert_equal(train(jr.key(0), checkpoint=path), run)  # complete already
    assert [file.name for file in tmp_path.iterdir()] == ["digits.train"]
    with pytest.raises(ValueError, match=r"(?s)checkpoint=.* is of another run: .*  key: "):
        train(jr.key(1), checkpoint=path)
    compressed = network(jr.key(0), jt.TileConfig(pulse=jt.pulse.Stochastic()))  # of the same numbers
    with pytest.raises(ValueError, match=r"model\.layers\.0\.tile\.config\.pulse\.class: .*Stochastic.* now"):
        train(jr.key(0), model=compressed, checkpoint=path)
    with pytest.raises(ValueError, match=r"test\.0|test: "):
        train(jr.key(0), test=(TEST[0][:9], TEST[1][:9]), checkpoint=path)
    whole = path.read_bytes()
    header, _, numbers = whole.partition(b"\n")
    for written, message in (
        (whole[:-200], "is damaged"),
        (numbers, "is no checkpoint of jaxtile.train"),
        (header.replace(b'"format": 2, ', b"") + b"\n" + numbers, "is of another run: .*format: 2 now, None in the file"),
    ):
        path.write_bytes(written)
        with pytest.raises(ValueError, match=f"(?s)checkpoint=.* {message}"):
            train(jr.key(0), checkpoint=path)
    with pytest.raises(ValueError, match="is a folder, or in one that does not exist"):
        train(jr.key(0), checkpoint=tmp_path / "nowhere" / "at all")


KILLED = """
import os, pathlib, signal, sys
import jax.random as jr
sys.path.insert(0, sys.argv[1])
import test_train

replace, times = pathlib.Path.replace, []

def killed(path, target):
    times.append(path)
    if len(times) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

pathlib.Path.replace = killed
test_train.train(jr.key(0), checkpoint=sys.argv[2])
"""


@pytest.mark.slow
def test_a_run_that_was_killed_while_it_wrote_goes_on_with_the_same_bits(run, tmp_path):
    path = tmp_path / "digits.train"
    command = [sys.executable, "-c", KILLED, str(pathlib.Path(__file__).parent), str(path)]
    process = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    TRACES.clear()  # the loss uses them, and a checkpoint knows what a loss uses
    assert_equal(train(jr.key(0), checkpoint=path), run)


def test_a_progress_bar_counts_epochs(run, capfd):
    train(jr.key(0), progress=True)
    shown = capfd.readouterr().err
    assert shown.count("\n") == 1  # one bar
    assert "4/4" in shown
    assert "accuracy=" in shown


def test_the_best_model_is_kept_and_patience_ends_a_run():
    best = jt.nn.Best("accuracy", patience=2)
    frozen = jax.tree.map(lambda _: None, jt.nn.trainable(network(jr.key(0))), is_leaf=lambda node: isinstance(node, jt.Tile))
    run = train(jr.key(0), best=best, parts=frozen, data=(X[:50], Y[:50]), epochs=8)
    assert run.result == jt.nn.OUTCOMES.stopped
    made = np.isfinite(run.history["accuracy"])
    assert np.sum(made) == run.stats["epochs"] < 8
    assert float(run.stats["accuracy"]) == np.max(np.asarray(run.history["accuracy"])[made])
    np.testing.assert_array_equal(run.model.layers[0].tile.weight, network(jr.key(0)).layers[0].tile.weight)


def test_where_nothing_was_best_the_last_model_is_kept():
    """A metric that is NaN leads nowhere: its model must not be the one before the first epoch."""
    undefined = {"accuracy": lambda model, x, y, *, key: jnp.mean(x) * jnp.nan}
    run = train(jr.key(0), best=jt.nn.Best("accuracy"), metrics=undefined, data=(X[:50], Y[:50]), epochs=1)
    assert run.model.layers[0].tile.full_pulses > 0


@pytest.mark.parametrize("kind", mostly_slow(["list", "function", "torch"], "function", "torch"))
def test_batches_may_come_from_outside(kind):
    arrays = [(X[n : n + 50], Y[n : n + 50]) for n in range(0, 120, 50)]
    data = {"list": arrays, "function": lambda epoch: iter(arrays[:: 1 - 2 * epoch])}.get(kind)
    if kind == "torch":
        torch = pytest.importorskip("torch")
        pairs = torch.utils.data.TensorDataset(torch.tensor(X[:120]), torch.tensor(Y[:120]))
        data = torch.utils.data.DataLoader(pairs, batch_size=50)
    run = train(jr.key(0), data=data, batch_size=None, epochs=2)
    assert run.history["loss"].shape == (2,)
    assert run.history["loss"][1] < run.history["loss"][0]
    assert run.model.layers[0].tile.full_pulses > 0


def test_training_is_drawn(run):
    ax = jt.plot.training({"digits": run}, quantity="accuracy")
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.stack([np.arange(1, 5), run.history["accuracy"]], 1))
    lanes = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), eqx.filter(run, eqx.is_array))
    assert len(jt.plot.training(lanes).collections) == 1
    assert jt.plot.training(run, quantity="layers.0.pulses").get_ylabel() == "full pulses per cell and epoch\nlayers.0"
    with pytest.raises(ValueError, match="quantity"):
        jt.plot.training(run, quantity="sharpness")
    plt.close("all")


class Twice(eqx.Module):
    """A user's module, which holds what it is given in two places."""

    first: jt.nn.Linear
    second: jt.nn.Linear

    def __call__(self, x, *, key):
        return self.second(jnp.tanh(self.first(x, key=jr.fold_in(key, 0))), key=jr.fold_in(key, 1))


SQUARE = jt.nn.Linear(64, 64, jt.TileConfig(), key=jr.key(0))
OTHER = jt.init(jt.TileConfig(), (64, 64), key=jr.key(1))


REFUSED = {
    "labels as words": ({"data": (X, Y.astype(str))}, TypeError, r"data\[1\] is of dtype"),
    "labels as floats": ({"data": (X, Y.astype(float))}, TypeError, "labels are whole numbers"),
    "one-hot labels": ({"data": (X, np.eye(10)[Y])}, TypeError, "argmax"),
    "labels beyond": ({"data": (X[:1203], Y[:1203] + 5)}, FloatingPointError, "labels"),
    "NaN": ({"data": (np.where(X > 0.9, np.nan, X), Y)}, ValueError, r"data\[0\] holds .* NaN"),
    "NaN in a batch": ({"data": [(X * np.nan, Y)], "batch_size": None}, ValueError, "batch 0 of data"),
    "unequal": ({"data": (X, Y[1:])}, ValueError, "equally many"),
    "no tile": ({"model": eqx.nn.MLP(64, 10, 8, 1, key=jr.key(0))}, TypeError, "holds no tile"),
    "a tile alone": (
        {"model": {"tile": jt.init(jt.TileConfig(), (3, 2), key=jr.key(0))}},
        TypeError,
        "tile is a tile without a layer",
    ),
    "a shared layer": ({"model": Twice(SQUARE, SQUARE)}, ValueError, "first and second share a tile.*equinox.nn.Shared"),
    "a shared tile": ({"model": Twice(SQUARE, SQUARE.replace(bias=None))}, ValueError, "first and second share a tile"),
    "no key": ({"key": None, "model": Twice(SQUARE, SQUARE.replace(tile=OTHER))}, TypeError, "key=None is not one random key"),
    "momentum": ({"optimizer": optax.sgd(0.1, momentum=0.9)}, TypeError, "optimizer=.* is no jaxtile.nn.Optimizer"),
    "rows of pairs": ({"data": [X, Y], "batch_size": None}, TypeError, "batch 0 of data is of type ndarray"),
    "used up": ({"data": iter([(X[:50], Y[:50])]), "batch_size": None}, ValueError, "used up"),
    "no data": ({"data": 3, "batch_size": None}, TypeError, "data is of type int"),
    "a size for batches": ({"data": [(X, Y)]}, ValueError, "batch_size"),
    "metrics of nothing": ({"test": None}, ValueError, "metrics=accuracy"),
    "best of nothing": ({"best": jt.nn.Best("sharpness")}, ValueError, "best.of"),
    "labels beyond whole numbers": (
        {"data": (X, Y.astype(np.uint64) + 2**63)},
        ValueError,
        r"data\[1\] holds whole numbers beyond",
    ),
    "a metric of several": (
        {"metrics": {"outputs": lambda model, x, y, *, key: model(x, key=key)}},
        TypeError,
        r"metrics\['outputs'\] returned float.*it must return one number",
    ),
    "a metric of several, of batches": (
        {"metrics": {"outputs": lambda model, x, y, *, key: y}, "data": [(X, Y)], "batch_size": None},
        TypeError,
        r"metrics\['outputs'\] returned",
    ),
    "data by name": ({"data": {"x": X, "y": Y}, "batch_size": None}, TypeError, "data is of type dict"),
    "no epochs": ({"epochs": 0}, ValueError, "epochs=0"),
    "epochs without end": ({"epochs": 10**10}, ValueError, "epochs=10000000000 must be a whole number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused_by_name(case, unhooked):
    changes, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        train(**{"key": jr.key(0)} | changes)


def test_a_loss_is_a_function(unhooked):
    with pytest.raises(TypeError, match="loss=3 is no function; pass one of"):
        jt.train(SQUARE, 3, TRAIN, OPTIMIZER, key=jr.key(0), epochs=1)


def test_losses_and_metrics_without_a_key_are_refused_with_the_call_they_get(unhooked):
    def keyless(model, x, y):
        return jnp.mean(model(x))

    for data in (TRAIN, [TRAIN]):
        with pytest.raises(
            TypeError, match=r"loss takes \(model, x, y\), but is called with the model, .* and key=: got an unexpected"
        ):
            jt.train(SQUARE, keyless, data, OPTIMIZER, key=jr.key(0), epochs=1)
    with pytest.raises(TypeError, match=r"metrics\['own'\] takes \(model, x, y\), but is called with"):
        jt.train(SQUARE, loss, TRAIN, OPTIMIZER, key=jr.key(0), epochs=1, test=TEST, metrics={"own": keyless})
    with pytest.raises(TypeError, match=r"metrics\['own'\] takes .*: missing a required argument: 'z'"):
        jt.nn.evaluate(SQUARE, TEST, {"own": lambda model, x, y, z, *, key: 0.0}, key=jr.key(0))


def test_batches_from_outside_are_refused_under_a_trace(unhooked):
    with pytest.raises(TypeError, match="data is iterated over outside of any trace"):
        jax.vmap(lambda key: train(key, data=[TRAIN], batch_size=None).history)(jr.split(jr.key(0), 2))


def test_a_layer_that_stands_in_two_places_is_kept_once():
    """`Sequential` refuses it when it is made, so also where a trace hides it later; `equinox.nn.Shared` is the way."""
    with pytest.raises(ValueError, match="layers.0 and layers.2 share a tile"):
        jt.nn.Sequential([SQUARE, jax.nn.relu, SQUARE])
    with pytest.raises(ValueError, match="layers.0 and layers.1.layers.0 share a tile"):
        jt.nn.Sequential([SQUARE, jt.nn.Sequential([SQUARE])])
    shared = eqx.nn.Shared(Twice(SQUARE, SQUARE), lambda model: model.second, lambda model: model.first)
    x, key = jnp.asarray(X[:5]), jr.key(1)
    grads = eqx.filter_jit(jt.nn.value_and_grad(lambda model, x: jnp.mean(model()(x, key=key) ** 2)))(shared, x)[1]
    (pair,) = jax.tree.leaves(grads, is_leaf=lambda node: isinstance(node, jt.nn.Factors) or node is None)[:1]
    assert pair.x.shape == pair.d.shape == (10, 64)
    np.testing.assert_array_equal(pair.x[:5], x)


def test_a_step_is_exported_for_accelerators_without_a_callback():
    model = network(jr.key(0))
    arrays, static = eqx.partition((model, OPTIMIZER.init(model)), eqx.is_array)

    @jax.jit
    def step(arrays, x, y, words):
        model, state = eqx.combine(arrays, static)
        key = jr.wrap_key_data(words)
        _, grads = jt.nn.value_and_grad(jt.nn.cross_entropy)(model, x, y, key=key)
        return eqx.filter(OPTIMIZER.step(model, grads, state, key=key), eqx.is_array)

    exported = jax.export.export(step, platforms=("cuda", "tpu"))(arrays, X[:8], Y[:8], jr.key_data(jr.key(0)))
    assert exported.platforms == ("cuda", "tpu")
    calls = [line for line in exported.mlir_module().splitlines() if "custom_call" in line]
    assert not [line for line in calls if "callback" in line.split("loc(")[0]]

"""Networks on tiles as layers of aihwkit: the very same chips, an LSTM among them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("aihwkit")

from aihwkit.exceptions import ConfigError  # noqa: E402
from aihwkit.nn.modules.rnn.cells import AnalogLSTMCell  # noqa: E402

import bridge  # noqa: E402
import jaxtile as jt  # noqa: E402

KEY = jr.key(0)
QUIET = jt.IOParameters(out_noise=0.0, inp_res=1 / 1022, out_res=1 / 4094)
LENGTH, BATCH = 5, 3


def lstm(forward):
    cell = eqx.nn.LSTMCell(6, 4, key=KEY)
    chip = jt.nn.convert([cell], {"0": jt.TileConfig(jt.device.SoftBounds(), forward=forward)}, key=KEY)[0]
    layers = bridge.to_analog_layers(chip)
    assert list(layers) == ["weight_ih", "weight_hh"]
    theirs = AnalogLSTMCell(6, 4, False)
    theirs.weight_ih, theirs.weight_hh = layers["weight_ih"], layers["weight_hh"]
    theirs.gates_bias = torch.tensor(np.asarray(cell.bias))
    return chip, theirs


def run_there(cell, xs):
    """aihwkit's cell over time; equinox's has one bias for all gates, which is added digitally."""
    h = c = torch.zeros(xs.shape[1], 4)
    for x in torch.tensor(np.asarray(xs)):
        gates = cell.weight_ih(x) + cell.weight_hh(h) + cell.gates_bias
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
    return h.detach().numpy()


def run_here(cell, xs, key):
    def step(state, each):
        x, n = each
        return cell(x, state, key=jr.fold_in(key, n)), None

    zero = jnp.zeros((xs.shape[1], 4))
    return jax.lax.scan(step, (zero, zero), (xs, jnp.arange(xs.shape[0])))[0][0]


def test_an_lstm_is_that_of_aihwkit_on_the_same_chips():
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(LENGTH, BATCH, 6)), jnp.float32)
    chip, theirs = lstm(jt.IOParameters(is_perfect=True))
    np.testing.assert_allclose(run_here(chip, xs, KEY), run_there(theirs, xs), atol=1e-4)
    one = AnalogLSTMCell.forward(theirs, torch.tensor(np.asarray(xs[0])), (torch.zeros(BATCH, 4),) * 2)[0].detach().numpy()
    plain = eqx.tree_at(lambda cell: cell.digital.bias, chip, jnp.zeros(16))
    np.testing.assert_allclose(run_here(plain, xs[:1], KEY), one, atol=1e-4)
    chip, theirs = lstm(QUIET)
    here = run_here(chip, xs, KEY)
    np.testing.assert_allclose(here, run_there(theirs, xs), atol=1e-4)  # a step of the ADC is 0.006, so that one would show
    assert np.abs(here - run_here(lstm(jt.IOParameters(is_perfect=True))[0], xs, KEY)).max() > 1e-3


def test_noise_of_an_lstm_has_the_moments_of_aihwkit():
    """Means and variances of the last hidden state over draws of the read noise, each within its standard error (Bonferroni, 1 %)."""
    n = 400
    xs = jnp.broadcast_to(jnp.asarray(np.random.default_rng(0).normal(size=(LENGTH, 1, 6)), jnp.float32), (LENGTH, n, 6))
    chip, theirs = lstm(jt.IOParameters(out_noise=0.3))
    torch.manual_seed(1)
    here, there = np.asarray(run_here(chip, xs, KEY)), run_there(theirs, xs)

    def fourth(x):
        return np.mean((x - x.mean(0)) ** 4, axis=0)

    means = (here.mean(0) - there.mean(0)) / np.sqrt((here.var(0) + there.var(0)) / n)
    spread = (fourth(here) - here.var(0) ** 2 + fourth(there) - there.var(0) ** 2) / n
    variances = (here.var(0) - there.var(0)) / np.sqrt(spread)
    assert here.std(0).min() > 0.01
    assert np.abs([means, variances]).max() < 3.2  # of 8 numbers


def test_a_network_is_exported_layer_by_layer():
    """Scales and bias go along; what aihwkit has no layer for is refused by its path."""
    reads = jt.IOParameters(is_perfect=True)
    perfect = jt.TileConfig(forward=reads, backward=reads)
    network = eqx.nn.MLP(5, 3, width_size=4, depth=1, key=KEY)
    chip = jt.nn.convert(network, {".*": jt.nn.Rule(perfect, mapping=jt.nn.Mapping(columnwise=True))}, key=KEY)
    layers = bridge.to_analog_layers(chip)
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    with torch.no_grad():
        found = layers["layers.1"](torch.relu(layers["layers.0"](torch.tensor(x)))).numpy()
    np.testing.assert_allclose(found, jax.vmap(chip)(jnp.asarray(x)), atol=1e-4)

    split = jt.nn.convert(network, {".*": perfect}, max_shape=(3, 3), key=KEY)
    with pytest.raises(ConfigError, match=r"layers\.0 is held by Grid of 4 tiles"):
        bridge.to_analog_layers(split)
    ranged = jt.nn.calibrate(chip, x, lambda model, x, *, key: jax.vmap(model)(x), key=KEY)
    with pytest.raises(ConfigError, match=r"layers\.0 has input_range"):
        bridge.to_analog_layers(ranged)
    poor = jt.nn.convert(network, {".*": jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=9.0))}, key=KEY)
    with pytest.raises(ConfigError, match=r"layers\.0: half_select=.*have no half-selection"):
        bridge.to_analog_layers(poor)

"""The network that Wu et al. train by pulses: the same chips, first weights and order of images in aihwkit and here.

Each layer is one tile with the default periphery, a digital bias and learned output scales. Those move at the rate of the pulses.
The paper has a scale for each output, its code one for each layer.
"""

import dataclasses

import base
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import stored
import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.simulator.configs import SingleRPUConfig, build_config
from algorithm_cost import in_order
from training_parity import BATCH, train_there

import bridge
import jaxtile as jt

WIDTHS, RATE, LAST = [784, 256, 128, 10], 0.05, 5
SMALL = [784, 32, 10]  # of small runs, which end where accuracies are flat
COLUMNS = ("jaxtile", "aihwkit", "apart, in standard errors")
FAST = {"fast_lr": 0.01, "scale_fast_lr": False}


def config(algorithm, device, scales="layers"):
    """The configuration of aihwkit for plain descent or TTv1, with a learned scale for each of these."""
    made = SingleRPUConfig(device=device) if algorithm == "SGD" else build_config("ttv1", device=device)
    if algorithm == "TTv1":
        made.device.fast_lr = FAST["fast_lr"]  # not scaled, by default
    made.mapping.learn_out_scaling, made.mapping.out_scaling_columnwise = True, scales == "outputs"
    made.mapping.max_input_size = made.mapping.max_output_size = 0
    return made


def network(config, seed, widths=WIDTHS):
    """Layers of aihwkit with sigmoids between them."""
    torch.manual_seed(seed)
    layers = []
    for width, out in zip(widths, widths[1:], strict=False):
        layers += [AnalogLinear(width, out, bias=True, rpu_config=config), torch.nn.Sigmoid()]
    return AnalogSequential(*layers[:-1])


def same(model):
    """The same chips and weights in jaxtile, which sends the pulses of a batch in one pass."""
    return sequential(
        jt.nn.Linear.around(
            in_one_pass(bridge.from_analog_tile(next(layer.analog_tiles()))),
            bias=jnp.asarray(layer.get_weights()[1].numpy()),
            out_scales=jnp.asarray(layer.analog_module.get_learned_out_scales().detach().numpy()),
        )
        for layer in model.analog_layers()
    )


def sequential(layers):
    """Layers with sigmoids between them."""
    return jt.nn.Sequential([part for layer in layers for part in (layer, jax.nn.sigmoid)][:-1])


def in_one_pass(tile):
    """The tile whose devices sum the pulses of a batch."""
    return dataclasses.replace(tile, config=dataclasses.replace(tile.config, device=in_order(tile.config.device, "batch")))


def on_tiles(change, model):
    """The network with each of its tiles changed."""

    def is_tile(part):
        return isinstance(part, jt.Tile)

    return jax.tree.map(lambda part: change(part) if is_tile(part) else part, model, is_leaf=is_tile)


def digital(seed, widths=WIDTHS):
    """The same network in digital."""
    perfect = jt.IOParameters(is_perfect=True)
    config = jt.TileConfig(jt.device.Ideal(), forward=perfect, backward=perfect)
    keys = jax.random.split(jax.random.key(seed), len(widths))
    return sequential(
        jt.nn.Linear(width, out, config, weights="digital", key=key)
        for width, out, key in zip(widths, widths[1:], keys, strict=False)
    )


def shuffled(train, seed):
    """The images in the order of a seed."""
    order = np.random.default_rng(seed).permutation(len(train[1]))
    return tuple(part[order] for part in train)


def ours(model, images, seed, *, epochs, rate=RATE):
    """Accuracy after each epoch, of a network of jaxtile that sees the images in the order of a seed."""
    rates = np.atleast_1d(rate)
    ends = np.arange(1, len(rates)) * (epochs // len(rates)) * (len(images.train[1]) // BATCH)
    rate = optax.join_schedules([optax.constant_schedule(float(each)) for each in rates], ends)
    options = {"batch_size": BATCH, "test": images.test, "metrics": {"accuracy": jt.nn.accuracy}, "shuffle": False}
    optimizer, key = jt.nn.Optimizer(rate, digital=optax.sgd(rate)), jax.random.key(seed)
    return jt.train(model, jt.nn.cross_entropy, shuffled(images.train, seed), optimizer, key=key, epochs=epochs, **options).history[
        "accuracy"
    ]


def theirs(model, images, seed, *, epochs, rate=RATE):
    """The same of a network of aihwkit."""
    torch.set_num_threads(1)  # small layers are slower on more
    rates, train = np.atleast_1d(rate), shuffled(images.train, seed)
    return np.concatenate([train_there(model, train, images.test, rate=float(each), epochs=epochs // len(rates)) for each in rates])


def curves(name, case, here, there=None, *, epochs, rate=RATE, chips=(3, 3)):
    """Accuracies [seed, epoch] of a script's case, measured or stored, by the name of the engine.

    `here` and, unless aihwkit has no such device, `there` make the network of a seed. Rates take equal parts of the epochs, and
    `chips` are as many in each engine. An engine without chips is left out.
    """
    images, numbers = base.images(), {"epochs": epochs, "rate": rate}

    def run(who, train, network, seed):
        own = case | numbers | {"images": images.name, "who": who, "seed": seed}
        return base.measure(name, own, lambda: {"accuracy": train(network(seed), images, seed, **numbers)})["accuracy"]

    engines = {"jaxtile": (ours, here), "aihwkit": (theirs, there)}
    return {
        who: np.array([run(who, train, network, seed) for seed in range(count)])
        for (who, (train, network)), count in zip(engines.items(), chips, strict=True)
        if network and count
    }


def both(name, case, algorithm, device, *, scales="layers", **options):
    """`curves` of a device of aihwkit, on the same chips in both."""

    def there(seed):
        return network(config(algorithm, device, scales), seed)

    return curves(name, {"algorithm": algorithm, **case, "scales": scales}, lambda seed: same(there(seed)), there, **options)


def accuracy(published, model, images, **numbers):
    """The mean accuracy of the last epochs of a network of jaxtile, in percent.

    Its error is that of so many test images, and the scatter of these epochs: pulses that rounding flips lead to another of them.
    """
    last = np.asarray(ours(model, images, 0, **numbers)[-LAST:], float)
    share = last.mean()
    return base.Main(published, 100 * share, 100 * float(np.hypot((share * (1 - share) / len(images.test[1])) ** 0.5, last.std())))


def late(curves):
    """The mean of the last epochs of each network, in percent."""
    return 100 * curves[:, -LAST:].mean(axis=1)


def mean(curves):
    """The mean of the last epochs, with its standard error if there are several networks."""
    networks = late(curves)
    return base.show(*stored.mean(networks), 1) if len(networks) > 1 else f"{networks[0]:.1f}"


def shown(found):
    """The columns `COLUMNS` of a table: means with their standard errors, and how far they are apart."""
    columns = [mean(found[who]) if who in found else "–" for who in COLUMNS[:2]]
    if len(found) == 1 or min(map(len, found.values())) == 1:
        return [*columns, "–"]
    (here, own), (there, other) = (stored.mean(late(each)) for each in found.values())
    return [*columns, f"{abs(here - there) / max(np.hypot(own, other), 1e-9):.1f}"]


def summary(*groups):
    """The entries of the table at the top of the page: of each engine the means of groups of cases."""
    return {
        key: "; ".join(" / ".join(mean(found[who]) if who in found else "–" for found in group) for group in groups)
        for key, who in zip(("ours", "aihwkit"), COLUMNS, strict=False)
    }


def draw(name, panels):
    """Accuracy against steps, in the mean over the chips: a panel for each group of cases, a colour for each algorithm."""
    steps = len(base.images().train[1]) // BATCH / 1000  # thousands in an epoch
    figure, axes = plt.subplots(1, len(panels), figsize=(3.2 * len(panels), 2.8), sharey=True, squeeze=False, layout="constrained")
    for ax, (title, cases) in zip(axes[0], panels.items(), strict=True):
        for n, (algorithm, found) in enumerate(cases.items()):
            for (who, curves), line in zip(found.items(), ("-", ":"), strict=False):
                at = steps * (1 + np.arange(curves.shape[1]))
                ax.plot(at, 100 * curves.mean(axis=0), line, color=f"C{n}", label=f"{algorithm}, {who}")
                ax.fill_between(at, *(100 * edge(curves, axis=0) for edge in (np.min, np.max)), color=f"C{n}", alpha=0.15, lw=0)
        ax.set(title=title, xlabel="thousand steps", ylim=(0, 100))
    axes[0, 0].set_ylabel("accuracy in percent")
    axes[0, 0].legend(fontsize=7)
    figure.savefig(base.FIGURES / f"{name}.png", dpi=150)

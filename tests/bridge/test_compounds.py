"""Algorithms of several arrays in aihwkit and in jaxtile: the same chips, the same pulses, the same arrays."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import DigitalRankUpdateRPUConfig, UnitCellRPUConfig, build_config
from aihwkit.simulator.configs.compounds import (
    BufferedTransferCompound,
    ChoppedTransferCompound,
    DynamicTransferCompound,
    MixedPrecisionCompound,
    TransferCompound,
    VectorUnitCell,
)
from aihwkit.simulator.configs.devices import ConstantStepDevice, SoftBoundsDevice
from aihwkit.simulator.parameters.enums import PulseType
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.presets import configs
from aihwkit.simulator.tiles.analog import AnalogTile
from chips import update
from helpers import mostly_slow

import jaxtile as jt
from bridge import RPUConfigWithProgram, from_analog_tile, tile_config, to_analog_tile

KEY, OUT, WIDTH, VECTORS = jr.key(0), 4, 3, 200
COUNTS = {"pulse_type": PulseType.DETERMINISTIC_IMPLICIT}
STEP, OTHER = ConstantStepDevice(dw_min=0.0137, dw_min_std=0.0), ConstantStepDevice(dw_min=0.0291, dw_min_std=0.0)
SOFT = SoftBoundsDevice(dw_min=0.0137, dw_min_std=0.0)
STOCHASTIC, SPREADS = PulseType.STOCHASTIC_COMPRESSED, ("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod")
ABSOLUTE = {"scale_fast_lr": False} if "scale_fast_lr" in {f.name for f in dataclasses.fields(TransferCompound)} else {}


def of(kind, bl=31, batch=2, pulse=None, **own):
    """A compound of two devices or more, the tile's longest train, and the vectors in a batch."""

    def make(*devices, **numbers):
        absolute = ABSOLUTE | {"fast_lr": 0.0513, "transfer_lr": 11.713}
        write = UpdateParameters(**COUNTS | (pulse or {}))
        reads = {"transfer_forward": IOParameters(is_perfect=True), "transfer_update": write}
        return kind(list(devices or (STEP, STEP)), **absolute | own | reads | numbers), bl, batch

    return make


ONE = {"desired_bl": 1, "update_bl_management": False, "update_management": False}
transfer, buffered = of(TransferCompound), of(BufferedTransferCompound, pulse=ONE, transfer_lr=71.713)
chopped = of(ChoppedTransferCompound, pulse=ONE, transfer_lr=7.713, in_chop_prob=0.23, in_chop_random=False)
dynamic = of(DynamicTransferCompound, pulse=ONE, transfer_lr=7.713, in_chop_prob=0.23)
ROWS, AUTO = {"transfer_columns": False}, {"auto_scale": True, "fast_lr": 0.513}


def mixed(device=STEP, batch=2, **numbers):
    return MixedPrecisionCompound(device=device, **numbers), 31, batch


def batches(batch, made):
    compound, bl, _ = made
    return compound, bl, batch


# Rates are incommensurate, so that no product falls on a threshold.
COMPOUNDS = {
    "transfer": transfer,
    "transfer, vectors": lambda: batches(3, transfer(STEP, OTHER, transfer_every=2.0, units_in_mbatch=False)),
    "transfer, rows": lambda: batches(1, transfer(STEP, OTHER, units_in_mbatch=False, **ROWS)),
    "transfer, three arrays": lambda: transfer(STEP, OTHER, OTHER, gamma=0.31, n_reads_per_transfer=2),
    "transfer, more reads than rows": lambda: batches(
        4, transfer(STEP, STEP, STEP, n_reads_per_transfer=5, fast_lr=0.0, transfer_every=2.0, **ROWS)
    ),
    "transfer, numbers for each array": lambda: batches(
        3, transfer(STEP, STEP, STEP, transfer_every_vec=[1.3, 2.7, 3.1], transfer_lr_vec=[31.713, 43.71, 0.3])
    ),
    "transfer, to itself": lambda: transfer(SOFT, SOFT, no_self_transfer=False, transfer_lr=3.713, transfer_every=2.0),
    "buffered": buffered,
    "buffered, three arrays": lambda: batches(
        3,
        buffered(
            STEP,
            OTHER,
            OTHER,
            n_reads_per_transfer=2,
            gamma=0.31,
            units_in_mbatch=False,
            transfer_lr=17.13,
            **ROWS | {"forget_buffer": False},
        ),
    ),
    "buffered, vectors": lambda: batches(1, buffered(SOFT, OTHER, transfer_every=2.0, units_in_mbatch=False, gamma=0.17)),
    "buffered, threshold": lambda: batches(4, buffered(SOFT, OTHER, thres_scale=1.7, step=0.9, momentum=0.37)),
    "chopped": chopped,
    "chopped, rows": lambda: batches(4, chopped(forget_buffer=False, momentum=0.3, transfer_lr=1.713, **ROWS, **AUTO)),
    "chopped, granularity": lambda: chopped(STEP, OTHER, auto_granularity=13.7, units_in_mbatch=True, transfer_every=1.7),
    "chopped, corrected": lambda: batches(
        3, chopped(STEP, OTHER, transfer_lr=0.713, correct_gradient_magnitudes=True, auto_scale=True, buffer_granularity=0.7)
    ),
    "chopped, no buffer": lambda: batches(1, chopped(transfer_lr=17.713, no_buffer=True, in_chop_prob=0.0)),
    "dynamic": dynamic,
    "dynamic, rows": lambda: batches(
        4, dynamic(forget_buffer=False, momentum=0.3, buffer_cap=1.3, tail_weightening=2.1, **ROWS, **AUTO)
    ),
    "dynamic, accumulation": lambda: batches(1, dynamic(experimental_correct_accumulation=True, transfer_lr=27.7)),
    "dynamic, corrected": lambda: batches(
        3, dynamic(STEP, OTHER, transfer_lr=0.713, in_chop_prob=0.3, correct_gradient_magnitudes=True, units_in_mbatch=True)
    ),
    "mixed": mixed,
    "mixed, some rows": lambda: mixed(SOFT, 3, n_rows_per_transfer=3, transfer_every=2, granularity=0.0171, transfer_lr=0.83),
    "mixed, levels": lambda: mixed(STEP, 1, n_x_bins=7, n_d_bins=9, stoc_round_x=False, stoc_round_d=False),
    "mixed, unit cell": lambda: mixed(VectorUnitCell([STEP, OTHER]), 4),
}


def tile_of(compound, bl=31) -> AnalogTile:
    kind = DigitalRankUpdateRPUConfig if isinstance(compound, MixedPrecisionCompound) else UnitCellRPUConfig
    tile = AnalogTile(OUT, WIDTH, kind(device=compound, update=UpdateParameters(desired_bl=bl, **COUNTS)), bias=False)
    tile.tile.set_weights(torch.zeros(OUT, WIDTH))
    return tile


def trained(name, learning_rate=0.0173):
    """A tile of aihwkit and jaxtile's after the same vectors."""
    compound, bl, batch = COMPOUNDS[name]()
    theirs = tile_of(compound, bl)
    ours = from_analog_tile(theirs)
    theirs.tile.set_learning_rate(learning_rate)
    rng = np.random.default_rng(3)
    for _ in range(-(-VECTORS // batch)):
        x, d = rng.uniform(-1, 1, (batch, WIDTH)).astype("f4"), rng.uniform(-0.8, 1.2, (batch, OUT)).astype("f4")
        theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)
        ours = update(ours, x, d, learning_rate, KEY)
    return theirs, ours


def test_batches_of_one_to_four_are_all_there():
    """At least twenty configurations; of each algorithm columns and rows, where it has both, and batches of 1 to 4."""
    made = [COMPOUNDS[name]() for name in COMPOUNDS]
    assert len(made) >= 20
    for kind in {type(compound) for compound, _, _ in made}:
        own = [(compound, batch) for compound, _, batch in made if type(compound) is kind]
        assert {batch for _, batch in own} == {1, 2, 3, 4}
        assert {getattr(compound, "transfer_columns", None) for compound, _ in own} in ({None}, {True, False})


@pytest.mark.parametrize("name", mostly_slow(COMPOUNDS, "transfer, three arrays", "dynamic, rows", "mixed"))
def test_without_chance_algorithms_agree(name):
    """Every array, buffer, running mean and counter; then over to a tile of aihwkit, and back."""
    theirs, ours = trained(name)
    back = from_analog_tile(theirs)
    states = [jax.tree_util.tree_leaves_with_path(tile.state) for tile in (ours, back)]
    for (path, one), (_, other) in zip(*states, strict=True):
        where = jax.tree_util.keystr(path)
        if where.startswith((".device", ".chi")):
            within = {"atol": 3e-6 if where == ".devices[0]" else 1e-6, "rtol": 0}
        else:  # a buffer sums up what is read, and its rounding, ten times as large
            within = {"atol": 2e-5, "rtol": 1e-5}
        np.testing.assert_allclose(one, other, **within, err_msg=where)
    np.testing.assert_allclose(ours.weight, theirs.tile.get_weights().numpy(), atol=1e-6, rtol=0)
    assert np.count_nonzero(ours.weight) > 5
    if isinstance(ours.device, jt.learning.MixedPrecision):
        with pytest.raises(ConfigError, match="digital sum `chi`"):
            to_analog_tile(ours)
        ours = ours.with_state(dataclasses.replace(ours.state, chi=0 * ours.state.chi))
    again = from_analog_tile(to_analog_tile(ours))
    one, other = ((tile.config.device, tile.cells, tile.state) for tile in (again, ours))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_what_aihwkit_cannot_hold_is_refused():
    step = jt.device.ConstantStep()
    algorithm = jt.learning.Transfer((step, step, jt.device.SoftBounds()), scale_fast_lr=False)
    with pytest.raises(ConfigError, match="all arrays but the first are of one kind"):
        to_analog_tile(jt.init(jt.TileConfig(algorithm), (3, 4), key=KEY))
    for own in (jt.learning.ERider(), jt.learning.FilteredTransfer(), jt.learning.ResidualLearning(scale_fast_lr=False)):
        with pytest.raises(ConfigError, match="has no counterpart in aihwkit"):
            to_analog_tile(jt.init(jt.TileConfig(own), (3, 4), key=KEY))
    if not ABSOLUTE:
        with pytest.raises(ConfigError, match="scale_fast_lr=True needs aihwkit 1.2"):
            to_analog_tile(jt.init(jt.TileConfig(jt.learning.Transfer()), (3, 4), key=KEY))


@pytest.mark.parametrize("kind", [TransferCompound, BufferedTransferCompound, ChoppedTransferCompound, DynamicTransferCompound])
def test_defaults_are_those_of_aihwkit(kind):
    """Of aihwkit 1.2, where the fast rate is scaled for two of the four."""
    ours = tile_config(UnitCellRPUConfig(device=kind([ConstantStepDevice(), ConstantStepDevice()]))).device
    own = type(ours)()
    assert repr(dataclasses.replace(ours, scale_fast_lr=own.scale_fast_lr)) == repr(own)
    assert own.scale_fast_lr == (kind in (TransferCompound, BufferedTransferCompound))


@pytest.mark.parametrize("algorithm", ["sgd", "tiki-taka", "ttv2", "c-ttv2", "agad", "mp"])
def test_configurations_of_algorithms_are_those_of_aihwkit(algorithm):
    theirs = tile_config(build_config(algorithm, SoftBoundsDevice(dw_min=0.01)))
    assert_same(jt.learning.build(algorithm, jt.device.SoftBounds(dw_min=0.01)), theirs)


PRESETS = {"TikiTaka": "ttv1", "TTv2": "ttv2", "ChoppedTTv2": "c-ttv2", "AGAD": "agad", "MixedPrecision": "mp"}
DEVICES = {"ReRamES": "reram_es", "ReRamSB": "reram_sb", "Capacitor": "capacitor", "EcRam": "ecram", "EcRamMO": "ecram_mo"}


@pytest.mark.parametrize("algorithm", mostly_slow(PRESETS, "AGAD", "MixedPrecision"))
def test_presets_are_those_of_aihwkit(algorithm):
    for theirs, ours in (DEVICES | {"Idealized": "idealized"}).items():
        config = tile_config(getattr(configs, f"{algorithm}{theirs}Preset")())
        assert_same(jt.learning.preset(PRESETS[algorithm], ours), config)


def assert_same(ours, theirs):
    """Equal but for the scale of the fast rate, which aihwkit 1.1 does not have, and stages of transfers that nothing reads."""
    one, other = (dataclasses.replace(config, device=_plain(config.device)) for config in (ours, theirs))
    assert eqx.tree_equal(one, other, rtol=1e-6), f"{one}\n{other}"


def _plain(device):
    if not isinstance(device, jt.learning.AbstractTransfer):
        return device
    io = dataclasses.replace(device.transfer_forward, noise_management=None, bound_management=None)
    return dataclasses.replace(device, scale_fast_lr=False, transfer_forward=io)


def in_a_network(kind, transfer_lr):
    arrays = [SoftBoundsDevice(dw_min=0.01), SoftBoundsDevice(dw_min=0.01)]  # a fast array that forgets what it has summed up
    return lambda: kind(arrays, **ABSOLUTE, fast_lr=0.1, transfer_lr=transfer_lr, units_in_mbatch=False)


NETWORKS = {
    "transfer": in_a_network(TransferCompound, 3.0),
    "buffered": in_a_network(BufferedTransferCompound, 30.0),
    "chopped": in_a_network(ChoppedTransferCompound, 0.3),
    "dynamic": in_a_network(DynamicTransferCompound, 3.0),
    "mixed": lambda: MixedPrecisionCompound(device=ConstantStepDevice(dw_min=0.01)),
}


@pytest.mark.parametrize("name", mostly_slow(NETWORKS))
def test_a_network_of_aihwkit_trains_with_them(name):
    """By its own loop and optimizer, on tiles of jaxtile with half-selected cells."""
    torch.manual_seed(0)
    half_select = jt.half_select.ConstantRatio(kappa=100.0)
    layer = AnalogLinear(4, 3, bias=False, rpu_config=RPUConfigWithProgram(device=NETWORKS[name](), half_select=half_select))
    optimizer = AnalogSGD(layer.parameters(), lr=0.1)
    optimizer.regroup_param_groups(layer)
    x, teacher = torch.rand(10, 4) * 2 - 1, torch.rand(3, 4) - 0.5
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = ((layer(x) - x @ teacher.T) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:3])
    tile = next(layer.analog_tiles()).tile.jax_tile
    assert int(tile.state.turn) == 600
    assert float(tile.half_pulses) > 0


NOMINAL = ConstantStepDevice(dw_min=0.0137, dw_min_std=0.3, **dict.fromkeys(SPREADS, 0.0))
BY_CHANCE = {
    "transfer": partial(transfer, NOMINAL, NOMINAL, fast_lr=0.11, transfer_lr=7.7),
    "buffered": partial(buffered, NOMINAL, NOMINAL, fast_lr=0.11, transfer_lr=17.7),
    "chopped": partial(chopped, NOMINAL, NOMINAL, fast_lr=0.11, transfer_lr=7.7, in_chop_prob=0.3, in_chop_random=True),
    "dynamic": partial(dynamic, NOMINAL, NOMINAL, fast_lr=0.11, transfer_lr=7.7, in_chop_prob=0.3, in_chop_random=True),
    "mixed": partial(mixed, NOMINAL, n_x_bins=9, n_d_bins=9),
}


@pytest.mark.parametrize("name", mostly_slow(BY_CHANCE, "transfer"))
def test_the_law_of_stochastic_pulses(name):
    """Means and variances of all arrays after thirty vectors, of many chips that are alike."""
    compound, _, _ = BY_CHANCE[name]()
    if name != "mixed":
        writing = dataclasses.replace(compound.transfer_update, pulse_type=STOCHASTIC)
        compound = dataclasses.replace(compound, transfer_update=writing)
    kind = DigitalRankUpdateRPUConfig if name == "mixed" else UnitCellRPUConfig
    config = kind(device=compound, update=UpdateParameters(desired_bl=5))
    rng = np.random.default_rng(3)
    x, d = rng.uniform(-1, 1, (30, WIDTH)).astype("f4"), rng.uniform(-0.8, 1.2, (30, OUT)).astype("f4")
    theirs = []
    for _ in range(150):
        tile = AnalogTile(OUT, WIDTH, config, bias=False)
        tile.tile.set_weights(torch.zeros(OUT, WIDTH))
        tile.tile.set_learning_rate(0.173)
        for part in range(3):
            tile.tile.update(*(torch.from_numpy(one[10 * part : 10 * part + 10]) for one in (x, d)), False)
        theirs.append([array.numpy().copy() for array in arrays_of(tile)])
    chip = jt.init(tile_config(config), (OUT, WIDTH), key=KEY)

    def after(key):
        def step(tile, numbered):
            n, *vectors = numbered
            return jt.update(tile, *vectors, learning_rate=0.173, key=jr.fold_in(key, n)), None

        tile, _ = jax.lax.scan(step, chip, (np.arange(3), x.reshape(3, 10, WIDTH), d.reshape(3, 10, OUT)))
        return (tile.weight,) if name == "mixed" else tile.state.devices

    ours = jax.jit(jax.vmap(after))(jr.split(KEY, 400))
    for k, array in enumerate(ours):
        samples = [np.asarray(one).reshape(len(one), -1) for one in (array, np.stack([arrays[k] for arrays in theirs]))]
        assert np.count_nonzero(samples[0].std(axis=0)) > 3
        for moment in (lambda s: s, lambda s: (s - s.mean(axis=0)) ** 2):
            one, other = (moment(s) for s in samples)
            error = np.hypot(one.std(axis=0) / len(one) ** 0.5, other.std(axis=0) / len(other) ** 0.5)
            assert np.all(np.abs(one.mean(axis=0) - other.mean(axis=0)) < 4.5 * error + 1e-7)


def arrays_of(tile):
    """The arrays of an algorithm, or the one that mixed precision writes."""
    hidden = tile.get_hidden_parameters()
    return [hidden[name] for name in ("hidden_weights_0", "hidden_weights_1") if name in hidden] or [tile.tile.get_weights()]

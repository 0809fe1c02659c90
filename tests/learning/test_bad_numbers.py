"""Every field of every algorithm refuses what is none of its values, by its name."""

import dataclasses
import re

import numpy as np
import pytest
from helpers import mostly_slow

import jaxtile as jt
from jaxtile import learning

STEP = jt.device.ConstantStep()
ALGORITHMS = (
    learning.Transfer,
    learning.ResidualLearning,
    learning.ERider,
    learning.BufferedTransfer,
    learning.FilteredTransfer,
    learning.ChoppedTransfer,
    learning.DynamicTransfer,
    learning.MixedPrecision,
)
NUMBER = [np.nan, np.inf, "0.1", None, 1j, [0.1, 0.2], lambda step: 0.1 / step]  # the last one is a schedule
POSITIVE_OR_ZERO = [*NUMBER, -0.1]
POSITIVE = [*POSITIVE_OR_ZERO, 0.0]
CHANCE = [*POSITIVE_OR_ZERO, 1.1]
SWITCH = ["vectors", None, 1, 0.5]
COUNT = [0, -2, 1.5, "1", np.nan, None, True]
EACH = [[-1.0, 1.0], [np.nan, 1.0], [np.inf, 1.0], [1.0], [1.0, 1.0, 1.0], [], "ab", [[1.0, 1.0]]]
PART = [None, 0.1, "default", STEP]
FIELDS = {
    "devices": [[], [STEP], "sb", [STEP, 0.1], [STEP, jt.device.Ideal()]],
    "gamma": NUMBER,
    "gamma_vec": [*EACH[1:], [1.0, 0.0]],
    "transfer_every": POSITIVE_OR_ZERO,
    "transfer_every_vec": EACH,
    "no_self_transfer": SWITCH,
    "units_in_mbatch": SWITCH,
    "n_reads_per_transfer": COUNT,
    "transfer_columns": SWITCH,
    "with_reset_prob": [value for value in CHANCE if value is not None],
    "random_selection": SWITCH,
    "fast_lr": POSITIVE_OR_ZERO,
    "scale_fast_lr": SWITCH,
    "transfer_lr": POSITIVE_OR_ZERO,
    "transfer_lr_vec": EACH,
    "scale_transfer_lr": SWITCH,
    "transfer_forward": [*PART, jt.IOParameters(out_noise_std=0.1)],
    "transfer_update": [*PART, jt.pulse.NoPulse(), jt.pulse.NoneWithDevice()],
    "warm_start": SWITCH,
    "thres_scale": POSITIVE,
    "step": POSITIVE_OR_ZERO,
    "momentum": CHANCE,
    "forget_buffer": SWITCH,
    "in_chop_prob": CHANCE,
    "tracking_rate": CHANCE,
    "out_chop_prob": CHANCE,
    "in_chop_random": SWITCH,
    "buffer_granularity": POSITIVE_OR_ZERO,
    "auto_granularity": POSITIVE_OR_ZERO,
    "no_buffer": SWITCH,
    "auto_scale": SWITCH,
    "auto_momentum": CHANCE,
    "correct_gradient_magnitudes": SWITCH,
    "tail_weightening": POSITIVE_OR_ZERO,
    "buffer_cap": POSITIVE_OR_ZERO,
    "experimental_correct_accumulation": SWITCH,
    "device": [*PART[:-1], jt.device.Ideal(), learning.Transfer()],
    "n_rows_per_transfer": COUNT,
    "random_row": SWITCH,
    "chi_granularity": [*POSITIVE_OR_ZERO, 1e13],
    "n_x_bins": [1, *COUNT[1:]],
    "n_d_bins": [1, *COUNT[1:]],
    "stoc_round_x": SWITCH,
    "stoc_round_d": SWITCH,
}
OF_ONE = {
    (learning.ResidualLearning, "gamma"): POSITIVE,
    (learning.FilteredTransfer, "gamma"): POSITIVE,
    (learning.ChoppedTransfer, "transfer_every"): NUMBER,  # negative: in states
    (learning.DynamicTransfer, "transfer_every"): NUMBER,
    (learning.DynamicTransfer, "in_chop_prob"): [*CHANCE, 0.0],
    (learning.MixedPrecision, "transfer_every"): [*POSITIVE_OR_ZERO, 1.5],
}


@pytest.mark.parametrize(
    "kind",
    mostly_slow(ALGORITHMS, learning.DynamicTransfer, learning.ERider, learning.MixedPrecision),
    ids=lambda kind: kind.__name__,
)
@pytest.mark.usefixtures("unhooked")
def test_bad_values_are_refused_by_name(kind):
    for field in dataclasses.fields(kind):
        for value in OF_ONE.get((kind, field.name), FIELDS[field.name]):
            try:
                kind(**{field.name: value})
                said = "taken"
            except (TypeError, ValueError) as error:
                said = str(error)
            name = rf"{kind.__name__}(\.| holds .*){field.name}"  # ... holds 0.1, which is not one pulsed device; pass devices ...
            assert re.search(rf"\b{name}\b", said), f"{kind.__name__}({field.name}={value!r}): {said}"


def test_every_algorithm_of_the_library_is_here():
    concrete = {one for one in vars(learning).values() if isinstance(one, type) and issubclass(one, jt.device.AbstractCrosspoint)}
    assert {one for one in concrete if not one.__name__.startswith("Abstract")} == set(ALGORITHMS)

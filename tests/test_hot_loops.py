"""Memory of the hot loops, by XLA's own figure."""

import jax
import pytest
import roofline
from helpers import mostly_slow

LOOPS = roofline.hot_loops(side=128, layer=(96, 128), tiles=16, small=32, batch=16)
MOST = dict.fromkeys(LOOPS, 1.5) | {"a step of GDP": 2.2}  # the cells are taken out once more, in the order of the vectors


@pytest.mark.parametrize("name", mostly_slow(LOOPS, "update, 16 vectors one after another", "a step of SVD"))
def test_a_hot_loop_holds_little_beside_the_tile_its_noise_and_its_counts(name):
    with jax.numpy_rank_promotion("allow"):
        loop = LOOPS[name]()
    memory = loop.compile().memory_analysis()
    given, noise_and_counts = memory.argument_size_in_bytes, 2 * 4 * loop.cells
    taken = given + memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    assert taken < MOST[name] * (given + noise_and_counts)

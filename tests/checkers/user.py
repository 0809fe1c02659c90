"""A user's script, on which type checkers are silent."""

import jax

import jaxtile as jt

key = jax.random.key(0)
device = jt.device.SoftBounds(dw_min=1e-2, w_max=1)
half_select = jt.half_select.ConstantRatio(kappa=30, up=None, phases="active")
config = jt.TileConfig(device=jt.device.WriteNoise(device, write_noise_std=2.0), half_select=half_select)
tile = jt.init(config, (6, 8), key=key)
target = jt.targets.low_rank((6, 8), rank=2, spectral_norm=1.0, key=key)
stages = jt.chain(jt.Stage(jt.SVD(learning_rate=0.5), until=jt.After(3)), jt.ProgramVerify(model=device, lines="rows"))
solution = jt.program(tile, target, stages, key=key, max_steps=5)
print(solution.weight.shape, device.dw_min.dtype)

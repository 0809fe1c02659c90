"""Mistakes of a user, one a line; type checkers find each of them."""

import jaxtile as jt

jt.device.SoftBounds(dw_min="foo")
jt.device.SoftBounds(dw_mim=1e-3)
jt.device.WriteNoise("soft")
jt.half_select.ConstantRatio(phases="some")
jt.half_select.ConstantRatio(kappa=None)
jt.noise.NPair(f_lst="foo")
jt.TileConfig(device=jt.pulse.MeanField())
jt.GDP(batch_size=0.5)

"""Every test runs with strict dtype and rank promotion: the library must not lean on either."""

import jax

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

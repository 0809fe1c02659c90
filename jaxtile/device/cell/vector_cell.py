"""Vector cell."""

from collections.abc import Sequence

from jaxtyping import Array, Bool, Float, Int

from ...fields import Field, Reals, array, field, part
from ..base import AbstractCrosspoint
from ..routine import AbstractRoutine
from ..step.constant_step import ConstantStep
from .base import AbstractUnitCell, as_parts
from .update_policy import AbstractTurns, AbstractUpdatePolicy, All

__all__ = ["VectorCell"]


class VectorCell(AbstractUnitCell):
    """Several devices, of one kind or of several, that share the pulses of a cell as a
    policy says.

        weight = sum of gamma_k weight_k

    Nothing makes up for devices that are not connected. Let n devices of gamma 1 / n
    each be connected one at a time: a vector then moves the weight by 1 / n of
    `learning_rate d x`. `jt.set_weights` puts the same weight into each device (with
    `SingleFixed` into the connected one), so that the cell reads the sum of gamma times
    it. (aihwkit `VectorUnitCell`.)

    Attributes:
        devices: one or more.
        update_policy: `All()`, `SingleFixed()`, `SingleSequential()` or
            `SingleRandom()`: which of them a vector reaches.
        gamma_vec: what each device counts; None: 1 / n each.
    """

    devices: Field[Sequence[AbstractCrosspoint], tuple[AbstractCrosspoint, ...]] = field(
        as_parts, default_factory=lambda: (ConstantStep(), ConstantStep()), kw_only=False
    )
    update_policy: AbstractUpdatePolicy = part(
        AbstractUpdatePolicy, "is no policy; pass one of jaxtile.device, such as All()", default=All
    )
    gamma_vec: Field[Reals | None, Float[Array, " n"] | None] = array(None)

    def __check_init__(self) -> None:
        n, policy = len(self.devices), self.update_policy
        if n and not any(policy.written(k) for k in range(n)):
            raise ValueError(f"VectorCell.update_policy={policy!r} connects none of {n} devices; they are numbered from 0.")
        if self.gamma_vec is not None and self.gamma_vec.shape != (n,):
            raise ValueError(f"VectorCell.gamma_vec has shape {self.gamma_vec.shape}; pass one number for each of {n} devices.")

    @property
    def parts(self) -> tuple[AbstractCrosspoint, ...]:
        return tuple(self.devices)

    @property
    def gammas(self) -> Sequence[Float[Array, "*tiles"] | float]:
        n = len(self.devices)
        return [1 / n] * n if self.gamma_vec is None else [self.gamma_vec[..., k] for k in range(n)]

    @property
    def routines(self) -> tuple[AbstractRoutine, ...]:
        return (self.update_policy,) if isinstance(self.update_policy, AbstractTurns) else ()

    def connected(self, k: int, turn: Int[Array, ""] | None) -> bool | Bool[Array, ""]:
        return self.update_policy.connected(k, turn)

    def reach(self, k: int) -> float:
        return self.update_policy.reach(k, len(self.devices))

    def written(self, k: int) -> bool:
        return self.update_policy.written(k)

    def turn(self) -> Int[Array, ""] | None:
        return self.update_policy.start()

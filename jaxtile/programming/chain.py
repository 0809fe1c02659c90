"""One programming method after another."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from .._types import Real, Scalar, Weight, as_number, is_concrete, is_whole
from ..datasheet import Datasheet
from ..fields import Checked, OptionalNumber, function, optional, part
from .base import AbstractMethod, Proposal
from .gate import AbstractGate
from .result import RESULTS
from .stopping import Streaks, judge
from .switching import AbstractSwitch

__all__ = ["Chain", "Progress", "Stage", "chain", "residual", "stages_of"]


class Progress(eqx.Module):
    """Progress of a stage: pulse steps made in it, and the numbers that decide when it
    ends.
    """

    steps: Int[Array, ""]
    streaks: Streaks
    switch: Any


class Stage(Checked):
    """A method, and how long it is used.

    A stage hands over to the next one when its condition holds or when its method has
    nothing more to propose. The next one must be worth while. The last stage ends as a
    run of its own would.

    Attributes:
        method: the method.
        until: `After`, `Plateau` or a condition of one's own; None: until it has
            nothing more to propose.
        when: whether the stage is worth while: a gate such as `OneHotPays`, or a
            function of the target alone; None: always. While it is not, the stage
            before goes on.
        connect: the device of each unit cell that the stage writes (`jaxtile.connect`);
            None: the device that is connected.
        gamma: the factor of that device in the weight, as the method was told; None:
            it was not told.
    """

    method: AbstractMethod = part(AbstractMethod, "is no method; pass one such as jaxtile.SVD()", kw_only=False)
    until: AbstractSwitch | None = part(
        AbstractSwitch, "is no condition; pass None, or one such as jaxtile.After(40)", optional=True
    )
    when: AbstractGate | Callable[[Weight], Bool[Array, ""]] | None = function(
        "is no function of the target; pass None, or one such as jaxtile.OneHotPays(kappa=30)"
    )
    connect: int | None = eqx.field(default=None, static=True, kw_only=True)
    gamma: OptionalNumber = optional(low=0.0, open=True)

    def __check_init__(self) -> None:
        if self.connect is not None and not is_whole(self.connect, 0):
            raise ValueError(f"Stage.connect={self.connect!r} must be None or the number of a device, from 0.")

    def check(self, sheet: Datasheet) -> None:
        """Refuse hardware that is not what the method was made for, as far as numbers
        are known.
        """
        if self.gamma is None or not sheet.is_pulsed:
            return
        ours, theirs = self.gamma, sheet.gamma
        if is_concrete(ours) and is_concrete(theirs) and not np.isclose(float(ours), float(theirs), rtol=1e-4):
            raise ValueError(
                f"Stage.gamma={float(ours):g}, and device {self.connect} counts {float(theirs):g} in the weight of "
                f"{sheet.hardware.device!r}; pass the gamma_vec of the cell, as in residual(method, gammas, until=...)."
            )

    def init(self) -> Progress:
        """The progress before its first step."""
        zero = jnp.asarray(0, jnp.int32)
        return Progress(zero, Streaks(zero, zero), None if self.until is None else self.until.init())

    def pays(self, target: Weight, sheet: Datasheet) -> bool | Bool[Array, ""]:
        """True if the stage is worth while for a target, on hardware with this
        datasheet.
        """
        if isinstance(self.when, AbstractGate):
            return self.when(target, sheet)
        return self.when is None or self.when(target)

    def judge(
        self,
        error: Scalar,
        proposal: Proposal,
        progress: Progress,
        *,
        step: Int[Array, ""],
        goes_on: bool | Bool[Array, ""],
        tolerance: Scalar,
        steps_in_pass: int,
        max_steps: Int[Array, ""] | int,
    ) -> tuple[RESULTS, Bool[Array, ""], Progress]:
        """The end of the run at this step, if it ends, and true if the stage hands over
        to one that `goes_on`.
        """
        rules: dict[str, Any] = {"tolerance": tolerance, "steps_in_pass": steps_in_pass, "max_steps": max_steps}
        result, streaks = judge(error, proposal, progress.streaks, step=step, **rules)
        switch, over = None, result == RESULTS.stalled
        if self.until is not None:
            holds, switch = self.until(progress.steps, error, progress.switch)
            over = over | (holds & (result == RESULTS.running))
        over = over & goes_on
        return RESULTS.where(over, RESULTS.running, result), over, Progress(progress.steps + 1, streaks, switch)


class Chain(Checked):
    """Stages that follow one another in one run of `program`, with one history and one
    count of steps.

    Stages are not skipped: one in the middle that is not worth while (`Stage.when`)
    keeps all later ones out of reach, too, and the stage before it goes on.

    Attributes:
        stages: the first one begins.
    """

    stages: tuple[Stage, ...]

    def __check_init__(self) -> None:
        if not self.stages:
            raise ValueError("chain() holds no stages; pass at least one method.")


def chain(*stages: Stage | AbstractMethod | Chain) -> Chain:
    """Methods that follow one another: `chain(Stage(SVD(), until=After(40)),
    ProgramVerify())`; see `Chain`.

    Args:
        stages: each a `Stage`, a method that is used until it has nothing more to
            propose, or a chain, whose stages are taken.
    """
    parts = (part.stages if isinstance(part, Chain) else (part,) for part in stages)
    return Chain(tuple(one if isinstance(one, Stage) else Stage(one) for part in parts for one in part))


def residual(method: AbstractMethod, gammas: Sequence[Real], *, until: AbstractSwitch) -> Chain:
    """Program several devices of each cell one after another: each corrects what the
    one before it left.

    The weight of the whole cell is read, sum of gamma_k w_k. So the residual of device
    k is what devices 0 to k - 1 could not hold. It must move by 1 / gamma_k of a change
    (`AbstractMethod.for_gamma`). The datasheet of its stage says what its steps count.
    (Song et al., "Programming memristor arrays with arbitrarily high precision for
    analog computing", Science 383:903, 2024.)

    `ProgramVerify` takes the step of its model at the weight of the whole cell, not at
    that of device k.

    Args:
        method: the method for each of them.
        gammas: what each device counts in the weight (the `gamma_vec` of a `VectorCell`
            with `SingleFixed`), the coarsest first.
        until: when to go on to the next.

    Raises:
        TypeError, ValueError: this is no method, or a gamma is not positive.
    """
    if not isinstance(method, AbstractMethod):
        raise TypeError(f"method={method!r} is not a method; pass one such as SVD().")
    for gamma in gammas:
        as_number("gammas", gamma, low=0.0, open=True)
    return Chain(tuple(Stage(method.for_gamma(gamma), until=until, connect=k, gamma=gamma) for k, gamma in enumerate(gammas)))


def stages_of(method: Any) -> tuple[Stage, ...]:
    """The stages of a chain, or the only one of a method. A connection holds until a
    stage chooses another.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(method, Chain | AbstractMethod):
        raise TypeError(f"method={method!r} is not an AbstractMethod; pass a method such as jaxtile.GDP() or jaxtile.SVD().")
    stages, connect = [], None
    for stage in method.stages if isinstance(method, Chain) else (Stage(method),):
        connect = connect if stage.connect is None else stage.connect
        stages.append(stage if stage.connect == connect else dataclasses.replace(stage, connect=connect))
    return tuple(stages)

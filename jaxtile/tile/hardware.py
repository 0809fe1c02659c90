"""The interface of hardware that holds one matrix: of a tile, and of several together."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from .._types import Scalar, Weights

__all__ = ["AbstractHardware"]


class AbstractHardware(eqx.Module):
    """Hardware that holds one matrix, [out, in].

    A verb of tiles, such as `jaxtile.update`, is applied to each tile of it. It is given
    numbers of the matrix, and each tile gets its share.
    """

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""

    @property
    @abc.abstractmethod
    def weight(self) -> Weights:
        """The matrix that is read, [out, in]."""

    @property
    @abc.abstractmethod
    def tiles(self) -> Any:
        """Its tiles, as one whose arrays have leading axes."""

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """The number of its tiles."""

    @property
    @abc.abstractmethod
    def full_pulses(self) -> Scalar:
        """Pulses at the full voltage since fabrication, mean over the cells."""

    @abc.abstractmethod
    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to each tile; results have the leading axes of `tiles`.

        Args:
            verb: a function of a tile.
            **given: what it is given by name: vectors `x` and `d`, a matrix `weight` or
                `target`, and a `key`.
        """

    @abc.abstractmethod
    def with_tiles(self, tiles: Any) -> "AbstractHardware":
        """The same with other tiles."""

    @abc.abstractmethod
    def outputs(self, y: Float[Array, "..."], x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """The outputs of the matrix, from those that each tile reads of x."""

    @abc.abstractmethod
    def inputs(self, x: Float[Array, "..."], d: Float[Array, "... out"]) -> Float[Array, "... in"]:
        """W^T d of the matrix, from what each tile reads of d."""

    def change(self, verb: Callable[..., Any], *, options: dict[str, Any] | None = None, **given: Any) -> Any:
        """The same after a verb that returns a tile.

        Args:
            verb: a function of a tile.
            options: arguments that are the same for all tiles.
            **given: as of `each`.
        """
        return self.with_tiles(self.each(eqx.Partial(verb, **(options or {})), **given))

    @property
    def trains(self) -> bool:
        """True where pulses for vectors x and d change the matrix by their product."""
        return True

"""Leaf signatures: the static facts about a leaf that a rule is traced for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MaskValue = bool | None


@dataclass(frozen=True, slots=True)
class LeafSpec:
    """The signature of one leaf; a rule is traced once for each distinct one.

    Attributes:
      shape: the shape of the parameter and of its gradient.
      param_dtype: the name of the parameter's dtype, e.g. ``"bfloat16"``.
      grad_dtype: the name of the gradient's dtype.
      masks: for each mask of the optimizer, in order, its value for this leaf: True, False, or
        None where no mask was given.
    """

    shape: tuple[int, ...]
    param_dtype: str
    grad_dtype: str
    masks: tuple[MaskValue, ...] = ()

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def __str__(self) -> str:
        dims = "x".join(map(str, self.shape)) or "scalar"
        return f"{self.param_dtype} {dims}"


def factored_axes(shape: tuple[int, ...], min_dim: int) -> tuple[int, int] | None:
    """(Second largest axis, largest axis), or None, as ``optax.scale_by_factored_rms`` chooses.

    Args:
      shape: the shape of a leaf.
      min_dim: both axes must be at least this long.

    Returns:
      None for fewer than two axes or where the second largest is shorter than ``min_dim``. Of
      axes equally long the later one counts as larger.
    """
    if len(shape) < 2:
        return None
    order = sorted(range(len(shape)), key=lambda axis: shape[axis])
    return (order[-2], order[-1]) if shape[order[-2]] >= min_dim else None


Fact = tuple[str, tuple[Any, ...], Any]
"""A question that a rule asked of a leaf while it was traced, its arguments, and the answer."""

_QUESTIONS: dict[str, Callable[..., Any]] = {
    "ndim": lambda spec: len(spec.shape),
    "shape": lambda spec: spec.shape,
    "size": lambda spec: spec.size,
    "param_dtype": lambda spec: spec.param_dtype,
    "grad_dtype": lambda spec: spec.grad_dtype,
    "factored_axes": lambda spec, min_dim: factored_axes(spec.shape, min_dim),
}


def answer(spec: LeafSpec, question: str, *args: Any) -> Any:
    """The answer of ``spec`` to one of the questions that a rule may ask of a leaf."""
    return _QUESTIONS[question](spec, *args)


def holds(facts: tuple[Fact, ...], spec: LeafSpec) -> bool:
    """True where a program whose tracing read ``facts`` is the program of this leaf too."""
    return all(answer(spec, question, *args) == value for question, args, value in facts)

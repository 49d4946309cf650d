"""A guard: a contestant that computes something else has not won anything."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from optgen.tools.timing import Contestant, Work

_OF_UPDATE = 1e-3  # float32 libraries differ in the last digits of an update
_REFERENCE = "optax"


def disagreements(contestants: Sequence[Contestant], work: Work) -> list[str]:
    """Compares optgen's parameters after one step with optax's.

    Two parameter trees agree where their distance is at most a thousandth of the step's length,
    plus one rounding of every parameter to its dtype.

    Args:
      contestants: each has taken one step from the same parameters and gradients.
      work: what they stepped over.

    Returns:
      A sentence for each contestant of ours that is elsewhere; nothing where optax is absent.
    """
    reference = next((c for c in contestants if c.name == _REFERENCE), None)
    if reference is None:
        return []
    ours = [c for c in contestants if c.ours and c.current() is not None]
    sentences = []
    for contestant in ours:
        distance, allowed = _distance(contestant, reference, work)
        if not distance <= allowed:
            sentences.append(
                f"{contestant.name} differs from {_REFERENCE} after one step: the distance is "
                f"{distance:.3g}, and {allowed:.3g} is allowed"
            )
    return sentences


def _distance(ours: Contestant, reference: Contestant, work: Work) -> tuple[float, float]:
    """Returns the distance between two trees of parameters, and what rounding explains of it."""
    apart = moved = rounding = 0.0
    before = jax.tree.leaves(work.parameters())
    for old, a, b in zip(before, ours.current() or (), reference.current() or (), strict=True):
        apart += _square(a, b)
        moved += _square(old, b)
        rounding += float(jnp.finfo(old.dtype).eps) ** 2 * _square(old, np.zeros_like(old))
    return apart**0.5, _OF_UPDATE * moved**0.5 + rounding**0.5


def _square(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the squared distance, accumulated in float64."""
    wide = np.promote_types(a.dtype, np.float32)
    return float(np.sum(np.square(a.astype(wide) - b.astype(wide)), dtype=np.float64))

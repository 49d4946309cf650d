"""The ``xla`` target: the emitted ``jnp`` functions, leaf by leaf; XLA decides the kernels."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.runtime.execution.target import Target
from optgen.runtime.vocabulary.launches import LaunchList, PlacedLeaf, in_order, left_to_xla
from optgen.runtime.vocabulary.machine import Limits


def launches(leaves: Sequence[PlacedLeaf], limits: Limits) -> LaunchList:
    """Returns a launch for each phase of each leaf."""
    return in_order(
        launch
        for place, leaf in enumerate(leaves)
        for launch in left_to_xla(place, leaf, "XLA decides its kernels, and what they move")
    )


TARGET = Target(name="xla", platform="", backend="", unavailable=lambda: None, launches=launches)

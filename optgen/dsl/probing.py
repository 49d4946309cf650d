"""The slots that a composition keeps for leaves of any kind.

A state has them all, whichever leaves a tree has: one without leaves, as optax's
``tree_map_params`` makes it, is like any other.
"""

from __future__ import annotations

import functools

from optgen.dsl.composition import Composition
from optgen.dsl.tracing import SlotSpec, trace
from optgen.errors import RuleError
from optgen.runtime.vocabulary.leaf import LeafSpec

_PROBES = (
    ((), "float32", True),
    ((7,), "float32", True),
    ((7,), "float32", False),
    ((4096, 4096), "float32", True),
    ((4096, 4096), "bfloat16", True),
    ((3, 3, 512, 512), "float32", True),
)
"""The shape and the dtype of a leaf, and the value of every mask for it."""


@functools.lru_cache(maxsize=1024)
def probes(composition: Composition) -> tuple[LeafSpec, ...]:
    """Signatures of unlike leaves, masks on and off, without those that a rule refuses."""
    masks = sum(len(part.masks) for part in composition.parts)
    specs = (LeafSpec(shape, dtype, dtype, (mask,) * masks) for shape, dtype, mask in _PROBES)
    return tuple(spec for spec in dict.fromkeys(specs) if _admits(composition, spec))


def _admits(composition: Composition, spec: LeafSpec) -> bool:
    try:
        trace(composition, spec)
    except RuleError:
        return False
    return True


def declared_slots(composition: Composition) -> tuple[SlotSpec, ...]:
    """The slots of the probes, each once; later ones of the same key are left out."""
    slots: dict[str, SlotSpec] = {}
    for spec in probes(composition):
        for slot in trace(composition, spec).slots:
            slots.setdefault(slot.key, slot)
    return tuple(slots.values())

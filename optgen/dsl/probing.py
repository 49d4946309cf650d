"""The state that a composition keeps for leaves of any kind: slots, and the count of steps.

It is the same whichever leaves a tree has: the state of one without leaves, as optax's
``tree_map_params`` makes it, is like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from optgen.dsl.composition import Composition
from optgen.dsl.tracing import SlotSpec, Traced, trace
from optgen.errors import RuleError
from optgen.ir.node import walk
from optgen.runtime.vocabulary.leaf import LeafSpec

_PROBES = (
    ((), "float32", True),
    ((7,), "float32", True),
    ((7,), "float32", False),
    ((7,), "float32", None),
    ((4096, 4096), "float32", True),
    ((4096, 4096), "float32", False),
    ((4096, 4096), "float32", None),
    ((4096, 4096), "bfloat16", True),
    ((4096, 4096), "float16", True),
    ((16, 512, 512), "float32", True),
    ((3, 3, 512, 512), "float32", True),
)
"""The shape and the dtype of a leaf, and the value of every mask for it."""


@functools.lru_cache(maxsize=1024)
def probes(composition: Composition) -> tuple[LeafSpec, ...]:
    """Signatures of unlike leaves, masks on, off and None, without those that a rule refuses."""
    masks = sum(len(part.masks) for part in composition.parts)
    specs = (LeafSpec(shape, dtype, dtype, (mask,) * masks) for shape, dtype, mask in _PROBES)
    return tuple(spec for spec in dict.fromkeys(specs) if _admits(composition, spec))


def _admits(composition: Composition, spec: LeafSpec) -> bool:
    try:
        trace(composition, spec)
    except RuleError:
        return False
    return True


def with_shared(composition: Composition, specs: Sequence[LeafSpec]) -> tuple[LeafSpec, ...]:
    """Some leaves, and the probes that keep what these do not: slots of the tree, or the count."""
    known = set[str]().union(*(_shared(trace(composition, spec)) for spec in specs))
    chosen = list(specs)
    for spec in probes(composition):
        shared = _shared(trace(composition, spec))
        if not shared <= known:
            chosen.append(spec)
            known |= shared
    return tuple(chosen)


def _shared(traced: Traced) -> set[str]:
    """The keys of the slots of the whole tree, and a name for the count where it is read."""
    reads_count = any(n.op == "step" for n in walk(traced.update.outputs))
    slots = {slot.key for slot in traced.slots if slot.axes is None}
    return slots | {"count"} if reads_count else slots


def declared_slots(composition: Composition) -> tuple[SlotSpec, ...]:
    """The slots of the probes, each once; later ones of the same key are left out."""
    slots: dict[str, SlotSpec] = {}
    for spec in probes(composition):
        for slot in trace(composition, spec).slots:
            slots.setdefault(slot.key, slot)
    return tuple(slots.values())

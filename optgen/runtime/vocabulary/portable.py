"""Portable kernel sequences: the emitted ``jnp`` functions of a variant, which XLA compiles."""

from __future__ import annotations

from collections.abc import Mapping

from optgen.runtime.vocabulary.sequence import Buffer, Item, KernelSequence, Mode
from optgen.runtime.vocabulary.variant import (
    DTYPES,
    Function,
    Variant,
    arguments,
    axes_arguments,
)


def portable_sequence(
    variant: Variant, number: int, mode: Mode, dtypes: tuple[str, str, str]
) -> KernelSequence:
    """Returns the kernel sequence of a variant's ``jnp`` functions.

    Args:
      variant: the variant.
      number: its index in the module.
      mode: ``step`` or ``update``.
      dtypes: the dtypes of the parameter, of the gradient and of arithmetic.
    """
    stands_for = dict(zip(DTYPES, dtypes, strict=True))
    buffers = {"g": Buffer("g", stands_for["grad"]), "p": Buffer("p", stands_for["param"])}
    if mode == "update":
        buffers["update"] = Buffer("update", stands_for["grad"])
    for name, slot in variant.slots.items():
        buffers[name] = Buffer(name, stands_for.get(slot.dtype, slot.dtype), slot.axes)
    rank = max((len(guard.groups) for guard in variant.guards), default=0)
    other = {*DTYPES, *axes_arguments(((),) * rank)}
    items = []
    for phase, function in enumerate(variant.partials):
        if function is not None:
            totals = variant.contributions[phase]
            for name in totals:
                buffers[name] = Buffer(name, dtypes[2], (), "contribution")
            items.append(_item(function, phase, buffers, other, totals))
    changes = [name for name, slot in variant.slots.items() if not slot.constant]
    results = (*changes, "p" if mode == "step" else "update")
    last = _item(variant.update, len(variant.partials), buffers, other, results)
    used = {*last.reads, *last.updates, *last.writes, *(n for i in items for n in i.reads)}
    used |= {name for item in items for name in item.writes}
    touched = tuple(x for x in buffers.values() if x.name in used)
    return KernelSequence(number, mode, dtypes, touched, (*items, last), rank)


def _item(
    function: Function,
    phase: int,
    buffers: Mapping[str, Buffer],
    other: set[str],
    written: tuple[str, ...],
) -> Item:
    """A ``jnp`` function as an item; ``other`` are arguments that are no arrays and no scalars."""
    read = [name for name in arguments(function) if name in buffers]
    if "p" in written:  # to which the update is added
        read = list(dict.fromkeys([*read, "p"]))
    return Item(
        "xla",
        function.__name__,
        phase,
        reads=tuple(name for name in read if name not in written),
        updates=tuple(name for name in read if name in written),
        writes=tuple(name for name in written if name not in read),
        scalars=tuple(n for n in arguments(function) if n not in buffers and n not in other),
        reason="XLA compiles its jnp functions",
    )

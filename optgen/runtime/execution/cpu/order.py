"""Numbers of kernels and of scalars in an emitted library: what its source and calls agree on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from optgen.runtime.vocabulary.sequence import Kernel, KernelSequence

ENTRY = "optgen_launch"
"""The function that every library exports."""


def kernel_places(sequences: Iterable[KernelSequence]) -> dict[str, int]:
    """The place of each function in the table of kernels: they stand as sequences name them."""
    names = dict.fromkeys(kernel.function for kernel in _kernels(sequences))
    return {name: place for place, name in enumerate(names)}


def scalar_places(sequences: Iterable[KernelSequence]) -> dict[str, int]:
    """The place of each value among ``Scalars``: they stand as kernels read them."""
    names = dict.fromkeys(name for kernel in _kernels(sequences) for name in kernel.scalars)
    return {name: place for place, name in enumerate(names)}


def _kernels(sequences: Iterable[KernelSequence]) -> Iterator[Kernel]:
    for sequence in sequences:
        yield from (kernel for kernel in sequence.kernels if kernel.kind != "xla")

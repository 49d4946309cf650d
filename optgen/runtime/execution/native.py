"""Runs the leaf programs of a step as one custom call for each phase."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution import cpu
from optgen.runtime.execution.leaves import Leaf, Mode, Result, contributions, finished, leaf_dtypes
from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase, layout


class NativeLeaves:
    """Calls the kernels of the ``cpu`` target for all leaves that they serve.

    The others (empty ones, and those of other dtypes or views than were emitted) are run in
    ``jnp`` beside them.
    """

    def __init__(
        self, native: Native, assignment: Sequence[int], leaves: Sequence[Leaf], mode: Mode
    ) -> None:
        self.native, self.leaves, self.mode = native, leaves, mode
        self.phases: tuple[NativePhase, ...] = getattr(native, mode)
        self.variants = assignment
        self.served = [self._serves(i) for i in range(len(leaves))]
        self.arrays = [dict(leaf.arrays) for leaf in leaves]

    def contribute(self, phase: int, scalars: Mapping[str, Any]) -> dict[str, list[Any]]:
        """See ``Execution``."""
        others = [leaf for leaf, served in zip(self.leaves, self.served, strict=True) if not served]
        found = contributions(others, [v.variant.partials for v in others], phase, scalars)
        self._call(phase, scalars)
        for i, served in enumerate(self.served):
            group = self._group(phase, i) if served else None
            for name in group.contributions if group else ():
                found.setdefault(name, []).append(self.arrays[i][name][0])
        return found

    def finish(self, scalars: Mapping[str, Any]) -> list[Result]:
        """See ``Execution``."""
        self._call(len(self.phases) - 1, scalars)
        return [
            self._result(i) if served else finished(leaf, scalars, self.mode)
            for i, (leaf, served) in enumerate(zip(self.leaves, self.served, strict=True))
        ]

    def _result(self, i: int) -> Result:
        arrays, slots = self.arrays[i], self.leaves[i].slots
        out = arrays["p" if self.mode == "step" else "update"]
        return out, {name: arrays[name].reshape(old.shape) for name, old in slots.items()}

    def _serves(self, i: int) -> bool:
        shape = tuple(self.leaves[i].g.shape)
        groups = [self._group(phase, i) for phase in range(len(self.phases))]
        if self.leaves[i].empty or groups[-1] is None:
            return False
        return all(group is None or group.covers(shape) for group in groups)

    def _group(self, phase: int, i: int) -> NativeGroup | None:
        dtypes = leaf_dtypes(self.leaves[i])
        for group in self.phases[phase].groups:
            if group.variant == self.variants[i] and group.dtypes == dtypes:
                return group
        return None

    def _call(self, phase: int, scalars: Mapping[str, Any]) -> None:
        """One custom call for every leaf that has kernels in a phase."""
        spec = self.phases[phase]
        taking = [
            (i, group)
            for i, served in enumerate(self.served)
            if served and (group := self._group(phase, i)) is not None
        ]
        if not taking:
            return
        given = _scalars([scalars[name] for name in spec.scalars])
        plan = [len(taking), given.dtype.itemsize, len(spec.scalars)]
        arguments: list[Any] = [given]
        results: list[jax.ShapeDtypeStruct] = []
        aliases: dict[int, int] = {}
        for i, group in taking:
            shape = tuple(self.leaves[i].g.shape)
            plan.append(spec.groups.index(group))
            for view in group.views:
                extents, order = layout(view, shape)
                plan += [len(extents), *extents, *order]
            arguments += [self.arrays[i][name] for name in group.inputs]
            for name in group.in_place:
                array = self.arrays[i][name]
                aliases[len(arguments)] = len(results)
                arguments.append(array)
                results.append(jax.ShapeDtypeStruct(array.shape, array.dtype))
            results += [_made(group, name, shape) for name in group.outputs]
        key = cpu.entry(self.native.text, self.native.name, spec.symbol)
        returned = iter(cpu.call(key, plan, arguments, results, aliases))
        for i, group in taking:
            for name in (*group.in_place, *group.outputs):
                self.arrays[i][name] = next(returned)


def _scalars(values: Sequence[Any]) -> Any:
    return jnp.stack(values) if values else jnp.zeros(1, jnp.float32)


def _made(group: NativeGroup, name: str, shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    """An array that a kernel makes: like the leaf, or as many elements as its view has there."""
    dtype, kernel, axes = group.outputs[name]
    if isinstance(axes, str):
        return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
    extents, _ = layout(group.views[kernel], shape)
    return jax.ShapeDtypeStruct((math.prod(extents[d] for d in axes),), jnp.dtype(dtype))

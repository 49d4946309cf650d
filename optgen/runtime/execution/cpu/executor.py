"""Executes the launches of the ``cpu`` target, each as one custom call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.cpu.call import call
from optgen.runtime.execution.cpu.handler import entry
from optgen.runtime.execution.cpu.order import ENTRY, kernel_places, scalar_places
from optgen.runtime.execution.target import Task
from optgen.runtime.vocabulary.launches import Launch, PlacedLeaf
from optgen.runtime.vocabulary.module import Kernels
from optgen.runtime.vocabulary.sequence import Kernel, Operand


class CpuExecutor:
    """Calls the kernels of an emitted library; see ``Executor``."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self.places = kernel_places(kernels.sequences)
        self.scalars = scalar_places(kernels.sequences)

    def launch(self, launch: Launch, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Executes a launch: its runs are the tasks."""
        used = {name for task in tasks for kernel in task.kernels for name in kernel.scalars}
        names = [name for name in self.scalars if name in used]
        values = jnp.stack([scalars[n] for n in names]) if names else jnp.zeros(1, jnp.float32)
        operands = _Operands(values)
        plan = [len(names), values.dtype.itemsize, *(self.scalars[name] for name in names)]
        plan.append(len(tasks))
        for task in tasks:
            plan += _dimensions(task)
            plan.append(len(task.kernels))
            written = {x.name for kernel in task.kernels for x in kernel.operands if x.written}
            numbers: dict[str, int] = {}
            for kernel in task.kernels:
                for x in kernel.operands:
                    if x.name not in numbers:
                        numbers[x.name] = operands.add(task, kernel, x, x.name in written)
                plan.append(self.places[kernel.function])
                plan += [numbers[x.name] for x in kernel.operands]
        key = entry(self.kernels.text, self.kernels.name, ENTRY)
        operands.replace(call(key, plan, operands.arguments, operands.results, operands.aliases))

    def statistic(self, leaf: PlacedLeaf, kernel: Kernel, x: Operand, value: Any) -> Any:
        """Returns a statistic, which is combined when the call returns."""
        return value.reshape(leaf.reduced_shape(x))

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """Returns the contributions of leaves; each is one number."""
        return list(values)


class _Operands:
    """The arguments and results of a call, numbered as its plan does.

    Attributes:
      arguments: the arrays that it is given, after the scalars.
      results: the shapes and dtypes of those that it returns.
      aliases: of arguments, by number, the results that take their places.
    """

    def __init__(self, scalars: Any) -> None:
        self.arguments: list[Any] = [scalars]
        self.results: list[jax.ShapeDtypeStruct] = []
        self.aliases: dict[int, int] = {}
        self._places: list[tuple[dict[str, Any], str]] = []

    def add(self, task: Task, kernel: Kernel, x: Operand, written: bool) -> int:
        """Adds an array of a leaf; returns its number, which is negative for a result."""
        if x.read:
            array = task.arrays[x.name]
            self.arguments.append(array)
            if not written:
                return len(self.arguments) - 1
            self.aliases[len(self.arguments) - 1] = len(self.results)
            self.results.append(jax.ShapeDtypeStruct(array.shape, array.dtype))
        else:
            self.results.append(_new(task, kernel, x))
        self._places.append((task.arrays, x.name))
        return -len(self.results)

    def replace(self, results: Sequence[Any]) -> None:
        """Puts what a call returned in the place of what was there."""
        for (arrays, name), result in zip(self._places, results, strict=True):
            arrays[name] = result


def _dimensions(task: Task) -> list[int]:
    """The dimensions of a leaf in a plan: how many, their extents, and their order in memory."""
    kernel = max(task.kernels, key=lambda kernel: kernel.dimensions)
    layout = task.leaf.layout(kernel)
    return [len(layout.extents), *layout.extents, *layout.order]


def _new(task: Task, kernel: Kernel, x: Operand) -> jax.ShapeDtypeStruct:
    """An array that a kernel writes, and that was not there or is not read."""
    if x.lifetime == "leaf" and task.arrays.get(x.name) is not None:
        shape = task.arrays[x.name].shape
    elif x.large:
        shape = task.leaf.shape
    else:
        shape = (task.leaf.layout(kernel).elements(x.axes),) if x.axes else ()
    return jax.ShapeDtypeStruct(shape, jnp.dtype(x.dtype))

"""Executes launches of emitted Triton kernels: one call for each, whatever leaves it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.target import Task
from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.geometry import (
    Geometry,
    Parts,
    names_of,
    statistics,
    tiles_of_a_program,
)
from optgen.runtime.execution.triton.modules import CONSTANTS, arguments_of
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.execution.triton.tuned import options_for
from optgen.runtime.vocabulary.launches import Launch, PlacedLeaf
from optgen.runtime.vocabulary.module import Kernels
from optgen.runtime.vocabulary.sequence import Kernel, Operand

Call = Callable[..., Sequence[Any]]
"""Takes what ``bridge.call`` takes, and returns the results."""


class TritonExecutor:
    """See ``Executor``.

    Attributes:
      kernels: what was emitted.
      call: what calls a launch: ``bridge.call``, ``interpreter.call`` or a recorder.
    """

    def __init__(self, kernels: Kernels, call: Call) -> None:
        self.kernels, self.call = kernels, call

    def contributed(self, values: Sequence[Parts]) -> list[Any]:
        """Each array once: it holds the parts of all leaves of a launch."""
        return list({id(parts.array): parts.array for parts in values}.values())

    def statistic(self, leaf: PlacedLeaf, kernel: Kernel, x: Operand, value: Parts) -> Any:
        """Returns a statistic, which a finalize has computed for all leaves of a launch."""
        part = value.array[value.offset : value.offset + value.elements]
        return part.reshape(leaf.reduced_shape(x))

    def launch(self, launch: Launch, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Compiles all that a launch runs into one kernel, and calls it."""
        groups = _alike(tasks)
        groups.sort(key=lambda group: -group.elements)  # the largest first: the tail is short
        arrays = _Arrays(groups)
        stacked = _Scalars()
        sections = [
            _section(self.kernels, group, operands, stacked.place(group, scalars))
            for group, operands in zip(groups, arrays.operands, strict=True)
        ]
        inputs = {**stacked.arrays(), **arrays.inputs}
        first = len(inputs) - len(arrays.inputs)
        returned = self.call(
            self.kernels,
            sections,
            list(inputs.values()),
            list(inputs),
            arrays.outputs,
            {i + first: o for i, o in arrays.aliases.items()},
            groups[0].options,
        )
        arrays.keep(returned)


class _Group:
    """The leaves of a launch that one function runs on in one orientation.

    Attributes:
      tasks: the leaves.
      kernel: what runs on them.
      options: how it is cut into programs.
      leaves: the leaves, in the dimensions of their views.
      tiles: how many tiles each program takes.
    """

    def __init__(self, members: Sequence[tuple[Task, Geometry]]) -> None:
        self.tasks = [task for task, _ in members]
        self.leaves = [leaf for _, leaf in members]
        self.kernel, self.options = self.leaves[0].kernel, self.leaves[0].options
        self.tiles = tiles_of_a_program(self.leaves)

    @property
    def elements(self) -> int:
        """Number of elements of each large array of the leaves; 0 for a finalize."""
        small = self.kernel.kind == "finalize"
        return 0 if small else sum(task.leaf.size for task in self.tasks)

    @property
    def constants(self) -> dict[str, int]:
        """The values that compile-time arguments can have."""
        values = {name: getattr(self.options, option) for name, option in CONSTANTS.items()}
        if self.kernel.kind == "finalize":
            values["BLOCK"] = self.options.small
        return {**values, "ROWS_INNERMOST": int(self.leaves[0].rows_innermost)}


def _alike(tasks: Sequence[Task]) -> list[_Group]:
    """The leaves of each function and orientation.

    Matrices whose lines do not begin on 16 bytes are apart, since one of them would cost all
    others their wide loads.
    """
    groups: dict[tuple[str, bool, bool], list[tuple[Task, Geometry]]] = {}
    options: dict[str, Options] = {}
    for task in tasks:
        (kernel,) = task.kernels
        if kernel.function not in options:
            options[kernel.function] = options_for(kernel)
        leaf = Geometry(kernel, task.leaf, options[kernel.function])
        sweep = kernel.kind == "sweep"
        key = (kernel.function, sweep and leaf.rows_innermost, leaf.aligned)
        groups.setdefault(key, []).append((task, leaf))
    return [_Group(members) for members in groups.values()]


class _Scalars:
    """The scalars of a launch: one array for each dtype that leaves are computed in."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {}

    def place(self, group: _Group, scalars: Mapping[str, Any]) -> str:
        """Adds the scalars of a group; returns the expression for the address of the first."""
        real = group.tasks[0].leaf.sequence.dtypes[2]
        values = self.values.setdefault(real, [])
        first = f" + {len(values)}" if values else ""
        values += [scalars[name].astype(real) for name in group.kernel.scalars]
        return f"scalars_{real}{first}"

    def arrays(self) -> dict[str, Any]:
        """The arrays, by the name of the parameter."""
        return {f"scalars_{real}": jnp.stack(v) for real, v in self.values.items() if v}


def _section(
    kernels: Kernels, group: _Group, operands: Sequence[_Operands], scalars: str
) -> dispatch.Section:
    arguments = arguments_of(kernels, group.kernel.function)
    names = names_of(group.kernel)
    rows = [
        dispatch.Row(
            leaf.programs(group.tiles),
            {**leaf.integers(group.tiles, names), **statistics(of_leaf.parts), **of_leaf.pointers},
        )
        for leaf, of_leaf in zip(group.leaves, operands, strict=True)
    ]
    constants = {name: value for name, value in group.constants.items() if name in arguments}
    return dispatch.Section(group.kernel.function, arguments, constants, scalars, rows)


class _Operands:
    """The operands of one leaf.

    Attributes:
      pointers: where each begins: a parameter, or a place in one.
      parts: where its statistics are.
    """

    def __init__(self) -> None:
        self.pointers: dict[str, str] = {}
        self.parts: dict[str, Parts] = {}

    def add_statistic(self, name: str, parameter: str, parts: Parts) -> None:
        """Adds what is in parts, or one part of an array that leaves share."""
        offset = f" + {parts.offset}" if parts.offset else ""
        self.pointers[f"{name}_ptr"] = f"{parameter}{offset}"
        self.parts[name] = parts


class _Arrays:
    """The arrays of a launch: what goes in, what comes out, and in whose place.

    Attributes:
      inputs: arrays by the name of the parameter.
      outputs: the name of each result, and its shape and dtype.
      aliases: for an input, by its number, the result that takes its memory.
      operands: of each leaf of each group.
    """

    def __init__(self, groups: Sequence[_Group]) -> None:
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, jax.ShapeDtypeStruct] = {}
        self.aliases: dict[int, int] = {}
        self.operands = [[_Operands() for _ in group.tasks] for group in groups]
        self._results: list[tuple[Task, str, str]] = []  # leaf, operand, result
        self._statistics: list[tuple[Task, str, str, Parts]] = []
        self._parameters: dict[int, str] = {}  # of statistics that are read, by the array
        for number, group in enumerate(groups):
            for x in group.kernel.operands:
                if x.lifetime in ("leaf", "temporary"):
                    self._arrays_of_leaves(number, group, x)
                elif x.written:
                    self._write(number, group, x)
                else:
                    self._read(number, group, x.name)

    def _arrays_of_leaves(self, number: int, group: _Group, x: Operand) -> None:
        for i, task in enumerate(group.tasks):
            name = f"{x.name}_{number}_{i}"
            self.operands[number][i].pointers[f"{x.name}_ptr"] = name
            old = task.arrays.get(x.name)
            if not x.read:
                shape = task.leaf.shape if x.large or old is None else old.shape
                self.outputs[name] = jax.ShapeDtypeStruct(shape, jnp.dtype(x.dtype))
                self._results.append((task, x.name, name))
                continue
            assert old is not None
            self.inputs[name] = old
            if x.written:
                self.aliases[len(self.inputs) - 1] = len(self.outputs)
                self.outputs[f"{name}_new"] = jax.ShapeDtypeStruct(old.shape, old.dtype)
                self._results.append((task, x.name, f"{name}_new"))

    def _read(self, number: int, group: _Group, name: str) -> None:
        """Adds the parts that earlier launches left of a statistic; mostly in one array."""
        for i, task in enumerate(group.tasks):
            parts: Parts = task.arrays[name]
            key = id(parts.array)
            if key not in self._parameters:
                self._parameters[key] = f"{name}_read_{len(self._parameters)}"
                self.inputs[self._parameters[key]] = parts.array
            self.operands[number][i].add_statistic(name, self._parameters[key], parts)

    def _write(self, number: int, group: _Group, x: Operand) -> None:
        """One array for all leaves."""
        offset = 0
        result = f"{x.name}_written_{number}"
        for i, (task, leaf) in enumerate(zip(group.tasks, group.leaves, strict=True)):
            parts = Parts(None, offset, leaf.parts(x, group.tiles), leaf.layout.elements(x.axes))
            self.operands[number][i].add_statistic(x.name, result, parts)
            self._statistics.append((task, x.name, result, parts))
            offset += parts.parts * parts.elements
        self.outputs[result] = jax.ShapeDtypeStruct((offset,), jnp.dtype(x.dtype))

    def keep(self, returned: Sequence[Any]) -> None:
        """Gives the leaves what the launch computed."""
        results = dict(zip(self.outputs, returned, strict=True))
        for task, name, result in self._results:
            task.arrays[name] = results[result]
        for task, name, result, parts in self._statistics:
            task.arrays[name] = replace(parts, array=results[result])

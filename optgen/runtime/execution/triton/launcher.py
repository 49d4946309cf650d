"""Launches emitted Triton kernels on the leaves of a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.launches import Task
from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.geometry import Geometry, Parts, statistics, tiles_of_a_program
from optgen.runtime.execution.triton.modules import CONSTANTS, arguments_of
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.execution.triton.tuned import options_for
from optgen.runtime.vocabulary.kernels import Chain, Kernels, Operand, Routine

MOST_POINTERS = 4000
"""Of one launch: the parameters of a kernel may take 32,764 bytes."""

_ALIGNED = 16


Call = Callable[..., Sequence[Any]]
"""Takes what ``bridge.call`` takes, and returns the results."""


class TritonLauncher:
    """See ``Launcher``.

    Attributes:
      kernels: what was emitted.
      call: what calls a launch: ``bridge.call``, ``interpreter.call`` or a recorder.
      options: those of every launch, instead of the ones that were measured or guessed.
      together: one launch takes all kernels that can run at the same time.
    """

    together = True

    def __init__(self, kernels: Kernels, call: Call, options: Options | None = None) -> None:
        self.kernels, self.call, self.options = kernels, call, options

    def choose(self, chains: Sequence[Chain], shape: tuple[int, ...]) -> Chain | None:
        """The one chain that there is."""
        return chains[0] if chains else None

    def contributed(self, values: Sequence[Parts]) -> list[Any]:
        """Each array once: it holds the parts of all leaves of a launch."""
        return list({id(parts.array): parts.array for parts in values}.values())

    def launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Runs what can run at the same time, in as few launches as kernels have parameters for."""
        for part in _that_fit(tasks):
            self._launch(part, scalars)

    def _launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        groups = [_Group(alike, self.options) for alike in _alike(tasks)]
        groups.sort(key=lambda group: -group.elements)  # the largest first: the tail is short
        made = _Made(groups)
        sections: list[dispatch.Section] = []
        given: list[Any] = []
        for group, pointers, parts in zip(groups, made.pointers, made.parts, strict=True):
            sections.append(_section(self.kernels, group, pointers, parts, len(given)))
            given += [scalars[name] for name in group.routine.scalars]
        returned = self.call(
            self.kernels,
            sections,
            [_scalars(given), *made.inputs.values()],
            ["scalars", *made.inputs],
            made.outputs,
            {i + 1: o for i, o in made.aliases.items()},
            groups[0].options,
        )
        made.keep(returned)


class _Group:
    """The leaves of a launch that one function runs on.

    Attributes:
      tasks: the leaves.
      routine: the first one's; the others' differ in their views at most.
      options: how it is cut into programs.
      leaves: the leaves, in the dimensions of their views.
      tiles: how many tiles each program takes.
    """

    def __init__(self, tasks: Sequence[Task], options: Options | None) -> None:
        self.tasks, self.routine = tasks, tasks[0].routine
        self.options = options or options_for(self.routine)
        self.leaves = [Geometry(task.routine, task.shape, self.options) for task in tasks]
        self.tiles = tiles_of_a_program(self.leaves)

    @property
    def elements(self) -> int:
        """What it reads of each array of the leaves."""
        small = self.routine.kind == "settle"
        return 0 if small else sum(leaf.elements("*") for leaf in self.leaves)


def _section(
    kernels: Kernels,
    group: _Group,
    pointers: Sequence[Mapping[str, str]],
    parts: Sequence[Mapping[str, Parts]],
    scalars: int,
) -> dispatch.Section:
    arguments = arguments_of(kernels, group.routine.function)
    rows = [
        dispatch.Row(
            leaf.programs(group.tiles),
            {**leaf.integers(group.tiles), **statistics(parts[i]), **pointers[i]},
        )
        for i, leaf in enumerate(group.leaves)
    ]
    constants = {a: getattr(group.options, CONSTANTS[a]) for a in arguments if a in CONSTANTS}
    if group.routine.kind == "settle":
        constants["BLOCK"] = group.options.settled
    return dispatch.Section(group.routine.function, arguments, constants, scalars, rows)


class _Made:
    """The arrays of a launch: what goes in, what comes out, and in whose place.

    Attributes:
      inputs: arrays by the name of the parameter.
      outputs: the name of each result, and its shape and dtype.
      aliases: for an input, by its number, the result that takes its memory.
      pointers: for each leaf of each group the parameter that each operand is.
      parts: for each leaf of each group where its statistics are.
    """

    def __init__(self, groups: Sequence[_Group]) -> None:
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, jax.ShapeDtypeStruct] = {}
        self.aliases: dict[int, int] = {}
        self.pointers: list[list[dict[str, str]]] = [[{} for _ in g.tasks] for g in groups]
        self.parts: list[list[dict[str, Parts]]] = [[{} for _ in g.tasks] for g in groups]
        self._places: list[tuple[Task, str, str]] = []  # leaf, operand, result
        self._written: list[tuple[Task, str, str, Parts]] = []
        self._read_from: dict[int, str] = {}  # parameters of statistics, by the array
        for number, group in enumerate(groups):
            for place, x in enumerate(group.routine.operands):
                if x.purpose in ("leaf", "temporary"):
                    self._leaf_arrays(number, group, x)
                elif x.access == "in":
                    self._read(number, group, x.name)
                else:
                    self._write(number, group, place)

    def _leaf_arrays(self, number: int, group: _Group, x: Operand) -> None:
        for i, task in enumerate(group.tasks):
            name = f"{x.name}_{number}_{i}"
            self.pointers[number][i][f"{x.name}_ptr"] = name
            old = task.arrays.get(x.name)
            if x.access == "out":
                shape = task.shape if x.axes == "*" else old.shape  # type: ignore[union-attr]
                self.outputs[name] = jax.ShapeDtypeStruct(shape, jnp.dtype(x.dtype))
                self._places.append((task, x.name, name))
                continue
            assert old is not None
            self.inputs[name] = old
            if x.access == "in-out":
                self.aliases[len(self.inputs) - 1] = len(self.outputs)
                self.outputs[f"{name}_new"] = jax.ShapeDtypeStruct(old.shape, old.dtype)
                self._places.append((task, x.name, f"{name}_new"))

    def _read(self, number: int, group: _Group, name: str) -> None:
        """What earlier launches left of a statistic; mostly in one array."""
        for i, task in enumerate(group.tasks):
            parts: Parts = task.arrays[name]
            key = id(parts.array)
            if key not in self._read_from:
                self._read_from[key] = f"read_{len(self._read_from)}"
                self.inputs[self._read_from[key]] = parts.array
            self.pointers[number][i][f"{name}_ptr"] = self._read_from[key]
            self.parts[number][i][name] = parts

    def _write(self, number: int, group: _Group, place: int) -> None:
        """One array for all leaves."""
        offset, first = 0, group.routine.operands[place]
        result = f"made_{number}_{first.name}"
        for i, (task, leaf) in enumerate(zip(group.tasks, group.leaves, strict=True)):
            x = task.routine.operands[place]
            count, elements = leaf.parts(x, group.tiles), leaf.elements(x.axes)
            parts = Parts(None, offset, count, elements)
            self.parts[number][i][x.name] = parts
            self.pointers[number][i][f"{x.name}_ptr"] = result
            self._written.append((task, x.name, result, parts))
            offset += count * elements
        self.outputs[result] = jax.ShapeDtypeStruct((offset,), jnp.dtype(first.dtype))

    def keep(self, returned: Sequence[Any]) -> None:
        """Gives the leaves what the launch made."""
        results = dict(zip(self.outputs, returned, strict=True))
        for task, name, result in self._places:
            task.arrays[name] = results[result]
        for task, name, result, parts in self._written:
            task.arrays[name] = replace(parts, array=results[result])


def _that_fit(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Parts of a bucket for which one kernel has parameters."""
    part: list[Task] = []
    pointers = 0
    for task in tasks:
        needed = 2 * len(task.routine.operands)
        if part and pointers + needed > MOST_POINTERS:
            yield part
            part, pointers = [], 0
        part.append(task)
        pointers += needed
    yield part


def _alike(tasks: Sequence[Task]) -> list[list[Task]]:
    """The leaves of each function and of each choice of dtypes, which may share a function.

    Matrices whose rows do not begin on 16 bytes are apart, since one of them would cost all others
    their wide loads.
    """
    groups: dict[tuple[str, tuple[str, ...], bool], list[Task]] = {}
    for task in tasks:
        dtypes = tuple(x.dtype for x in task.routine.operands)
        groups.setdefault((task.routine.function, dtypes, _aligned(task)), []).append(task)
    return list(groups.values())


def _aligned(task: Task) -> bool:
    """Whether every row of a leaf begins on 16 bytes, and is dense."""
    routine: Routine = task.routine
    if not routine.view or routine.kind == "settle":
        return True
    leaf = Geometry(routine, task.shape, Options())
    itemsize = min(jnp.dtype(x.dtype).itemsize for x in routine.operands)
    dense = leaf.strides("*")[-1] == 1
    return dense and leaf.extents[-1] * itemsize % _ALIGNED == 0


def _scalars(values: Sequence[Any]) -> Any:
    return jnp.stack(values) if values else jnp.zeros(1, jnp.float32)

"""Launches emitted Triton kernels on the leaves of a bucket."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.kernels import Chain, Kernels, Operand, Routine
from optgen.runtime.launches import Task
from optgen.runtime.triton import dispatch
from optgen.runtime.triton.geometry import Geometry, Parts, statistics, tiles_of_a_program
from optgen.runtime.triton.options import Options
from optgen.runtime.triton.tuned import options_for

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
    """

    def __init__(self, kernels: Kernels, call: Call, options: Options | None = None) -> None:
        self.kernels, self.call, self.options = kernels, call, options

    def choose(self, chains: Sequence[Chain], shape: tuple[int, ...]) -> Chain | None:
        """The one chain that there is."""
        return chains[0] if chains else None

    def contributed(self, values: Sequence[Parts]) -> list[Any]:
        """Each array once: it holds the parts of all leaves of a launch."""
        return list({id(parts.array): parts.array for parts in values}.values())

    def launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Runs a function on all leaves; on some of them after the others where it must be."""
        for part in _alike(tasks):
            self._launch(part, scalars)

    def _launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        routine = tasks[0].routine
        options = self.options or options_for(routine)
        leaves = [Geometry(task.routine, task.shape, options) for task in tasks]
        tiles = tiles_of_a_program(leaves)
        made = _Made(tasks, leaves, tiles)
        rows = [
            dispatch.Row(
                leaf.programs(tiles),
                {**leaf.integers(tiles), **statistics(made.parts[i]), **made.pointers[i]},
            )
            for i, leaf in enumerate(leaves)
        ]
        given = _scalars([scalars[name] for name in routine.scalars])
        returned = self.call(
            self.kernels,
            routine.function,
            rows,
            [given, *made.inputs.values()],
            ["scalars", *made.inputs],
            made.outputs,
            {i + 1: o for i, o in made.aliases.items()},
            options,
        )
        made.keep(returned)


class _Made:
    """The arrays of a launch: what goes in, what comes out, and in whose place.

    Attributes:
      inputs: arrays by the name of the parameter.
      outputs: the name of each result, and its shape and dtype.
      aliases: for an input, by its number, the result that takes its memory.
      pointers: for each leaf the parameter that each operand is.
      parts: for each leaf where its statistics are.
    """

    def __init__(self, tasks: Sequence[Task], leaves: Sequence[Geometry], tiles: int) -> None:
        self.tasks = tasks
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, jax.ShapeDtypeStruct] = {}
        self.aliases: dict[int, int] = {}
        self.pointers: list[dict[str, str]] = [{} for _ in tasks]
        self.parts: list[dict[str, Parts]] = [{} for _ in tasks]
        self._places: list[tuple[int, str, str]] = []  # leaf, operand, result
        for place, x in enumerate(tasks[0].routine.operands):
            if x.purpose in ("leaf", "temporary"):
                self._leaf_arrays(x)
            elif x.access == "in":
                self._read(x.name)
            else:
                own = [task.routine.operands[place] for task in tasks]
                self._write(own, leaves, tiles)

    def _leaf_arrays(self, x: Operand) -> None:
        for i, task in enumerate(self.tasks):
            name = f"{x.name}_{i}"
            self.pointers[i][f"{x.name}_ptr"] = name
            old = task.arrays.get(x.name)
            if x.access == "out":
                shape = task.shape if x.axes == "*" else old.shape  # type: ignore[union-attr]
                self.outputs[name] = jax.ShapeDtypeStruct(shape, jnp.dtype(x.dtype))
                self._places.append((i, x.name, name))
                continue
            self.inputs[name] = old
            if x.access == "in-out":
                self.aliases[len(self.inputs) - 1] = len(self.outputs)
                self.outputs[f"{name}_new"] = jax.ShapeDtypeStruct(
                    task.arrays[x.name].shape, task.arrays[x.name].dtype
                )
                self._places.append((i, x.name, f"{name}_new"))

    def _read(self, name: str) -> None:
        """What an earlier launch left of a statistic; mostly in one array."""
        arrays: dict[int, str] = {}
        for i, task in enumerate(self.tasks):
            parts: Parts = task.arrays[name]
            if id(parts.array) not in arrays:
                arrays[id(parts.array)] = f"{name}_{len(arrays)}"
                self.inputs[arrays[id(parts.array)]] = parts.array
            self.pointers[i][f"{name}_ptr"] = arrays[id(parts.array)]
            self.parts[i][name] = parts

    def _write(self, own: Sequence[Operand], leaves: Sequence[Geometry], tiles: int) -> None:
        """One array for all leaves."""
        offset, name = 0, own[0].name
        for i, (x, leaf) in enumerate(zip(own, leaves, strict=True)):
            count, elements = leaf.parts(x, tiles), leaf.elements(x.axes)
            self.parts[i][name] = Parts(None, offset, count, elements)
            self.pointers[i][f"{name}_ptr"] = name
            offset += count * elements
        self.outputs[name] = jax.ShapeDtypeStruct((offset,), jnp.dtype(own[0].dtype))

    def keep(self, returned: Sequence[Any]) -> None:
        """Gives the leaves what the launch made."""
        results = dict(zip(self.outputs, returned, strict=True))
        for i, name, result in self._places:
            self.tasks[i].arrays[name] = results[result]
        for i, found in enumerate(self.parts):
            for name, parts in found.items():
                if parts.array is None:
                    whole = Parts(results[name], parts.offset, parts.parts, parts.elements)
                    self.tasks[i].arrays[name] = whole


def _alike(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Parts of a bucket that one kernel can take.

    Matrices whose rows do not begin on 16 bytes are apart, since one of them would cost all others
    their wide loads; and a kernel has so many parameters.
    """
    key = functools.partial(_aligned)
    for _, group in itertools.groupby(sorted(tasks, key=key), key):
        same = list(group)
        most = max(1, MOST_POINTERS // (2 * len(same[0].routine.operands)))
        for start in range(0, len(same), most):
            yield same[start : start + most]


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

"""Calls of Pallas by the ``tpu`` target, and small values that XLA computes between them."""

import functools
import inspect
import re

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from optgen.runtime.execution.tpu import executor, packed, work
from tests.recorder.records import Array, Call, Part, Value
from tests.recorder.walk import SAME, Walk

PREFIX = "emitted_"
IN_PIECES = frozenset({"concatenate", "slice", "add", "max", "min"})
"""Operations of a kernel that make one array of its pieces, or of parts of a reduction."""


class Kernels:
    """The emitted functions, each of which is seen as one operation of a kernel."""

    def __init__(self, patch):
        self.parameters = {}
        named = functools.lru_cache(lambda kernels: self._named(work.functions_of(kernels)))
        for module in (executor, packed):
            patch.setattr(module, "functions_of", named)
        patch.setattr(packed, "_program", packed._program.__wrapped__)

    def _named(self, functions):
        return {n: self._operation(n, f) for n, f in functions.items() if inspect.isfunction(f)}

    def _operation(self, name, function):
        self.parameters[name] = list(inspect.signature(function).parameters)[1:]

        def call(leaf, *values):
            def operation(*values):
                return function(leaf, *values)

            operation.__name__ = PREFIX + name
            return jax.jit(operation)(*values)

        return call

    @property
    def calls(self):
        return {"pallas_call": self._record, "jit": self._jit}

    def function(self, equation, values, part):
        """Notes an emitted function; returns the values of its results."""
        name = equation.params["name"].removeprefix(PREFIX)
        parameters = self.parameters[name]
        first = len(values) - len(parameters)  # after what it knows of its tile
        for parameter, x, value in zip(
            parameters, equation.invars[first:], values[first:], strict=True
        ):
            assert (value is None) == (x.aval.shape == ()), (name, parameter, value)
            if value is not None:
                assert value.name == parameter, (name, parameter, value)
                part.serve(value)
        part.functions.append(name)
        paths = equation.params["jaxpr"].jaxpr.debug_info.result_paths
        names = [re.fullmatch(r"result\['(\w+)'\]", path)[1] for path in paths]
        arrays = [Array.of(x.aval) for x in equation.outvars]
        return [Value(n, part.leaf, a, part) for n, a in zip(names, arrays, strict=True)]

    def _jit(self, walk, equation, values):
        """Records a function that XLA computes beside the kernels."""
        if not equation.params["name"].startswith(PREFIX):
            return NotImplemented
        part = Part()
        results = self.function(equation, values, part)
        operands = zip(values, equation.invars, strict=True)
        part.reads = {value.name: Array.of(x.aval) for value, x in operands if value is not None}
        part.writes = {value.name: value.array for value in results}
        walk.record.calls.append(Call([part]))
        return results

    def _record(self, walk, equation, values):
        """Records a call of Pallas."""
        mapping, kernel = equation.params["grid_mapping"], equation.params["jaxpr"]
        memories = [Memory(value) for value in values]
        memories += [Memory() for _ in kernel.invars[len(values) :]]
        body = Body(self)
        body.run(kernel, memories)
        arrays = [Array.of(block.array_aval) for block in mapping.block_mappings]
        for array, block, memory in zip(arrays, mapping.block_mappings, memories, strict=False):
            whole = not memory.values or moved_bytes(mapping, block, memory) == array.bytes
            assert whole, f"{memory.values} is brought more than once, or not all of it"
        scalars = mapping.block_mappings[0].transformed_block_aval
        assert values[0] is None
        assert str(scalars.memory_space) == "smem"
        for value, array in zip(values[1:], arrays[1 : len(values)], strict=True):
            body.parts[value.leaf].reads[value.name] = array
        results = memories[len(values) : len(arrays)]
        for array, memory in zip(arrays[len(values) :], results, strict=True):
            self._written(array, memory)
        for argument, result in equation.params["input_output_aliases"]:
            before, after = values[argument], results[result].value
            assert (before.name, before.leaf) == (after.name, after.leaf)
        walk.record.calls.append(Call(list(body.parts.values())))
        return [memory.value for memory in results]

    def _written(self, array, memory):
        """Notes a result; where leaves share it, each has as many elements."""
        shares = len(memory.values)
        own = array if shares == 1 else Array((array.elements // shares,), array.dtype)
        assert own.elements * shares == array.elements
        for value in memory.values.values():
            value.part.writes[value.name] = own


class Memory:
    """The memory of a reference of a kernel: the last value of each leaf that has a part of it.

    Attributes:
      values: the values, by leaf.
      copies: how often it was copied as a whole, from or to.
    """

    def __init__(self, value=None):
        self.values = {} if value is None else {value.leaf: value}
        self.copies = 0

    @property
    def value(self):
        return next(iter(self.values.values())) if len(self.values) == 1 else None

    def put(self, value):
        if value is not None:
            self.values[value.leaf] = value


class Body(Walk):
    """A walk over the body of a kernel: every branch is taken once.

    Attributes:
      parts: what is done to each leaf.
    """

    def __init__(self, kernels):
        super().__init__("", (), {})
        self.kernels, self.parts = kernels, {}

    def equation(self, equation, values):
        name = equation.primitive.name
        if name == "jit" and equation.params["name"].startswith(PREFIX):
            leaf = next(x.leaf for x in values if isinstance(x, Value))
            return self.kernels.function(equation, values, self.parts.setdefault(leaf, Part()))
        if name == "get":
            return [values[0].value]
        if name == "swap":
            values[0].put(values[1])
            return [None]
        if name == "dma_start":
            source, destination, *_ = (x for x in values if isinstance(x, Memory))
            destination.put(source.value)
            destination.values |= source.values
            source.copies += 1
            destination.copies += 1
            return []
        if name == "cond":
            for branch in equation.params["branches"]:
                self.run(branch.jaxpr, values[1:])
            return [None] * len(equation.outvars)
        if name in SAME | IN_PIECES:
            return [next((x for x in reversed(values) if isinstance(x, Value)), None)]
        return super().equation(equation, values)


def moved_bytes(mapping, block, memory):
    """Bytes that are moved of an array: block by block, or as a whole by the kernel itself."""
    array = Array.of(block.array_aval)
    if not mapping.grid:
        return memory.copies * array.bytes
    shape = tuple(getattr(n, "block_size", n) for n in block.block_shape)
    index = block.index_map_jaxpr
    key = str(index), tuple(mapping.grid), shape, array.shape
    return _moved_elements(_Index(key, index)) * array.bytes // array.elements


class _Index:
    """An index map; those that print alike are the same."""

    def __init__(self, key, program):
        self.key, self.program = key, program

    def __hash__(self):
        return hash(self.key)

    def __eq__(self, other):
        return self.key == other.key


@functools.lru_cache(maxsize=4096)
def _moved_elements(index):
    """Elements of the blocks that are moved: each time that its index is not the one before."""
    _, grid, block, shape = index.key
    steps = np.indices(grid, np.int32).reshape(len(grid), -1)
    places = jax.vmap(jaxpr_as_fun(index.program))(*steps)
    places = np.stack([np.broadcast_to(x, max(1, steps.shape[-1])) for x in places])
    new = np.ones(places.shape[1], bool)
    new[1:] = (np.diff(places, axis=1) != 0).any(0)
    corners = places[:, new] * np.reshape(block, (-1, 1))
    sizes = np.minimum(np.reshape(shape, (-1, 1)) - corners, np.reshape(block, (-1, 1)))
    return int(sizes.prod(0).sum())

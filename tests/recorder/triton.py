"""Calls of jax_triton by the ``triton`` target.

The source of a launch is run for the first program of each leaf, with functions that note their
arguments: so it is the launch itself that says which function runs on which arrays.
"""

import ast
import importlib.util
from dataclasses import dataclass
from types import SimpleNamespace

import jax
from jax.extend.core import Primitive

from optgen.runtime.execution.triton import bridge
from tests.recorder.records import Array, Call, Part, Shared, Value

MOST_SCALARS = 32
"""The most scalars that a function reads."""

_call = Primitive("recorded_triton_call")
_call.multiple_results = True


@_call.def_abstract_eval
def _results(*_, results, **__):
    return [jax.core.ShapedArray(x.shape, x.dtype) for x in results]


def _triton_call(*arrays, kernel, grid, name, input_output_aliases, **options):
    """Stand for that of jax_triton, in the convention of the release that is installed."""
    results = options["out_shape"] if "out_shape" in options else options["out_type"]
    taken = () if "out_shape" in options else input_output_aliases.values()
    return _call.bind(
        *arrays,
        kernel=kernel,
        grid=grid,
        results=tuple(results),
        aliases=tuple(input_output_aliases.items()),
        passed=tuple(i for i in range(len(results)) if i not in taken),
    )


@dataclass(frozen=True)
class Pointer:
    """A place in an array."""

    parameter: str
    offset: int = 0

    def __add__(self, offset):
        return Pointer(self.parameter, self.offset + offset)


class Sources:
    """The launches as jax_triton is given them; nothing is compiled or kept."""

    def __init__(self, patch):
        find = importlib.util.find_spec
        without = {"flatbuffers"}  # in which compiled launches would be kept
        patch.setattr(bridge, "jax_triton", lambda: SimpleNamespace(triton_call=_triton_call))
        patch.setattr(
            importlib.util, "find_spec", lambda name: None if name in without else find(name)
        )

    @property
    def calls(self):
        return {_call.name: self._record}

    def _record(self, walk, equation, values):
        """Records a call."""
        arrays = _Arrays(equation, values)
        called = first_programs(equation.params["kernel"], equation.params["grid"])
        parts = [arrays.part(*x) for x in called]
        walk.record.calls.append(Call(parts))
        arrays.check_all_are_used(MOST_SCALARS * len({part.functions[0] for part in parts}))
        return arrays.close()


def first_programs(kernel, grid):
    """The function and the arguments of each leaf of a launch, by its first program."""
    (programs,) = grid
    called = []

    def noting(function):
        def note(*arguments):
            called.append(
                (function.__name__, dict(zip(function.arg_names, arguments, strict=True)))
            )

        return note

    emitted = {n: f for n, f in kernel.fn.__globals__.items() if hasattr(f, "arg_names")}
    current = [0]
    language = SimpleNamespace(
        program_id=lambda axis: current[0], full=lambda shape, value, dtype: value, int64=None
    )
    scope = {name: noting(function) for name, function in emitted.items()}
    scope |= {"tl": language, "device": SimpleNamespace(found=lambda note: None)}
    exec(kernel.src[kernel.src.index("def ") :], scope)
    numbers = [
        x.value
        for node in ast.walk(ast.parse(kernel.src))
        if isinstance(node, ast.Compare)
        for x in node.comparators
    ]
    for current[0] in sorted({0, *numbers} - {programs}):
        scope[kernel.__name__](*map(Pointer, kernel.arg_names))
        assert called[-1][1]["program"] == 0, "the programs of a leaf begin at 0"
    assert max(numbers, default=0) <= programs
    return called


class _Arrays:
    """The arrays of a call by the parameters of its kernel."""

    def __init__(self, equation, values):
        names, parameters = equation.params["kernel"].arg_names, equation.params
        given = len(values)
        self.inputs = dict(zip(names[:given], range(given), strict=True))
        self.outputs = dict(zip(names[given:], parameters["passed"], strict=True))
        self.aliases = dict(parameters["aliases"])
        self.values, self.equation = values, equation
        self.results = [None] * len(equation.outvars)
        self.regions = {}  # of results that leaves share
        self.used = set()

    def part(self, function, arguments):
        """One function on one leaf."""
        part = Part(functions=[function])
        pointers = {
            name.removesuffix("_ptr"): pointer
            for name, pointer in arguments.items()
            if isinstance(pointer, Pointer) and name != "scalars"
        }
        for name, pointer in pointers.items():
            if (place := self.inputs.get(pointer.parameter)) is not None:
                self._read(part, name, place, pointer.offset)
        for name, pointer in pointers.items():
            self._written(part, name, pointer)
        return part

    def _read(self, part, name, place, offset):
        self.used.add(place)
        value, array = self.values[place], Array.of(self.equation.invars[place].aval)
        if isinstance(value, Shared):
            value = value.regions[offset]
            array = value.array
        else:
            assert offset == 0
        assert value.name == name, (name, value, part)
        part.serve(value)
        part.reads[name] = array

    def _written(self, part, name, pointer):
        place = self.inputs.get(pointer.parameter)
        number = self.outputs.get(pointer.parameter) if place is None else self.aliases.get(place)
        if number is None:
            return
        regions = self.regions.setdefault(number, {})
        assert pointer.offset not in regions
        regions[pointer.offset] = part, name

    def check_all_are_used(self, scalars):
        """Requires every array to be some leaf's, but for so many scalars."""
        others = set(range(len(self.values))) - self.used
        assert all(self.values[place] is None for place in others)
        assert sum(self.equation.invars[place].aval.size for place in others) <= scalars
        assert self.regions.keys() == set(range(len(self.results)))

    def close(self):
        """The values of the results, once all leaves are known: a region ends at the next."""
        for number, regions in self.regions.items():
            array, starts = Array.of(self.equation.outvars[number].aval), sorted(regions)
            assert starts[0] == 0
            shared = {}
            for start, end in zip(starts, [*starts[1:], array.elements], strict=True):
                part, name = regions[start]
                own = array if len(starts) == 1 else Array((end - start,), array.dtype)
                part.writes[name] = own
                shared[start] = Value(name, part.leaf, own, part)
            self.results[number] = shared[0] if len(starts) == 1 else Shared(shared)
        return self.results

"""Custom calls of the ``cpu`` target, as the plan in their attributes has them."""

import re
import sys
from dataclasses import dataclass

import numpy as np

from optgen.runtime.execution import cpu
from optgen.runtime.execution.cpu import executor
from tests.recorder.records import Array, Call, Part, Value

ELEMENTS = {
    "float": "float32",
    "double": "float64",
    "optgen::bfloat16": "bfloat16",
    "optgen::float16": "float16",
}


@dataclass(frozen=True)
class Parameter:
    """An array of an emitted function, as the text of that function has it."""

    name: str
    dtype: str
    read: bool
    written: bool


class Libraries:
    """The emitted libraries by their keys; none is compiled, as no call is executed."""

    def __init__(self, patch):
        self.texts = []
        patch.setattr(cpu, "compile_library", lambda *_: None)
        patch.setattr(executor, "entry", self._entry)
        patch.setattr(sys.modules["optgen.runtime.execution.cpu.call"], "handler", lambda: None)

    def _entry(self, text, name, symbol):
        assert symbol in text
        self.texts.append(text)
        return len(self.texts) - 1

    @property
    def calls(self):
        return {"ffi_call": self._record}

    def _record(self, walk, equation, values):
        """Records a custom call; its plan is read as the launch code in C++ reads it."""
        attributes = dict(equation.params["attributes"])
        kernels = kernels_of(self.texts[int(attributes["kernel"])])
        arrays = _Arrays(equation, values)
        plan = iter(attributes["plan"].val.tolist())
        scalars = next(plan)
        assert equation.invars[0].aval.size == max(1, scalars)
        assert equation.invars[0].aval.dtype.itemsize == next(plan)
        for _ in range(scalars):
            next(plan)
        parts = []
        for _ in range(next(plan)):
            rank = next(plan)
            extents = [next(plan) for _ in range(rank)]
            assert sorted(next(plan) for _ in range(rank)) == list(range(rank))
            for _ in range(next(plan)):
                function, parameters = kernels[next(plan)]
                parts.append(arrays.part(function, parameters, plan, int(np.prod(extents))))
        assert not list(plan)
        assert arrays.used == set(range(1, len(values))), "an argument that no kernel takes"
        assert None not in arrays.results, "a result that no kernel writes"
        walk.record.calls.append(Call(parts))
        return arrays.results


class _Arrays:
    """The arrays of a custom call by their numbers: an argument's, or less than zero a result's."""

    def __init__(self, equation, values):
        self.arguments, self.equation = values, equation
        self.used = {argument for argument, _ in equation.params["input_output_aliases"]}
        self.results = [None] * len(equation.outvars)
        for argument, result in equation.params["input_output_aliases"]:
            self.results[result] = values[argument]

    def part(self, function, parameters, plan, size):
        """One kernel on one leaf of so many elements."""
        part, updated = Part(functions=[function]), []
        for parameter in parameters:
            number = next(plan)
            of_results = number < 0
            place = -1 - number if of_results else number
            self.used |= set() if of_results else {place}
            variables = self.equation.outvars if of_results else self.equation.invars
            array = Array.of(variables[place].aval)
            assert array.dtype == parameter.dtype, (function, parameter)
            if parameter.read:
                value = (self.results if of_results else self.arguments)[place]
                assert value.name == parameter.name, (function, parameter, value)
                part.serve(value)
                part.reads[parameter.name] = array
            if parameter.written:
                assert of_results, f"{function} writes what it may only read: {parameter}"
                part.writes[parameter.name] = array
                updated.append((place, parameter.name, array))
        for place, name, array in updated:
            self.results[place] = Value(name, part.leaf, array, part)
        assert "g" not in part.reads or part.reads["g"].elements == size
        return part


def kernels_of(text):
    """The functions of a library with their arrays, in the order of its table of kernels."""
    table = text[text.index("optgen::Kernel kernels[]") :]
    names = re.findall(r"^    \{\.\w+ = optgen::declare<(\w+)", table, re.MULTILINE)
    return [(name, _parameters(name, text)) for name in names]


def _parameters(name, text):
    head, body = re.search(
        rf"^static void {name}\((.*?)\) \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL
    ).groups()
    parameters = []
    for parameter in re.split(r",\s+(?![^<]*>)", head.strip()):
        if array := re.fullmatch(r"(const )?([\w:]+)\* __restrict (\w+)_data", parameter):
            constant, element, array_name = array.groups()
            uses = re.findall(rf"\b{array_name}_data\[[^;]*?;", body)
            written = [use for use in uses if re.match(r"\w+\[[^=;]*\] = ", use)]
            read = bool(constant) or len(written) < len(uses)
            assert not (constant and written)
            parameters.append(Parameter(array_name, ELEMENTS[element], read, not constant))
        elif part := re.fullmatch(
            r"optgen::Per\w+<(?:\w+, )?([\w:]+), [\w:]+> (\w+)_part", parameter
        ):
            parameters.append(Parameter(part[2], ELEMENTS[part[1]], False, True))
        else:
            assert re.match(r"const optgen::(Leaf|Slice|Tile)|const Scalars", parameter), parameter
    return tuple(parameters)

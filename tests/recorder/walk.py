"""A walk over the program that JAX lowers, which knows what each array of a leaf is.

Names come from the program's own arguments and results, and from the emitted functions; launch
lists and kernel sequences are not asked.
"""

import re

import jax

from optgen.runtime.execution.primitive import Place
from tests.recorder.records import Array, Part, Record, Shared, Value

SAME = frozenset(
    {
        "broadcast_in_dim",
        "convert_element_type",
        "reshape",
        "squeeze",
        "transpose",
        "with_memory_space_constraint",
    }
)
"""Operations whose result is the array that they are given."""


def step_of(program, mode):
    """The program of a step, and the array of a leaf that each argument and each result is."""
    jitted = ((str(e.params.get("name")), e) for e in program.eqns)
    (step,) = (e for name, e in jitted if re.fullmatch(rf"optgen_.*_{mode}", name))
    inner = step.params["jaxpr"].jaxpr
    given = [_array_of_leaf(name) for name in inner.debug_info.arg_names]
    out = "p" if mode == "step" else "update"
    results = [_array_of_leaf(name, out) for name in inner.debug_info.result_paths]
    return inner, given, results


def _array_of_leaf(path, out=None):
    """The name of an array and the number of its leaf; None for scalars."""
    if match := re.fullmatch(r"(?:result\[1\]|slots)\[(\d+)\]\['(\w+)'\]", path):
        return match[2], int(match[1])
    if match := re.fullmatch(r"(grads|params|result\[0\])\[(\d+)\]", path):
        return {"grads": "g", "params": "p"}.get(match[1], out), int(match[2])
    return None


class Walk:
    """A walk over the program of one platform.

    Attributes:
      platform: the platform.
      portable: the names of the emitted ``jnp`` functions.
      calls: for each operation that calls the device, a function of the walk, the equation and
        the values of its operands; it returns those of its results, or ``NotImplemented``.
      record: the record.
    """

    def __init__(self, platform, portable, calls):
        self.platform, self.portable, self.calls = platform, portable, calls
        self.record = Record()

    def step(self, program, mode):
        """Records a step, and checks that each result is the array that it should be."""
        inner, given, results = step_of(program, mode)
        arrays = [Array.of(v.aval) for v in inner.invars]
        values = [x and Value(*x, array) for x, array in zip(given, arrays, strict=True)]
        for v, value, named in zip(inner.outvars, self.run(inner, values), results, strict=True):
            if named is not None:
                assert (value.name, value.leaf) == named, (value, named)
                if value.part in self.record.portable.get(value.leaf, ()):
                    value.part.writes[value.name] = Array.of(v.aval)
        if mode == "update":
            self.apply_updates(inner, given)
        return self.record

    def apply_updates(self, inner, given):
        """Notes that what takes an update adds it to the parameter as it is computed."""
        arrays = zip(inner.invars, given, strict=True)
        parameters = {x[1]: Array.of(v.aval) for v, x in arrays if x and x[0] == "p"}
        for leaf, parts in self.record.portable.items():
            assert parts[-1].writes.pop("update")
            parts[-1].reads["p"] = parts[-1].writes["p"] = parameters[leaf]

    def run(self, program, values):
        """Walks over a program; returns the values of its results."""
        known = dict(zip(program.invars, values, strict=True))

        def value_of(x):
            return None if hasattr(x, "val") else known.get(x)

        for equation in program.eqns:
            results = self.equation(equation, [value_of(x) for x in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [value_of(x) for x in program.outvars]

    def equation(self, equation, values):
        """The values of the results of an equation."""
        name, parameters = equation.primitive.name, equation.params
        if name in self.calls:
            results = self.calls[name](self, equation, values)
            if results is not NotImplemented:
                return results
        if name == "jit" and parameters["name"] in self.portable:
            return self._function(equation, values)
        if name in ("jit", "closed_call"):
            return self.run(parameters["jaxpr"].jaxpr, values)
        if name in ("optgen_leaf_programs", "optgen_tpu"):
            shapes = [jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype) for x in equation.invars]
            return self.run(jax.make_jaxpr(self._lowered(parameters))(*shapes).jaxpr, values)
        if name in SAME:
            return values[:1]
        if name == "slice" and isinstance(values[0], Shared):  # the part of a leaf
            return [values[0].regions[parameters["start_indices"][0]]]
        if name == "add" and all(isinstance(x, Value) for x in values):
            return [self._added(values)]
        return [None] * len(equation.outvars)

    def _lowered(self, parameters):
        """The function of arrays that is traced where an operation is lowered."""
        if "function" in parameters:
            return parameters["function"]
        place = Place(self.platform, whole=True, exported=False)
        function, structure = parameters["programs"].at(place), parameters["structure"]
        return lambda *arrays: jax.tree.leaves(function(*jax.tree.unflatten(structure, arrays)))

    def _function(self, equation, values):
        """A ``jnp`` function of a leaf; what its update function writes, the step's results say."""
        inner = equation.params["jaxpr"].jaxpr.debug_info
        part = Part(functions=[equation.params["name"]])
        for name, x, value in zip(inner.arg_names, equation.invars, values, strict=True):
            if value is not None:
                assert value.name == name
                part.serve(value)
                part.reads[name] = Array.of(x.aval)
        self.record.portable.setdefault(part.leaf, []).append(part)
        names = [re.fullmatch(r"result\['(\w+)'\]", path)[1] for path in inner.result_paths]
        arrays = [Array.of(x.aval) for x in equation.outvars]
        if "update" not in names:
            part.writes = dict(zip(names, arrays, strict=True))
            return [None] * len(names)  # scalars of the whole tree are made of them
        return [Value(*x, part) for x in zip(names, [part.leaf] * len(names), arrays, strict=True)]

    def _added(self, values):
        """The next parameter, where its update is added in ``jnp``."""
        p, update = values
        assert (p.name, update.name) == ("p", "update")
        assert p.leaf == update.leaf
        update.part.reads.setdefault("p", p.array)
        return Value("p", p.leaf, p.array, update.part)

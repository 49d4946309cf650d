"""The ``cpu`` target: C++ kernels of the plan, a function for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optgen.emit.cpp import Cpp, cpp_type, data, mask
from optgen.emit.order import readers_first
from optgen.emit.printer import ATOM, Text
from optgen.ir.build import effect
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, REAL, SCALAR, Axes
from optgen.schedule.graph import is_reduction
from optgen.schedule.kernel import Kernel

_CLAUSE = {"sum": "+", "max": "optgen::largest", "min": "optgen::smallest"}


@dataclass(frozen=True)
class GroupKernels:
    """The kernels of one program in one phase, and the arrays that a leaf brings to it.

    Attributes:
      name: what its functions are called.
      kernels: in the order in which they run.
      dtypes: what the symbolic dtypes stand for.
      inputs: the arrays that are read only.
      in_place: those that are updated.
      outputs: those that are only written.
    """

    name: str
    kernels: tuple[Kernel, ...]
    dtypes: Dtypes
    inputs: tuple[str, ...]
    in_place: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def arrays(self) -> tuple[str, ...]:
        """All of them, as ``Leaf::array`` counts them."""
        return (*self.inputs, *self.in_place, *self.outputs)


@dataclass(frozen=True)
class KernelSource:
    """A kernel as C++.

    Attributes:
      function: the function, and what the launch code is told of its reductions.
      record: the expression that declares it as a kernel.
    """

    function: str
    record: str


def kernel_source(
    group: GroupKernels, place: int, scalars: Mapping[str, int], name: str
) -> KernelSource:
    """Prints one kernel of a group.

    Args:
      group: the kernels of a program, and the arrays that a leaf brings.
      place: which of them.
      scalars: where each scalar stands.
      name: what the function is called.
    """
    kernel = group.kernels[place]
    settles = kernel.kind == "settle"
    emitter = (_Settle if settles else _Sweep)(group, kernel, scalars)
    lines = [
        f"// {_about(kernel)}",
        f"static void {name}(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {{",
        *_indented(emitter.lines()),
        "}",
    ]
    arguments = [name]
    if emitter.reductions:
        arguments.append(f"{name}_reductions")
        lines += ["", f"static const optgen::Reduction {name}_reductions[] = {{"]
        lines += [
            f"    {{{group.arrays.index(array)}, {axes}, optgen::Combine::{how}}},  // {array}"
            for array, axes, how in emitter.reductions
        ]
        lines.append("};")
    flat = kernel.view is not None and kernel.view.kind == "flat"
    declared = "settle" if settles else "flat" if flat else "matrix"
    real = cpp_type(REAL, group.dtypes)
    record = f"optgen::{declared}<{real}>({', '.join(arguments)})"
    return KernelSource("\n".join(lines), record)


def _about(kernel: Kernel) -> str:
    reads = [x.name for x in kernel.operands if x.access in ("in", "in-out")]
    writes = [x.name for x in kernel.operands if x.access != "in"]
    return f"Reads {', '.join(reads) or 'nothing'}; writes {', '.join(writes)}."


def _indented(lines: Sequence[str], by: int = 2) -> list[str]:
    return [" " * by + line if line and not line.startswith("#") else line for line in lines]


class _Body:
    """What the functions of sweeps and of settling kernels share."""

    def __init__(self, group: GroupKernels, kernel: Kernel, scalars: Mapping[str, int]) -> None:
        self.group, self.kernel, self.scalars = group, kernel, dict(scalars)
        assert kernel.view is not None
        self.dimensions = len(kernel.view.roles)
        self.reductions: list[tuple[str, str, str]] = []

    def printer(self, program: Program, reserved: Sequence[str] = ()) -> Cpp:
        return Cpp(program, self.group.dtypes, self.dimensions, self.scalars, reserved)

    def head(self) -> Iterator[str]:
        """The types, and the arrays."""
        dtypes = self.group.dtypes
        yield f"using Real = {cpp_type(REAL, dtypes)};"
        for x in self.kernel.operands:
            const = "const " if x.access == "in" else ""
            element = f"{const}{cpp_type(x.type.dtype, dtypes)}"
            place = self.group.arrays.index(x.name)
            yield f"{element}* __restrict {data(x.name)} = leaf.array<{element}>({place});"

    def lines(self) -> list[str]:
        raise AssertionError("each kind of kernel has its own")


class _Sweep(_Body):
    """A kernel that reads each element once, tile by tile."""

    def lines(self) -> list[str]:
        self.reductions = []
        self.out = self.printer(self.kernel.body)
        self.partials: list[str] = []  # where the tile leaves its parts of reductions
        self.columns: list[str] = []  # what is summed over rows
        self.totals: list[tuple[str, str]] = []  # what a loop over elements reduces, and how
        self.stores: list[str] = []  # the end of the loop over elements
        self.after_row: list[str] = []
        self.after: list[str] = []
        for output in self.kernel.body.outputs:
            value = output.args[0]
            if is_reduction(value):
                self._reduce(output, value)
            else:
                self.stores.append(f"{data(output.attr)}[i] = {self.out.text(value)[0]};")
        element = [*self.out.levels["element"], *self.stores]
        flat = self.kernel.view is not None and self.kernel.view.kind == "flat"
        loops = self._flat(element) if flat else self._matrix(element)
        return [*self.head(), *self.out.levels["scalar"], *self.partials, *loops, *self.after]

    def _reduce(self, output: Node, value: Node) -> None:
        """Adds what a reduction needs in the loops, around them, and for the launch code."""
        part = self.out.unique(f"{output.attr}_part")
        x = self.out.text(value.args[0])[0]
        axes, how = value.type.axes, value.op
        bits = mask(axes, self.dimensions)
        outer = set(range(self.dimensions - 1))
        whole_rows = bool(outer) and set(axes) == outer
        if not whole_rows:
            self.partials.append(f"double* {part} = leaf.partial({len(self.reductions)}, tile);")
            self.reductions.append((output.attr, bits, how))
        if axes != SCALAR and self.dimensions - 1 in axes:
            self._reduce_rows(output.attr, part, x, bits, how)
            return
        total = self.out.unique(f"{output.attr}_total")
        self.totals.append((total, how))
        self.stores.append(_joined(how, total, f"double({x})"))
        if whole_rows:
            self.after_row.append(f"{data(output.attr)}[row] = static_cast<Real>({total});")
        elif not outer:
            self.after.append(f"{part}[0] = {total};")
        else:
            place = f"leaf.layout.varies({bits}) ? row - begin : 0" if axes else "0"
            self.after_row.append(_joined(how, f"{part}[{place}]", total))

    def _reduce_rows(self, name: str, part: str, x: str, bits: str, how: str) -> None:
        """A reduction over rows: a few in the precision of the leaf, then in double."""
        rows = self.out.unique(f"{name}_rows")
        columns = self.out.unique(f"{name}_columns")
        varies = f"leaf.layout.varies({bits})"
        self.columns += [
            f"optgen::Columns<Real> {rows}(optgen::Combine::{how}, width);",
            f"Real* __restrict {columns} = {rows}.values.data();",
        ]
        self.stores.append(_joined(how, f"{columns}[column]", x))
        self.after_row += [
            f"if ((row + 1 - begin) % optgen::kRows == 0 || row + 1 == end || {varies}) {{",
            f"  {rows}.flush({part} + ({varies} ? (row - begin) * width : 0));",
            "}",
        ]

    def _flat(self, element: list[str]) -> list[str]:
        lines = ["const auto [begin, end] = leaf.elements(tile);"]
        loop = ["for (int64_t i = {0}; i < {1}; ++i) {{", *_indented(element), "}"]
        return [*lines, *self._loop(loop, "begin", "end")]

    def _matrix(self, element: list[str]) -> list[str]:
        lines = [
            "const auto [begin, end] = leaf.rows(tile);",
            "const int64_t width = leaf.layout.columns();",
        ]
        lines += [f"std::vector<Real> {name}(width);" for name in self.out.buffers]
        lines += self.columns
        row = [*self.out.levels["row"]]
        if self.out.levels["column"]:
            row += [
                f"if (row == begin || leaf.layout.varies({self._column_mask()})) {{",
                "  for (int64_t column = 0; column < width; ++column) {",
                *_indented(self.out.levels["column"], 4),
                "  }",
                "}",
            ]
        index = (
            ["const int64_t i = row * width + column;"]
            if any("[i]" in line for line in element)
            else []
        )
        loop = [
            "for (int64_t column = {0}; column < {1}; ++column) {{",
            *_indented([*index, *element]),
            "}",
        ]
        row += [*self._loop(loop, "0", "width"), *self.after_row]
        lines += ["for (int64_t row = begin; row < end; ++row) {", *_indented(row), "}"]
        return lines

    def _column_mask(self) -> str:
        axes: set[int] = set()
        for n in self.kernel.body.nodes():
            if n.type.axes != LEAF and self.dimensions - 1 in n.type.axes:
                axes |= set(n.type.axes)
        return mask(tuple(sorted(axes)), self.dimensions)

    def _loop(self, loop: list[str], first: str, last: str) -> list[str]:
        """The loop; what it sums is summed in lanes of double."""
        head, *rest = loop
        head = head.format(first, last)
        if not self.totals:
            return ["OPTGEN_SIMD", head, *rest]
        clause = " ".join(f"reduction({_CLAUSE[how]} : {total})" for total, how in self.totals)
        totals = [
            f"double {total} = optgen::identity<double>(optgen::Combine::{how});"
            for total, how in self.totals
        ]
        return [*totals, f"OPTGEN_SIMD_REDUCING({clause})", head, *rest]


def _joined(how: str, a: str, b: str) -> str:
    """The statement that joins another part to a reduction."""
    if how == "sum":
        return f"{a} += {b};"
    return f"{a} = optgen::{'maximum' if how == 'max' else 'minimum'}({a}, {b});"


class _Settle(_Body):
    """A kernel of small values: loops over what each varies along, one after another."""

    def lines(self) -> list[str]:
        self.reductions = []
        self.names: dict[Node, str] = {}
        lines = list(self.head())
        masks = sorted({self._mask(n.type.axes) for n in self.kernel.body.nodes()} - {"0b0"})
        lines += [f"const auto strides_{m} = leaf.layout.strides({m});" for m in masks]
        reductions = [n for n in self.kernel.body.nodes() if is_reduction(n)]
        self.locals = {
            *(f"strides_{m}" for m in masks),
            *(f"reduced_{i + 1}" for i in range(len(reductions))),
        }
        for n in reductions:
            lines += self._reduction(n)
        first, entangled = readers_first(self.kernel.body.outputs)
        for output in first:
            lines += self._store(output, data(output.attr))
        return [*lines, *self._store_together(entangled)]

    def _store_together(self, outputs: list[Node]) -> list[str]:
        """Stores of values that are made of each other's old ones: all computed, then copied."""
        lines: list[str] = []
        for output in outputs:
            kind = cpp_type(output.type.dtype, self.group.dtypes)
            count = f"leaf.layout.elements({self._mask(output.type.axes)})"
            lines.append(f"std::vector<{kind}> {output.attr}_next_data({count});")
            lines += self._store(output, f"{output.attr}_next_data")
        for output in outputs:
            new = f"{output.attr}_next_data"
            lines.append(f"std::copy({new}.begin(), {new}.end(), {data(output.attr)});")
        return lines

    def _mask(self, axes: Axes) -> str:
        return mask(axes, self.dimensions)

    def _along(self, axes: Axes) -> tuple[int, ...]:
        return tuple(range(self.dimensions)) if axes == LEAF else axes

    def _index(self, axes: Axes) -> str:
        terms = [f"d{d} * strides_{self._mask(axes)}[{d}]" for d in self._along(axes)]
        return " + ".join(terms) or "0"

    def _value(self, value: Node) -> tuple[list[str], str]:
        """The statements of a value inside its loops, and its expression."""
        body = self.kernel.body
        printer = _SettlePrinter(
            self, Program("value", (effect("emit", "value", value),), body.rank, body.names)
        )
        text = printer.text(value)[0]
        return printer.made, text

    def _loops(self, axes: tuple[int, ...], inside: list[str]) -> list[str]:
        for d in reversed(axes):
            head = f"for (int64_t d{d} = 0; d{d} < leaf.layout.extents[{d}]; ++d{d}) {{"
            inside = [head, *_indented(inside), "}"]
        return inside

    def _reduction(self, n: Node) -> list[str]:
        name = f"reduced_{len(self.names) + 1}"
        statements, text = self._value(n.args[0])
        kept = self._along(n.type.axes)
        reduced = tuple(d for d in self._along(n.args[0].type.axes) if d not in kept)
        combine = _joined(n.op, "total", f"double({text})")
        summed = [
            f"double total = optgen::identity<double>(optgen::Combine::{n.op});",
            *self._loops(reduced, [*statements, combine]),
        ]
        if not kept:
            self.names[n] = name
            return [
                f"Real {name};",
                "{",
                *_indented([*summed, f"{name} = static_cast<Real>(total);"]),
                "}",
            ]
        index = self._index(n.type.axes)
        self.names[n] = f"{name}[{index}]"
        return [
            f"std::vector<Real> {name}(leaf.layout.elements({self._mask(n.type.axes)}));",
            *self._loops(kept, [*summed, f"{name}[{index}] = static_cast<Real>(total);"]),
        ]

    def _store(self, output: Node, array: str) -> list[str]:
        statements, text = self._value(output.args[0])
        target = f"{array}[{self._index(output.type.axes)}]"
        stored = f"{target} = {text};"
        inside = self._loops(self._along(output.type.axes), [*statements, stored])
        return inside if inside[0].startswith("for") else ["{", *_indented(inside), "}"]


class _SettlePrinter(Cpp):
    """Prints a small value inside the loops over all that it varies along."""

    def __init__(self, settle: _Settle, program: Program) -> None:
        self.settle = settle
        self.made: list[str] = []
        indices = (f"d{d}" for d in range(settle.dimensions))
        reserved = (*indices, "total", *settle.locals)
        super().__init__(program, settle.group.dtypes, settle.dimensions, settle.scalars, reserved)
        self.computed = dict(settle.names)
        self._crossing = set()

    def level(self, axes: Axes) -> str:
        """All in one place."""
        return "element"

    def load(self, n: Node) -> Text:
        """An element at the indices of the loops."""
        index = self.settle._index(n.type.axes)
        return self.bind(n.attr, (f"static_cast<Real>({data(n.attr)}[{index}])", ATOM))

    def bind(self, name: str, text: Text) -> Text:
        """A statement inside the loops."""
        name = self.unique(name)
        self.made.append(f"const auto {name} = {text[0]};")
        return name, ATOM

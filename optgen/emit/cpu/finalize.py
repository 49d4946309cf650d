"""Finalizes as C++: loops over small values, which one thread runs one after another."""

from __future__ import annotations

from optgen.emit.cpu.axes import EXTENTS, mask, roles, stored_along
from optgen.emit.cpu.printer import Cpp, cpp_type, data, identity, indented, joined, singular
from optgen.emit.cpu.sections import Section, Sections
from optgen.emit.printer import ATOM, Text
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import Axes
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.schedule.graph import is_reduction


class Finalize(Cpp):
    """The body of the function of a finalize.

    Its scopes are the levels: by the number of loops around them, and statements are added to the
    innermost scope in which all is known that a value varies along.
    """

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes) -> None:
        super().__init__(kernel, body, dtypes)
        self.sections = Sections(body, kernel.dimensions)
        self.outer = self.sections.outer
        self.top: list[str] = []
        self.loops: tuple[str, ...] = self.outer
        self.scopes: list[list[str]] = [[] for _ in range(len(self.outer) + 1)]
        self.operands = {x.name: x for x in kernel.operands}
        self.outputs = {o.args[0]: o for o in body.outputs if is_reduction(o.args[0])}

    def lines(self) -> list[str]:
        """The statements of the function."""
        for section in self.sections.ordered:
            self._print(section)
        for store in sorted(self.sections.delayed, key=lambda store: store.attr):
            self._store_delayed(store)
        while len(self.scopes) > 1:
            self._close()
        (inside,) = self.scopes
        matrix = ["const optgen::Matrix matrix(leaf);"] if self._needs_matrix(inside) else []
        return [*self.top, *matrix, *inside]

    # Loops.

    def _close(self) -> None:
        """Ends the innermost loop."""
        inside = self.scopes.pop()
        role = self.loops[len(self.scopes) - 1]
        if role == "batch" and any("matrix." in line for line in inside):
            inside.insert(0, "const optgen::Matrix matrix(leaf, batch);")
        extent = f"leaf.{EXTENTS[role]}"
        head = f"for (int64_t {role} = 0; {role} < {extent}; ++{role}) {{"
        self.scopes[-1] += [head, *indented(inside), "}"]

    def _needs_matrix(self, lines: list[str]) -> bool:
        """True where a line outside of the loop over the batch asks for a place in a matrix."""
        depth = None
        for line in lines:
            indent = len(line) - len(line.lstrip())
            if depth is None and "int64_t batch = 0" in line:
                depth = indent
            elif depth is not None and indent <= depth and line.strip() == "}":
                depth = None
            elif depth is None and "matrix." in line:
                return True
        return False

    def _print(self, section: Section) -> None:
        """Prints the loops of a section."""
        taken, texts = set(self._taken), dict(self._texts)
        self.loops = section.along
        self.kept = self.sections.kept[section]
        self._crossing |= self.kept
        before = len(self.outer)
        self.scopes += [[] for _ in section.along[before:]]
        totals = {n: self._total(n) for n in section.reductions}
        taken |= set(totals.values())
        ends = [*self._accumulate(totals), *self._stores(section)]
        self.scopes[-1] += ends
        for depth in range(len(self.scopes) - 1, before - 1, -1):
            for n, total in totals.items():
                if len(roles(n.type.axes, self.dimensions)) == depth:
                    self._end(n, total, depth)
            if depth > before:
                self._close()
        self._forget(taken, texts)

    def _total(self, n: Node) -> str:
        """Declares what a reduction is added up in, outside of the loops that it reduces over."""
        total = self.unique(self._reduction_name(n) + ("_total" if self._reused(n) else ""))
        depth = len(roles(n.type.axes, self.dimensions))
        self.scopes[depth].append(f"double {total} = {identity(n.op)};")
        return total

    def _accumulate(self, totals: dict[Node, str]) -> list[str]:
        return [
            joined(n.op, total, f"double({self.text(n.args[0])[0]})") for n, total in totals.items()
        ]

    def _stores(self, section: Section) -> list[str]:
        """The ends of the innermost loop, after all that is read."""
        lines = []
        for store in section.stores:
            text = self.text(store.args[0])[0]
            array = data(store.attr)
            if store in self.sections.delayed:
                array = f"{store.attr}_next_data"
                elements = f"leaf.elements({mask(self._stored(store.type.axes))})"
                kind = cpp_type(self.operands[store.attr].dtype)
                self.top.append(f"std::vector<{kind}> {array}({elements});")
            lines.append(f"{array}[{self._place(store.type.axes)}] = {text};")
        return lines

    def _store_delayed(self, store: Node) -> None:
        place = self._place(store.type.axes)
        along = roles(store.type.axes, self.dimensions)
        inner = [role for role in along if role not in self.outer]
        self.loops = (*self.outer, *inner)
        self.scopes += [[] for _ in inner]
        self.scopes[-1].append(f"{data(store.attr)}[{place}] = {store.attr}_next_data[{place}];")
        for _ in inner:
            self._close()

    # Reductions.

    def _reduction_name(self, n: Node) -> str:
        if n in self.outputs:
            return singular(self.operands[self.outputs[n].attr])
        return self.default_name(n)

    def _reused(self, n: Node) -> bool:
        """True where another value is computed from a reduction: it is not only stored."""
        return any(n in x.args for x in self.program.nodes() if x not in self.program.outputs)

    def _end(self, n: Node, total: str, depth: int) -> None:
        """Rounds a reduction once its loops have ended, and stores it."""
        text = f"static_cast<Real>({total})"
        if self._reused(n):
            self._level = self.level(n.type.axes)
            self._being_named.append(n)
            text, _ = self._texts[n] = self.bind(self._reduction_name(n), (text, ATOM))
            self.computed[n] = text
            self._being_named.pop()
        if n in self.outputs:
            output = self.outputs[n]
            place = self._place(output.type.axes)
            self.scopes[depth].append(f"{data(output.attr)}[{place}] = {text};")

    # Scopes.

    def level(self, axes: Axes) -> str:
        """All that a value varies along."""
        return " ".join(roles(axes, self.dimensions))

    def statement(self, line: str) -> None:
        """Adds a statement to the innermost scope that a value needs."""
        along = self._level.split()
        depth = max((self.loops.index(role) + 1 for role in along), default=0)
        self.scopes[max(depth, self._least_depth)].append(line)

    @property
    def _least_depth(self) -> int:
        """The scope of what may depend on reductions: the body of the outer loop."""
        n = self._being_named[-1] if self._being_named else None
        return len(self.outer) if n is not None and self.sections.stage(n) else 0

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement; what every leaf shares comes first of all."""
        n = self._being_named[-1]
        if n is not None and n.op in ("scalar", "extent"):
            name = self.unique(name)
            self.top.append(f"const auto {name} = {text[0]};")
            return name, ATOM
        if n in self.kept:
            size = " * ".join(f"leaf.{EXTENTS[role]}" for role in self._inner(self._level))
            bound = super().bind(name, text)
            self.top.append(f"std::vector<Real> {bound[0].partition('[')[0]}({size});")
            return bound
        return super().bind(name, text)

    def _inner(self, level: str) -> list[str]:
        return [role for role in level.split() if role not in self.outer]

    def index(self, level: str) -> str:
        """Index of a value in the array that keeps it, in row-major order."""
        text = ""
        for role in self._inner(level):
            before = f"({text})" if " " in text else text
            text = f"{before} * leaf.{EXTENTS[role]} + {role}" if text else role
        return text

    def _forget(self, taken: set[str], texts: dict[Node, Text]) -> None:
        """Forgets what was computed inside the loops that have ended, and is not kept."""
        inside = {n for n in self._texts if n not in texts and self.sections.inside(n)}
        gone = {n for n in inside if n not in self.kept}
        for n in gone:
            del self._texts[n]
        staying = {text.partition("[")[0] for text, _ in self._texts.values()}
        self._taken = taken | {name for name in self._taken if name in staying}

    # Places.

    def _stored(self, axes: Axes) -> tuple[str, ...]:
        return stored_along(axes, self.dimensions)

    def _place(self, axes: Axes) -> str:
        along = self._stored(axes)
        if not along:
            return "0"
        if "row" in along and "column" in along:
            return f"matrix.at(row, column, {mask(along)})"
        (role,) = [role for role in along if role != "batch"] or ["batch"]
        if role == "batch":
            return "matrix.at_batch()"
        return f"matrix.at_{role}({role}{'' if 'batch' in along else f', {mask(along)}'})"

    def load(self, n: Node) -> str:
        """An element of an array."""
        return f"{data(n.attr)}[{self._place(n.type.axes)}]"

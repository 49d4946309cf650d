"""The ``xla`` target: readable ``jax.numpy`` source, one function for each program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optgen.emit.header import describe, fill, header, title
from optgen.emit.jnp import LeafFunctions
from optgen.emit.kernels import last_sweeps
from optgen.emit.lowered import Lowered, LoweredVariant
from optgen.emit.printer import Printer
from optgen.emit.python import Constants, Doc, Scalars, document, literal, render
from optgen.emit.tables import closing
from optgen.emit.templates import template
from optgen.ir.program import Program
from optgen.passes.hoist import Hoisted
from optgen.runtime.vocabulary.variant import DTYPES, Guard, Slot
from optgen.schedule.sequence import Schedule


def emit(lowered: Lowered, schedules: Sequence[Schedule] = ()) -> str:
    """The source of a module whose ``MODULE`` is the optimizer.

    Args:
      lowered: the programs of a tree.
      schedules: those of its kernels, whose updates end in functions of this module.
    """
    functions = _Functions(lowered, last_sweeps(lowered, schedules))
    module = render(_module(lowered, functions))
    body = "\n\n\n".join(functions.texts)
    return template("xla.py.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        jnp="jnp." in body,
        lax="lax." in body,
        scalar="scalar." in body,
        arrays="arrays." in body,
        runtime=sorted(
            n for n in ("Guard", "Module", "Scalars", "Slot", "Variant") if f"{n}(" in module
        ),
        functions=functions.texts,
        module=module,
    )


class _Functions:
    """The functions of a module, in the order of the source."""

    def __init__(self, lowered: Lowered, last: Sequence[Mapping[str, Program]]) -> None:
        self.texts: list[str] = []
        self.lowered, self.last = lowered, last
        self.update = self._scalars(lowered.update, "")
        self.variants = [self._variant(i, v) for i, v in enumerate(lowered.variants)]
        self.init = self._scalars(lowered.init, "initial_")
        self.inits = [self._init(i, v) for i, v in enumerate(lowered.variants)]

    def _scalars(self, hoisted: Hoisted, prefix: str) -> Doc:
        items: list[str | Doc] = []
        about = "Scalars that the hyperparameters alone decide."
        if name := self._function(f"{prefix}constants", about, Constants(hoisted.constants)):
            items.append(f"constants={name}")
        names = []
        for phase, program in enumerate(hoisted.scalars):
            about = "Scalars that are the same for every leaf"
            about += ", once the tree is reduced." if phase else "."
            suffix = f"scalars_{phase + 1}" if len(hoisted.scalars) > 1 else "scalars"
            names.append(self._function(f"{prefix}{suffix}", about, Scalars(program)) or "None")
        if names != ["None"]:
            items.append(Doc("phases=(", names, closing(names)))
        if hoisted.totals:
            items.append(document(dict(hoisted.totals), "totals="))
        return Doc("Scalars(", items, ")")

    def _variant(self, index: int, variant: LoweredVariant) -> list[str | Doc]:
        programs = self.lowered.partials(index)
        partials = self._partials(programs, variant, "g", "")
        changing = _join([name for name, slot in variant.slots.items() if not slot.constant])
        about = f"The update{f', and the next {changing}' if changing else ''}."
        if len(self.lowered.variants) > 1:
            about += "\n\n" + "\n".join(f"    {line}" for line in fill(f"{describe(variant)}."))
            about += "\n    "
        printer = LeafFunctions(self.lowered.leaf(index), "g", variant)
        name = self._function(variant.name, about, printer, tuple(variant.slots))
        items: list[str | Doc] = [f"update={name}"]
        if last := list(self.last[index]):
            self._last_sweeps(index, variant)
            items.append(Doc("last_sweeps=(", last, closing(last)))
        if partials:
            contributed = tuple(tuple(e.attr for e in p.outputs) for p in programs)
            items.append(Doc("partials=(", partials, closing(partials)))
            items.append(document(contributed, "contributions="))
        return items

    def _last_sweeps(self, index: int, variant: LoweredVariant) -> None:
        """Prints the functions that end a variant's updates, but for those of an earlier one."""
        printed = {name for functions in self.last[:index] for name in functions}
        about = f"The end of {variant.name}, after the kernels of an update."
        for name, body in self.last[index].items():
            if name not in printed:
                printer = LeafFunctions(body, "g", variant)
                self._function(name, about, printer, tuple(variant.slots))

    def _init(self, index: int, variant: LoweredVariant) -> list[str | Doc]:
        hoisted = self.lowered.init
        partials = self._partials(hoisted.partials[index], variant, "p", "initial_")
        about = f"The first {_join(list(variant.slots))}." if variant.slots else "No slots."
        printer = LeafFunctions(hoisted.leaves[index], "p", variant)
        function = self._function(f"initial_{variant.name}", about, printer, keep=True)
        items: list[str | Doc] = [f"init={function}"]
        if partials:
            items.append(Doc("init_partials=(", partials, closing(partials)))
        return items

    def _partials(
        self, programs: Sequence[Program], variant: LoweredVariant, array: str, prefix: str
    ) -> list[str | Doc]:
        names: list[str | Doc] = []
        for phase, program in enumerate(programs):
            suffix = f"_{phase + 1}" if len(programs) > 1 else ""
            about = "Contribution of a leaf to the tree reductions."
            name = f"{prefix}{variant.name}_contribution{suffix}"
            printer = LeafFunctions(program, array, variant)
            names.append(self._function(name, about, printer, tuple(variant.slots)) or "None")
        return names

    def _function(
        self,
        name: str,
        about: str,
        printer: Printer,
        slots: tuple[str, ...] = (),
        keep: bool = False,
    ) -> str | None:
        """Prints a function, unless it computes nothing; returns its name."""
        program = printer.program
        if not program.outputs and not keep:
            return None
        results = []
        for effect in program.outputs:
            key = f"{effect.attr}_next" if effect.op == "tree_store" else effect.attr
            results.append(f"{literal(key)}: {printer.output(effect)}")
        first = [n for n in ("g", "p", *slots) if n in printer.reads]
        known = printer.static if isinstance(printer, LeafFunctions) else DTYPES
        last = [n for n in known if n in printer.reads]
        arguments = [*first, *(n for n in printer.reads if n not in (*first, *last)), *last]
        head = render(Doc(f"def {name}(", arguments, "):"))
        lines = [f"    {target} = {text}" for target, text in printer.statements]
        result = render(Doc("return {", results, "}"), "    ")
        body = "\n".join([*lines, f"    {result}"])
        self.texts.append(f'{head}\n    """{about}"""\n{body}')
        return name


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _module(lowered: Lowered, functions: _Functions) -> Doc:
    variants = [
        Doc(
            "Variant(",
            [
                Doc("guards=(", [_guard(g) for g in v.guards], closing(v.guards)),
                Doc("slots={", [f"{literal(k)}: {_slot(s)}" for k, s in v.slots.items()], "}"),
                *functions.variants[i],
                document(v.update_arrays, "update_arrays="),
                *functions.inits[i],
            ],
            ")",
        )
        for i, v in enumerate(lowered.variants)
    ]
    items: list[str | Doc] = [
        f"name={literal(lowered.name)}",
        document(lowered.hyperparameters, "hyperparameters="),
        Doc("variants=(", variants, closing(variants)),
    ]
    for field, doc in (("update", functions.update), ("init", functions.init)):
        if doc.items:
            items.append(Doc(f"{field}={doc.head}", doc.items, doc.tail))
    if lowered.slots != tuple(dict.fromkeys(name for v in lowered.variants for name in v.slots)):
        items.append(document(lowered.slots, "leaf_slots="))
    if lowered.tree_slots:
        items.append(document(lowered.tree_slots, "tree_slots="))
    if lowered.masks:
        items.append(f"masks={lowered.masks}")
    return Doc("MODULE = Module(", items, ")")


def _guard(guard: Guard) -> Doc:
    items = []
    if guard.facts:
        items.append(document(guard.facts, "facts="))
    if guard.masks:
        items.append(document(guard.masks, "masks="))
    if guard.groups:
        items.append(document(guard.groups, "groups="))
    return Doc("Guard(", items, ")")


def _slot(slot: Slot) -> str:
    options = [literal(slot.dtype)]
    if slot.axes != "*":
        options.append(f"axes={slot.axes!r}")
    if slot.constant:
        options.append("constant=True")
    return f"Slot({', '.join(options)})"

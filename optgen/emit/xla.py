"""The ``xla`` target: readable ``jax.numpy`` source, one function for each program."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from optgen.emit.lowered import Lowered, LoweredVariant
from optgen.emit.plain import plain
from optgen.emit.printer import Printer
from optgen.emit.python import Constants, Doc, Jnp, Scalars, document, literal, render
from optgen.emit.templates import template
from optgen.ir.program import Program
from optgen.passes.hoist import Hoisted
from optgen.runtime.vocabulary.unit import Guard, Slot


def emit(lowered: Lowered) -> str:
    """The source of a module whose ``UNIT`` is the optimizer."""
    functions = _Functions(lowered)
    unit = render(_unit(lowered, functions))
    body = "\n\n\n".join(functions.texts)
    return template("xla.py.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        jnp="jnp." in body,
        lax="lax." in body,
        scalar="scalar." in body,
        arrays=[name for name in ("along", "round_to") if f"{name}(" in body],
        runtime=sorted(n for n in ("Guard", "Scalars", "Slot", "Unit", "Variant") if n in unit),
        functions=functions.texts,
        unit=unit,
    )


def title(lowered: Lowered) -> str:
    """The first line of the rule's documentation, or its name."""
    lines = lowered.doc.strip().splitlines()
    first = lines[0].strip() if lines else lowered.name
    return first if first.endswith((".", "!", "?")) else f"{first}."


_SHOWN = 2  # of a module's variants; what the others compute is in their functions


def header(lowered: Lowered) -> list[str]:
    """What stands at the top of emitted code: the equations of the first variants."""
    paragraphs = []
    for variant in lowered.variants[:_SHOWN]:
        wrapped = [part for line in plain(variant.math) for part in _wrap(line)]
        served = [] if len(lowered.variants) == 1 else [*_fill(f"{describe(variant)}:"), ""]
        paragraphs.append("\n".join([*served, *(f"    {line}" for line in wrapped)]))
    if lowered.settings:
        chosen = ", ".join(f"{k}={v!r}" for k, v in lowered.settings.items())
        paragraphs.append("\n".join(_fill(f"Emitted for {chosen}.")))
    return paragraphs


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, 92, subsequent_indent="    ")


def _fill(text: str) -> list[str]:
    return textwrap.wrap(text, 96, break_long_words=False)


def describe(variant: LoweredVariant) -> str:
    """In words, which leaves a variant serves."""
    words = list(dict.fromkeys(_guard_words(guard) for guard in variant.guards))
    return "For leaves with " + ", or ".join(words[:3]) + (", or more" if len(words) > 3 else "")


def _guard_words(guard: Guard) -> str:
    words = [
        f"{question}({', '.join(map(str, args))}) = {value}" if args else f"{question} {value}"
        for question, args, value in guard.facts
    ]
    words += [f"mask {mask}" for mask in guard.masks if mask != "any"]
    return " and ".join(words) if words else "nothing in particular"


class _Functions:
    """The functions of a module, in the order in which they stand there."""

    def __init__(self, lowered: Lowered) -> None:
        self.texts: list[str] = []
        self.lowered = lowered
        self.update = self._scalars(lowered.update, "")
        self.variants = [self._variant(i, v) for i, v in enumerate(lowered.variants)]
        self.init = self._scalars(lowered.init, "initial_")
        self.inits = [self._init(i, v) for i, v in enumerate(lowered.variants)]

    def _scalars(self, hoisted: Hoisted, prefix: str) -> Doc:
        items: list[str | Doc] = []
        about = "What the hyperparameters alone decide."
        if name := self._function(f"{prefix}constants", about, Constants(hoisted.constants)):
            items.append(f"constants={name}")
        names = []
        for phase, program in enumerate(hoisted.scalars):
            about = "What is the same for every leaf"
            about += ", once the tree is reduced." if phase else "."
            suffix = f"scalars_{phase + 1}" if len(hoisted.scalars) > 1 else "scalars"
            names.append(self._function(f"{prefix}{suffix}", about, Scalars(program)) or "None")
        if names != ["None"]:
            items.append(Doc("phases=(", names, ",)" if len(names) == 1 else ")"))
        if hoisted.totals:
            items.append(document(dict(hoisted.totals), "totals="))
        return Doc("Scalars(", items, ")")

    def _variant(self, index: int, variant: LoweredVariant) -> list[str | Doc]:
        hoisted = self.lowered.update
        partials = self._partials(hoisted.partials[index], variant, "g", "")
        kept = _join([name for name, slot in variant.slots.items() if not slot.constant])
        about = f"The update{f', and the next {kept}' if kept else ''}."
        if len(self.lowered.variants) > 1:
            about += "\n\n" + "\n".join(f"    {line}" for line in _fill(f"{describe(variant)}."))
            about += "\n    "
        program = hoisted.leaves[index]
        name = self._function(variant.name, about, Jnp(program, "g"), program, tuple(variant.slots))
        items: list[str | Doc] = [f"update={name}"]
        return [*items, Doc("partials=(", partials, _close(partials))] if partials else items

    def _init(self, index: int, variant: LoweredVariant) -> list[str | Doc]:
        hoisted = self.lowered.init
        partials = self._partials(hoisted.partials[index], variant, "p", "initial_")
        program = hoisted.leaves[index]
        about = f"The first {_join(list(variant.slots))}." if variant.slots else "Nothing is kept."
        function = self._function(
            f"initial_{variant.name}", about, Jnp(program, "p"), program, keep=True
        )
        items: list[str | Doc] = [f"init={function}"]
        if partials:
            items.append(Doc("init_partials=(", partials, _close(partials)))
        return items

    def _partials(
        self, programs: Sequence[Program], variant: LoweredVariant, array: str, prefix: str
    ) -> list[str]:
        names = []
        for phase, program in enumerate(programs):
            suffix = f"_{phase + 1}" if len(programs) > 1 else ""
            about = "What the leaf contributes to the tree reductions."
            name = f"{prefix}{variant.name}_contribution{suffix}"
            slots = tuple(variant.slots)
            names.append(self._function(name, about, Jnp(program, array), program, slots) or "None")
        return names

    def _function(
        self,
        name: str,
        about: str,
        printer: Printer,
        program: Program | None = None,
        slots: tuple[str, ...] = (),
        keep: bool = False,
    ) -> str | None:
        """Prints a function, unless there is nothing for it to compute."""
        program = program or printer.program
        if not program.outputs and not keep:
            return None
        results = []
        for effect in program.outputs:
            key = f"{effect.attr}_next" if effect.op == "tree_store" else effect.attr
            results.append(f"{literal(key)}: {printer.output(effect)}")
        first = [n for n in ("g", "p", *slots) if n in printer.reads]
        arguments = [*first, *(n for n in printer.reads if n not in first)]
        head = render(Doc(f"def {name}(", arguments, "):"))
        lines = [f"    {target} = {text}" for target, text in printer.statements]
        result = render(Doc("return {", results, "}"), "    ")
        body = "\n".join([*lines, f"    {result}"])
        self.texts.append(f'{head}\n    """{about}"""\n{body}')
        return name


def _close(items: Sequence[str]) -> str:
    return ",)" if len(items) == 1 else ")"


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _unit(lowered: Lowered, functions: _Functions) -> Doc:
    variants = [
        Doc(
            "Variant(",
            [
                Doc("guards=(", [_guard(g) for g in v.guards], _close([""] * len(v.guards))),
                Doc("slots={", [f"{literal(k)}: {_slot(s)}" for k, s in v.slots.items()], "}"),
                *functions.variants[i],
                *functions.inits[i],
            ],
            ")",
        )
        for i, v in enumerate(lowered.variants)
    ]
    items: list[str | Doc] = [
        f"name={literal(lowered.name)}",
        document(lowered.hyperparameters, "hyperparameters="),
        Doc("variants=(", variants, _close([""] * len(variants))),
    ]
    for field, doc in (("update", functions.update), ("init", functions.init)):
        if doc.items:
            items.append(Doc(f"{field}={doc.head}", doc.items, doc.tail))
    if lowered.tree_slots:
        items.append(document(lowered.tree_slots, "tree_slots="))
    if lowered.masks:
        items.append(f"masks={lowered.masks}")
    return Doc("UNIT = Unit(", items, ")")


def _guard(guard: Guard) -> Doc:
    items = []
    if guard.facts:
        items.append(document(guard.facts, "facts="))
    if guard.masks:
        items.append(document(guard.masks, "masks="))
    return Doc("Guard(", items, ")")


def _slot(slot: Slot) -> str:
    options = [literal(slot.dtype)]
    if slot.axes != "*":
        options.append(f"axes={slot.axes!r}")
    if slot.constant:
        options.append("constant=True")
    return f"Slot({', '.join(options)})"

"""The top of emitted files: the rule's title, and the equations of its variants."""

from __future__ import annotations

import textwrap

from optgen.emit.lowered import Lowered, LoweredVariant
from optgen.emit.plain import plain
from optgen.runtime.vocabulary.variant import Guard

_SHOWN = 2  # of a module's variants; what the others compute is in their functions


def title(lowered: Lowered) -> str:
    """The first line of the rule's documentation, or its name."""
    lines = lowered.doc.strip().splitlines()
    first = lines[0].strip() if lines else lowered.name
    return first if first.endswith((".", "!", "?")) else f"{first}."


def header(lowered: Lowered) -> list[str]:
    """Paragraphs for the top of emitted code: the equations of the first variants."""
    paragraphs = []
    for variant in lowered.variants[:_SHOWN]:
        wrapped = [part for line in plain(variant.math, variant.dimensions) for part in _wrap(line)]
        served = [] if len(lowered.variants) == 1 else [*fill(f"{describe(variant)}:"), ""]
        paragraphs.append("\n".join([*served, *(f"    {line}" for line in wrapped)]))
    if lowered.settings:
        chosen = ", ".join(f"{k}={v!r}" for k, v in lowered.settings.items())
        paragraphs.append("\n".join(fill(f"Emitted for {chosen}.")))
    return paragraphs


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, 92, subsequent_indent="    ")


def fill(text: str) -> list[str]:
    """The lines of a paragraph of prose."""
    return textwrap.wrap(text, 96, break_long_words=False)


def describe(variant: LoweredVariant) -> str:
    """The leaves that a variant serves, in words."""
    words = list(dict.fromkeys(_guard_words(guard) for guard in variant.guards))
    return "For leaves with " + ", or ".join(words[:3]) + (", or more" if len(words) > 3 else "")


def _guard_words(guard: Guard) -> str:
    words = [
        f"{question}({', '.join(map(str, args))}) = {value}" if args else f"{question} {value}"
        for question, args, value in guard.facts
    ]
    words += [f"mask {mask}" for mask in guard.masks if mask != "any"]
    return " and ".join(words) if words else "nothing in particular"

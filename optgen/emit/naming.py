"""Names of the functions of each variant."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.runtime.vocabulary.variant import Guard


def variant_names(guards: Sequence[tuple[Guard, ...]]) -> list[str]:
    """A name for each variant, from the guards that tell it apart; ``leaf`` for a single one."""
    if len(guards) == 1:
        return ["leaf"]
    names: list[str] = []
    for guard in guards:
        name = base = _describe(guard[0])
        count = 1
        while name in names:
            count += 1
            name = f"{base}_{count}"
        names.append(name)
    return names


def _describe(guard: Guard) -> str:
    for question, _, value in guard.facts:
        if question == "factored_axes":
            return "whole" if value is None else "factored"
    words = [f"{question}_{_word(value)}" for question, _, value in guard.facts[:2]]
    chosen = [mask for mask in guard.masks if mask != "any"]
    if any(mask is False for mask in chosen):
        words.append("_".join("left_out" if mask is False else "chosen" for mask in chosen))
    return "_".join(words) or "leaf"


def _word(value: object) -> str:
    inside = "_".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return "".join(c if c.isalnum() else "_" for c in inside)

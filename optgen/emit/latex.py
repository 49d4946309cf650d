r"""The recurrence of a rule in LaTeX, with the symbols that the field uses.

:math:`\theta` is the parameter, :math:`g` its gradient, :math:`\eta` the learning rate; a value of
this step has the subscript :math:`t`, a slot that is read has :math:`t-1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optgen.emit.outline import is_input
from optgen.emit.plain import plain
from optgen.ir.node import Node, walk
from optgen.ir.program import Program

if TYPE_CHECKING:
    from optgen.emit.symbolic import Equation

__all__ = ["latex", "plain"]

_FIELD = {
    "learning_rate": r"\eta",
    "eps": r"\epsilon",
    "eps_root": r"\bar{\epsilon}",
    "weight_decay": r"\lambda",
    "b1": r"\beta_1",
    "b2": r"\beta_2",
    "b3": r"\beta_3",
    "decay": r"\rho",
    "update": "u",
    "trace": "m",
    "size": "n",
    "p": r"\theta",
}
_GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma "
        "tau upsilon phi chi psi omega",
    )
)
_ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot"}


def latex(program: Program) -> str:
    r"""The recurrence of a rule, as an ``aligned`` environment of LaTeX's amsmath.

    Args:
      program: a math program, as it was traced.

    Returns:
      A line for each equation, such as ``\mu_t &= \beta_1 \mu_{t-1} + …``; the last one is
      ``\theta_t &= \theta_{t-1} + …``. Names that the field has no symbol for are upright.
    """
    from sympy.printing.latex import LatexPrinter

    from optgen.emit.symbolic import equations

    read = equations(program)
    moving = _moving(program)
    written = {effect.attr for effect in program.outputs}
    texts = {}
    for n, s in read.symbols.items():
        if is_input(n):
            texts[s] = _input(n, s.name, written)
    for equation in read:
        name, node = equation.symbol.name, equation.line.node
        subscript = "t" if name.endswith("'") or node in moving else ""
        plain_name = name.removesuffix("'")
        text = symbol(plain_name, subscript)
        is_used = text in texts.values()
        texts[equation.symbol] = _below(_upright(plain_name), subscript) if is_used else text
    # A thin space: upright names side by side would read as one.
    settings = {"order": "none", "symbol_names": texts, "mul_symbol": r" \, "}
    printer = LatexPrinter(settings)
    body = " \\\\\n".join(f"  {_line(equation, printer, texts)}" for equation in read)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def symbol(name: str, subscript: str = "") -> str:
    r"""A name as mathematics writes it: ``mu_hat`` at ``t`` is ``\hat{\mu}_t``.

    Args:
      name: a Python name.
      subscript: the time, or nothing.
    """
    numbered = re.fullmatch(r"(.*[A-Za-z])_?(\d+)", name)
    if numbered and name not in _FIELD:
        return symbol(numbered[1], ",".join(filter(None, [numbered[2], subscript])))
    base, _, rest = name.partition("_")
    if not rest or name in _FIELD or not (base in _GREEK or len(base) == 1):
        text = _letter(name) or _upright(name)
    elif rest in _ACCENTS:
        text = f"{_ACCENTS[rest]}{{{_letter(base)}}}"
    else:
        text = f"{_letter(base)}^{{{_upright(rest)}}}"
    return _below(text, subscript)


def _below(text: str, subscript: str) -> str:
    if not subscript:
        return text
    return f"{text}_{subscript if len(subscript) == 1 else f'{{{subscript}}}'}"


def _letter(name: str) -> str:
    """The field's symbol or a single letter, Greek ones included; nothing for other names."""
    return _FIELD.get(name) or (f"\\{name}" if name in _GREEK else name if len(name) == 1 else "")


def _upright(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return f"\\mathrm{{{escaped}}}"


def _input(n: Node, name: str, written: set[Any]) -> str:
    if n.op == "step":
        return "t"
    if n.op == "extent" and name != "size":
        return f"n_{{{name.removeprefix('size_').replace('_', ' ')}}}"
    if n.op == "load" and n.attr == "g":
        return "g_t"
    before = n.op in ("load", "tree_load") and (n.attr == "p" or n.attr in written)
    return symbol(name, "t-1" if before else "")


def _moving(program: Program) -> frozenset[Node]:
    """The values that change from step to step."""
    moving: set[Node] = set()
    for n in walk(program.outputs):
        if n.op in ("load", "tree_load", "step") or any(arg in moving for arg in n.args):
            moving.add(n)
    return frozenset(moving)


def _line(equation: Equation, printer: Any, texts: Mapping[Any, str]) -> str:
    value = re.sub(r"(?<![\d.])1\.0 \\cdot (?=10\^)", "", printer.doprint(equation.value))
    if equation.line.role != "update":
        return f"{texts[equation.symbol]} &= {value}"
    plus = "- " + value[1:].lstrip() if value.startswith("-") else "+ " + value
    if equation.value.is_Add:
        plus = f"+ \\left({value}\\right)"
    return f"\\theta_t &= \\theta_{{t-1}} {plus}"

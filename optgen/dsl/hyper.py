"""The hyperparameters of a rule, sorted into static ones and run-time scalars."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optgen.errors import RuleError
from optgen.runtime.vocabulary.hyper import Hyperparameter
from optgen.runtime.vocabulary.variant import EMITTED

RESERVED = EMITTED | {"target", "g", "p"}
"""Names that a hyperparameter cannot have."""


if TYPE_CHECKING:  # a type checker lets such a hyperparameter default to anything
    Mask = Any
    DType = Any
else:

    class Mask:
        """Annotates a hyperparameter that chooses leaves.

        It is given None, True, False, a tree of bools like the parameters', a prefix of it, or a
        function from the parameters to one; the rule sees True, False or None for the leaf.
        """

    class DType:
        """Annotates a static hyperparameter that is None or a floating-point dtype."""


_STATIC = {"bool": "bool", "int": "int", "str": "str", "Mask": "mask", "DType": "dtype"}


def _annotation(annotation: Any) -> str | None:
    """The kind that an annotation names, as a class or a string, with or without ``| None``."""
    if annotation is inspect.Parameter.empty:
        return None
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None)
    if text in (None, "Optional", "Union"):
        text = str(annotation)
    text = text.replace("typing.", "").removeprefix("Optional[").removesuffix("]")
    parts = [part.strip().rpartition(".")[2] for part in text.split("|")]
    return next((_STATIC[part] for part in parts if part in _STATIC), None)


def _kind(parameter: inspect.Parameter) -> str:
    if kind := _annotation(parameter.annotation):
        return kind
    default = parameter.default
    if isinstance(default, bool):
        return "bool"
    if isinstance(default, int):
        return "int"
    return "str" if isinstance(default, str) else "scalar"


def hyperparameters(function: Callable[..., Any]) -> tuple[Hyperparameter, ...]:
    """The hyperparameters of a rule's function, in order.

    Raises:
      RuleError: if it is no function with a name, if its arguments are not ``(g, p, *, …)`` or
        ``(*, …)``, or one is reserved.
    """
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        what = "a lambda" if inspect.isfunction(function) else repr(function)
        raise RuleError(f"a rule is made of a function with a name, under @dsl.rule: not {what}")
    signature = inspect.signature(function)
    hypers, symbols = [], []
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            if parameter.name in RESERVED:
                raise _misdeclared(
                    function, f"the name {parameter.name!r} is reserved: choose another"
                )
            hypers.append(Hyperparameter(parameter.name, _kind(parameter), parameter.default))
        elif parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise _misdeclared(function, f"{stars}{parameter.name} is not allowed: name them all")
        else:
            symbols.append(parameter.name)
    if symbols not in (["g", "p"], []):
        raise _misdeclared(
            function,
            f"a rule takes (g, p, *, hyperparameters), and this one takes ({', '.join(symbols)}): "
            "put the hyperparameters after a *",
        )
    return tuple(hypers)


def _misdeclared(function: Callable[..., Any], reason: str) -> RuleError:
    code = function.__code__
    return RuleError(reason, code.co_filename, code.co_firstlineno, function.__name__)

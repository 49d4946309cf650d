"""Hyperparameters: their kinds, the values that each accepts, and their binding in a call."""

from __future__ import annotations

import inspect
import numbers
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optgen.errors import HyperparameterError

REQUIRED = inspect.Parameter.empty

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""The dtypes that leaves and slots may have."""


def dtype_name(dtype: Any) -> str | None:
    """NumPy's name for a dtype, a JAX scalar type, or its name; None if it is none of them."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", None)
    if name in FLOATS:
        return str(name)
    try:
        return np.dtype(dtype).name
    except TypeError:
        return None


def _is_symbol(value: Any) -> bool:
    """True for a symbol of a rule that is being traced, which it may pass to a rule inside it."""
    return bool(getattr(type(value), "is_symbol", False))


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A keyword-only argument of a rule.

    Attributes:
      name: its name.
      kind: ``bool``, ``int``, ``str`` or ``dtype`` (static), ``mask``, or ``scalar`` (a run-time
        value that never compiles anything again).
      default: its default, or ``REQUIRED``.
    """

    name: str
    kind: str
    default: Any = REQUIRED

    @property
    def static(self) -> bool:
        """True where its value is known while the rule is traced."""
        return self.kind in ("bool", "int", "str", "dtype")

    def accept(self, value: Any, rule: str) -> Any:
        """The value in the form in which it is stored, if this hyperparameter can have it.

        Raises:
          HyperparameterError: naming the rule, the hyperparameter and the remedy.
        """
        if value is None or self.kind == "mask":
            return value
        check = _ACCEPT.get(self.kind, _scalar)
        try:
            return check(value)
        except _Refused as refused:
            text = reprlib.repr(value)
            raise HyperparameterError(f"{rule}({self.name}={text}): {refused}") from None


class _Refused(Exception):
    pass


def _bool(value: Any) -> bool:
    if _is_symbol(value) or type(value).__name__ not in ("bool", "bool_"):
        raise _Refused("it is static and takes True or False" + _inject(value))
    return bool(value)


def _int(value: Any) -> int:
    if isinstance(value, bool) or _is_symbol(value) or not isinstance(value, numbers.Integral):
        raise _Refused("it is static and takes an int" + _inject(value))
    return int(value)


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise _Refused("it is static and takes a str" + _inject(value))
    return value


def _dtype(value: Any) -> str:
    name = None if _is_symbol(value) else dtype_name(value)
    if name not in ("float16", "bfloat16", "float32", "float64"):
        raise _Refused("it takes None or a floating-point dtype, such as jnp.bfloat16")
    return name


def _inject(value: Any) -> str:
    if hasattr(value, "aval") or hasattr(value, "dtype"):
        return "; with optax.inject_hyperparams name it in static_args"
    return ""


def _scalar(value: Any) -> Any:
    if _is_symbol(value) or callable(value):
        return value
    if isinstance(value, (bool, complex, str, bytes)):
        raise _Refused("it takes a real number, an optax schedule or a JAX scalar")
    if isinstance(value, numbers.Real):
        return float(value)
    shape = getattr(value, "shape", None)
    if shape is None or not hasattr(value, "dtype"):
        raise _Refused("it takes a real number, an optax schedule or a JAX scalar")
    if not isinstance(value.dtype, np.dtype):  # that of a random key, or of another library
        remedy = ": pass jnp.asarray(x)" if isinstance(value.dtype, str) else ""
        raise _Refused(f"it takes a real number, and this is of dtype {value.dtype}{remedy}")
    if shape != ():
        remedy = ": pass x.reshape(())" if all(extent == 1 for extent in shape) else ""
        raise _Refused(f"it takes a scalar, and this has shape {tuple(shape)}{remedy}")
    if value.dtype.kind not in "fiuV":
        kind = "complex" if value.dtype.kind == "c" else str(value.dtype)
        raise _Refused(f"it takes a real number, and this is {kind}")
    return value


_ACCEPT: dict[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "int": _int,
    "str": _str,
    "dtype": _dtype,
    "scalar": _scalar,
}


def bind(
    name: str, wanted: Sequence[Hyperparameter], args: Sequence[Any], named: dict[str, Any]
) -> dict[str, Any]:
    """The value of each hyperparameter, checked.

    Args:
      name: the name of the rule, for errors.
      wanted: its hyperparameters, in order.
      args: values by position.
      named: values by name; those by position are added to it.

    Raises:
      HyperparameterError: naming the one that is unknown, missing, given twice or unusable.
    """
    if len(args) > len(wanted):
        raise HyperparameterError(
            f"{name}() takes at most {len(wanted)} hyperparameters, and {len(args)} were given by "
            "position (gradients and parameters go to update or step, not to the rule)"
        )
    for h, value in zip(wanted, args, strict=False):
        if h.name in named:
            raise HyperparameterError(f"{name}() was given {h.name!r} by position and by name")
        named[h.name] = value
    names = [h.name for h in wanted]
    if unknown := [key for key in named if key not in names]:
        raise HyperparameterError(
            f"{name}() has no hyperparameter {unknown[0]!r}; it has {', '.join(names) or 'none'}"
        )
    values = {h.name: named.get(h.name, h.default) for h in wanted}
    if missing := [key for key, value in values.items() if value is REQUIRED]:
        raise HyperparameterError(f"{name}() needs {missing[0]!r}: give it a value")
    return {h.name: h.accept(values[h.name], name) for h in wanted}

"""Dtypes as a rule may name them."""

from __future__ import annotations

from typing import Any

from optgen.dsl.leaf import LeafDType
from optgen.errors import RuleError
from optgen.ir.types import CONCRETE_FLOATS
from optgen.runtime.vocabulary.hyper import dtype_name


def storage_dtype(dtype: Any) -> str:
    """The name that programs use for a dtype; symbolic for ``p.dtype`` and ``g.dtype``.

    Raises:
      RuleError: for anything but a real floating-point dtype.
    """
    if isinstance(dtype, LeafDType):
        return dtype.symbolic
    name = dtype_name(dtype)
    if name not in CONCRETE_FLOATS:
        raise RuleError(
            f"{dtype!r} is no dtype that a slot or a cast can have: "
            f"use p.dtype or one of {', '.join(CONCRETE_FLOATS)}"
        )
    return name

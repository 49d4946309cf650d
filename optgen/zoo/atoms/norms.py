"""Norms that hyperparameters bound from below."""

from __future__ import annotations

from typing import Any

from optgen import dsl


def at_least(root_of: Any, bound: Any) -> Any:
    """The root, or the bound if that is larger.

    The root of zero has no derivative, and zero times infinity is NaN: so that one can
    differentiate through an update of parameters that are all zero, the root is not taken there.
    """
    is_small = dsl.sqrt(root_of) <= bound
    return dsl.where(is_small, bound, dsl.sqrt(dsl.where(is_small, 1.0, root_of)))

"""Norms that are bounded from below."""

from __future__ import annotations

from typing import Any

from optgen import dsl


def bounded_root(square: Any, least: Any) -> Any:
    """The root, or ``least`` if that is larger.

    The bound is put below the root, and with ``where``: the derivative is then 0 where all is
    zero, so that one can differentiate through an update of parameters that begin there.
    """
    return dsl.sqrt(dsl.where(square <= least**2, least**2, square))

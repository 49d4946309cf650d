"""Warnings, at the line of the user's that they are about."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path
from types import FrameType

import jax

_PACKAGES = (Path(__file__).parents[2], Path(jax.__file__).parent)
_BETWEEN = (*(f"{path}{os.sep}" for path in _PACKAGES), contextlib.__file__, "<optgen ")
"""Beginnings of the names of files between a line of the user's and a warning."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns at the nearest calling line that is neither in this package nor in JAX."""
    frame = _caller()
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        frame.f_globals.get("__name__", "<string>"),
        frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _caller() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    return frame

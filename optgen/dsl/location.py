"""Locations: lines of the user's files, for error messages and for names."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOMS = tuple(str(_PACKAGE / room) for room in ("dsl", "ir"))
_LIBRARIES = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


class Location(NamedTuple):
    """A line of a file, counted from 1, and the function that it is in."""

    filename: str
    lineno: int
    function: str
    first_lineno: int

    @property
    def site(self) -> str:
        """A name for the line that does not move with the file: ``function+offset``."""
        return f"{self.function}+{self.lineno - self.first_lineno}"


def _of(frame: FrameType, lineno: int) -> Location:
    code = frame.f_code
    return Location(code.co_filename, lineno, code.co_name, code.co_firstlineno)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_ROOMS)


def _is_library(filename: str) -> bool:
    zoo = str(_PACKAGE / "zoo")
    if filename.startswith(zoo):
        return False
    libraries = (str(_PACKAGE), *_LIBRARIES, "<frozen")
    return filename.startswith(libraries) or "site-packages" in filename


def caller() -> Location:
    """The nearest calling line outside the DSL itself."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return _of(frame, frame.f_lineno)


def culprit(traceback: TracebackType | None, rules: tuple[CodeType, ...]) -> Location | None:
    """The deepest line of a traceback in a rule, or in another file of the user's."""
    files = {code.co_filename for code in rules}
    deepest = None
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if filename in files or not _is_library(filename):
            deepest = _of(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return deepest

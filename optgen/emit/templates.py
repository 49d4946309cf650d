"""The skeletons of emitted code."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from optgen.errors import EmitError

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def directory() -> Path:
    """The directory of the skeletons: inside the installed package, or beside it in a checkout.

    Raises:
      EmitError: where neither has them.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "templates", package.parent / "templates"):
        if candidate.is_dir():
            return candidate
    raise EmitError(f"the templates of optgen are missing beside {package}: install it again")


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(directory()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def template(name: str) -> Template:
    """A skeleton by its file name."""
    return _environment().get_template(name)

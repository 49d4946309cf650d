"""Tables beside emitted kernels: the kernel sequences of all targets, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optgen.emit.templates import template
from optgen.runtime.vocabulary.text import Entry, text


def tables(name: str, files: Mapping[str, str], entries: Sequence[Entry]) -> str:
    """The module that builds ``KERNELS``.

    Args:
      name: the rule's name.
      files: for each target the file that holds its functions.
      entries: what is done to the leaves of each variant.
    """
    return template("tables.py.jinja").render(
        name=name, files=files, sequences=[text(entry) for entry in entries]
    )


def closing(items: Sequence[object]) -> str:
    """The end of a tuple of these items."""
    return ",)" if len(items) == 1 else ")"

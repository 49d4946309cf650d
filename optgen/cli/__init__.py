"""The command line: parse, call, print. ``main`` is the entry point of ``optgen``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: with 0 where all held, 1 where a check failed, 2 for bad usage.

    Args:
      arguments: those of the command line; by default, this process's.
    """
    from optgen.cli.app import app

    app.main(args=None if arguments is None else [*arguments], prog_name="optgen")
    raise AssertionError("click exits")

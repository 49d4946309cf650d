"""Printing of results: highlighted on a terminal only, JSON for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 140
"""Columns of what is no terminal, so that tables in files and pipes are not cut."""


def print_json(value: Any) -> None:
    """Prints a value as indented JSON on standard output."""
    click.echo(json.dumps(value, indent=2, default=str))


def print_source(text: str, language: str) -> None:
    """Prints source on standard output, highlighted where that is a terminal."""
    if not sys.stdout.isatty():
        click.echo(text.rstrip())
        return
    from rich.syntax import Syntax

    syntax = Syntax("", language, theme="ansi_dark", background_color="default")
    console().print(syntax.highlight(text.rstrip()), soft_wrap=True)


def console() -> Console:
    """The console of results: standard output, wide where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Shows how far a long command is, on standard error and on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, what="")
        yield lambda done, total, what: bar.update(task, completed=done, total=total, what=what)

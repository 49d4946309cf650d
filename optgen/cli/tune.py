"""``optgen tune``: the best options of GPU kernels, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from optgen.cli import options, output

if TYPE_CHECKING:
    from optgen.runtime.execution.triton.tables import Table


@click.command("tune")
@options.rule
@options.settings
@options.work
@click.option("--seconds", default=5.0, show_default=True, help="Of measurement, for each kind.")
@click.option(
    "path",
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file for what was found, or a directory for one named by the GPU; by default the "
    "cache, where later runs find it.",
)
@options.as_json
def command(
    rule: str,
    settings: tuple[str, ...],
    shapes: tuple[str, ...],
    tree: str | None,
    dtype: str,
    seconds: float,
    path: Path | None,
    as_json: bool,
) -> None:
    """Measure how RULE's kernels are best cut and compiled for this GPU.

    Steps are taken on copies that are made for it. The result serves every rule with launches
    of the same kinds, from the next process on.
    """
    from optgen.runtime.execution.triton import tables
    from optgen.tools.tune import device_here, tune

    device = device_here()
    work = options.make_work(shapes, tree, dtype)
    choice = options.chosen(rule, settings)
    place = tables.place(device, path)
    with output.progress(f"tune {choice.name}") as progress:
        table = tune(choice.make("triton"), work, seconds, progress=progress)
    tables.write(place, table.merged(tables.read(place)))
    if as_json:
        click.echo(table.text().rstrip())
    else:
        _show(table)
        click.echo(f"Kept in {place}.")


def _show(table: Table) -> None:
    from rich.table import Table as Rows

    from optgen.runtime.execution.triton.tuned import described

    rows = Rows(title=table.device)
    for column in ("kind of launch", "options"):
        rows.add_column(column)
    for column in ("step", "with guessed options"):
        rows.add_column(column, justify="right")
    for kind, measured in table.options.items():
        times = (measured.seconds, measured.guessed_seconds)
        text = described(kind, measured.options)
        rows.add_row(kind, text, *(f"{time * 1e6:,.1f} µs" for time in times))
    output.console().print(rows)

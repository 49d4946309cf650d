"""``optgen verify``: a rule's targets against the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from optgen.cli import options, output
from optgen.errors import VerificationError

if TYPE_CHECKING:
    from rich.table import Table

    from optgen.tools.verify import Report


@click.command("verify")
@options.rule
@click.option("targets", "--target", multiple=True, help="By default all that work here.")
@click.option("--steps", default=5, show_default=True, type=click.IntRange(min=1))
@options.settings
@click.option("shapes", "--shape", multiple=True, metavar="NxM", help="A leaf; may be given again.")
@click.option("dtypes", "--dtype", multiple=True, help="May be given again.")
@options.as_json
def command(
    rule: str,
    targets: tuple[str, ...],
    steps: int,
    settings: tuple[str, ...],
    shapes: tuple[str, ...],
    dtypes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare RULE with itself at 50 digits.

    A target fails where its error exceeds that of jitted optax by more than half and one unit in
    the last place; for a rule that optax lacks, where rounding cannot explain it.

    By default on awkward leaves (0-d, empty, odd tails, 3-d) in float32 and bfloat16. Stock rules
    get hyperparameters that let nothing vanish, such as a weight decay of 0.1.
    """
    from optgen.tools.verify import verify
    from optgen.tools.workloads import HYPERPARAMETERS

    choice = options.chosen(rule, settings, HYPERPARAMETERS.get(rule))
    leaves = {name: leaf.shape for name, leaf in options.make_work(shapes, None, "f32").items()}
    with output.progress(f"verify {choice.name}") as progress:
        report = verify(
            choice.make,
            reference=choice.reference(),
            targets=targets or serving(),
            steps=steps,
            leaves=leaves if shapes else None,
            dtypes=[options.dtype_name(dtype) for dtype in dtypes] or None,
            progress=progress,
        )
    if as_json:
        output.print_json({"rule": choice.name, "settings": choice.settings, **report.as_dict()})
    else:
        show(choice.name, report)
    if not report.ok:
        raise VerificationError("\n  ".join([f"{choice.name} does not hold:", *report.failures()]))


def serving() -> list[str]:
    """The targets that can serve on this machine; says which cannot, and why."""
    from optgen.tools.doctor import available

    reasons = available()
    for name, reason in reasons.items():
        if reason:
            click.echo(f"{name} is not verified: {reason}", err=True)
    return [name for name, reason in reasons.items() if not reason]


def show(name: str, report: Report) -> None:
    """Prints a table of the largest errors."""
    click.echo(f"{name}: the largest errors, in units in the last place")
    output.console().print(table(report))
    for note in report.notes:
        click.echo(note, err=True)


def table(report: Report) -> Table:
    """The largest error of each target, tree and output."""
    from rich.table import Table

    compared = any(row.reference is not None for row in report.rows)
    rows = Table("target", "tree", "output")
    for column in ("error", *(["of optax"] if compared else []), "allowed"):
        rows.add_column(column, justify="right", no_wrap=True)
    rows.add_column("where")
    rows.add_column("")
    for row in report.rows:
        reference = "" if row.reference is None else f"{row.reference:.2f}"
        numbers = [f"{row.error:.2f}", *([reference] if compared else []), f"{row.allowed:.2f}"]
        verdict = "[green]holds[/]" if row.ok else "[red]FAILS[/]"
        where = f"{row.leaf}, step {row.step}"
        rows.add_row(row.target, row.group, row.output, *numbers, where, verdict)
    return rows

"""``optgen demo``: from a rule to a trained network."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optgen.cli import output
from optgen.cli import verify as verification
from optgen.errors import VerificationError
from optgen.optimizer import Optimizer
from optgen.tools.rules import Choice, choose

if TYPE_CHECKING:
    from rich.table import Table

    from optgen.tools.demo import Run


@click.command("demo")
@click.option("--steps", default=400, show_default=True, type=click.IntRange(min=1))
@click.option(
    "picture",
    "--plot",
    default="demo.png",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the loss curves go.",
)
def command(steps: int, picture: Path) -> None:
    """Go from a rule to a trained network.

    Shows a rule, its mathematics and its emitted code, verifies it, and trains with it on images,
    beside optgen's AdamW and optax's.
    """
    from optgen.tools import demo

    demo.require_libraries()
    file = demo.examples() / f"{demo.RULE}.py"
    settings = [f"{name}={value}" for name, value in demo.HYPERPARAMETERS.items()]
    choice = choose(f"{file}:{demo.RULE}", settings)
    tx = choice.make()
    _read(choice, tx, file)
    ok = _verify(choice)
    runs = _train(tx, steps)
    output.console().print(_table(runs))
    demo.plot(runs, picture)
    click.echo(f"The loss curves are in {picture}.")
    if not ok:
        raise VerificationError(f"{choice.name} does not hold: see the table under 3")


def _heading(number: int, title: str) -> None:
    click.echo()
    click.secho(f"{number}. {title}", bold=True, fg="cyan")
    click.echo()


def _read(choice: Choice, tx: Optimizer, file: Path) -> None:
    """Shows the rule, what it means, and what is emitted for it."""
    from optgen.emit.plain import plain
    from optgen.tools import demo

    params = demo.network()
    _heading(1, f"A rule of one's own, in {file.parent.name}/{file.name}")
    output.print_source(_source(choice.rule), "python")
    click.echo("\nThe compiler reads it as this recurrence (--ir latex typesets it):\n")
    for line in plain(tx.programs(params)[0]):
        click.echo(f"  {line}")
    _heading(2, "The code that is emitted for it")
    output.print_source(tx.source("xla", params), "python")


def _source(rule: Any) -> str:
    return inspect.getsource(rule.function)


def _verify(choice: Choice) -> bool:
    from optgen.tools.verify import verify

    _heading(3, "Is it right? Each step beside the same rule at 50 digits")
    with output.progress("verify") as progress:
        report = verify(choice.make, targets=verification.serving(), progress=progress)
    verification.show(choice.name, report)
    return report.ok


def _train(tx: Optimizer, steps: int) -> list[Run]:
    from optgen.tools import demo

    _heading(4, "Does it train? A network on scikit-learn's handwritten digits")
    data = demo.digits()
    click.echo(demo.describe(data, steps))
    click.echo("All optimizers have the same hyperparameters, start and batches.\n")
    with output.progress("train") as progress:
        return demo.train(_optimizers(tx), data, steps, progress=progress)


def _optimizers(tx: Optimizer) -> dict[str, Any]:
    """The rule beside AdamW, ours and optax's."""
    import optax

    from optgen.tools import demo
    from optgen.zoo import STOCK

    settings: dict[str, Any] = {**demo.HYPERPARAMETERS}
    return {
        tx.instance.name: tx,
        "optgen.adamw": STOCK["adamw"](**settings),
        "optax.adamw": optax.adamw(**settings),
    }


def _table(runs: list[Run]) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("optimizer", no_wrap=True)
    for column in ("loss", "training accuracy", "test accuracy", "step", "compiled in"):
        table.add_column(column, justify="right")
    for place, run in enumerate(runs):
        table.add_row(
            run.name,
            f"{run.losses[-20:].mean():.4f}",
            f"{run.train_accuracy:.2%}",
            f"{run.test_accuracy:.2%}",
            f"{run.step_seconds * 1e3:.2f} ms",
            f"{run.compile_seconds:.2f} s",
            style="bold" if place == 0 else None,
        )
    return table

"""``optgen explain``: the cost of a step, and its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from optgen.cli import options, output

if TYPE_CHECKING:
    from optgen.runtime.vocabulary.sequence import Mode
    from optgen.schedule.explanation import Explanation
    from optgen.tools.compare import Comparison


@click.command("explain")
@options.rule
@click.option(
    "--machine", default="here", show_default=True, help="A known machine, such as h200 or v5e."
)
@click.option(
    "--mode",
    type=click.Choice(["step", "update"]),
    default="step",
    show_default=True,
    help="The fused step; or update, with apply_updates in the same jit.",
)
@click.option(
    "against_xla",
    "--against-xla",
    is_flag=True,
    help="Compile it and optax's for the machine's chip, and count what XLA runs. Needs no chip.",
)
@options.settings
@options.work
@options.as_json
def command(
    rule: str,
    machine: str,
    mode: Mode,
    against_xla: bool,
    settings: tuple[str, ...],
    shapes: tuple[str, ...],
    tree: str | None,
    dtype: str,
    as_json: bool,
) -> None:
    """Count the launches and bytes of a step of RULE.

    Stage by stage, with the least time that a step can take on a machine.
    """
    work = options.make_work(shapes, tree, dtype)
    choice = options.chosen(rule, settings)
    if against_xla:
        from optgen.tools.compare import compare

        with output.progress(f"compile {choice.name}") as progress:
            explained: Comparison | Explanation = compare(choice, work, machine, mode, progress)
    else:
        explained = choice.make().explain(work, machine, mode)
    if as_json:
        settings_ = {"rule": choice.name, "settings": choice.settings}
        output.print_json({**settings_, **explained.as_dict()})
    else:
        click.echo(str(explained))

"""``optgen explain``: what a step costs, and why."""

from __future__ import annotations

import click

from optgen.cli import options, output


@click.command("explain")
@options.rule
@click.option(
    "--machine", default="here", show_default=True, help="A known machine, such as h200 or v5e."
)
@options.settings
@options.work
@options.as_json
def command(
    rule: str,
    machine: str,
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
    explanation = choice.make().explain(work, machine)
    if as_json:
        settings_ = {"rule": choice.name, "settings": choice.settings}
        output.print_json({**settings_, **explanation.as_dict()})
    else:
        click.echo(str(explanation))

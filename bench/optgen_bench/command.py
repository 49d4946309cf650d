"""``optgen bench``: rules beside their peers, timed.

An entry point in the group ``optgen.commands`` registers the command with ``optgen``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from optgen.cli import options
from optgen.cli.messages import Reporting
from optgen.errors import UsageError
from optgen.tools.rules import load
from optgen_bench import compiling
from optgen_bench.cases import Case
from optgen_bench.suite import bench


@click.command("bench", cls=Reporting, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@click.option(
    "--against", default="optax,torch", show_default=True, help="Peers, joined by commas."
)
@click.option(
    "shapes", "--shape", multiple=True, metavar="NxM", help="One leaf; may be given again."
)
@click.option("trees", "--tree", multiple=True, metavar="NAME", help="A model, as gpt2-small.")
@click.option("dtypes", "--dtype", multiple=True, help="By default float32; may be given again.")
@click.option("targets", "--target", multiple=True, help="Of optgen; may be given again.")
@click.option("--seconds", default=10.0, show_default=True, help="Of measurement, for each case.")
@options.settings
@click.option("json_path", "--json", metavar="FILE", help="Write the run as JSON.")
@click.option("plot_path", "--plot", metavar="FILE", help="Write a picture, .png or .svg.")
@click.option("markdown_path", "--markdown", metavar="FILE", help="Write a table in Markdown.")
@click.option(
    "--results",
    metavar="DIR",
    help="Write the run as JSON in this directory, named by the machine and the day.",
)
@click.option(
    "--timing",
    type=click.Choice(["auto", "dispatched", "on-device"]),
    default="auto",
    show_default=True,
    help="Call each step, or repeat steps on the device; auto repeats on a GPU.",
)
@click.option(
    "--compile", "compiles", is_flag=True, help="Time tracing, lowering and compiling, not steps."
)
@click.option("chip", "--machine", metavar="NAME", help="With --compile: a chip, as h200 or v5e.")
@click.pass_context
def command(
    ctx: click.Context,
    rules: tuple[str, ...],
    against: str,
    shapes: tuple[str, ...],
    trees: tuple[str, ...],
    dtypes: tuple[str, ...],
    targets: tuple[str, ...],
    seconds: float,
    settings: tuple[str, ...],
    json_path: str | None,
    plot_path: str | None,
    markdown_path: str | None,
    results: str | None,
    timing: str,
    compiles: bool,
    chip: str | None,
) -> None:
    """Time a step of each RULE against its peers: optax, torch, flashoptim.

    All are interleaved in one run, beside the memory bandwidth that is measured in it. Peers have
    the same hyperparameters, so --set is for rules of your own. With --against update, optgen takes
    its steps by the optax protocol too: update and apply_updates, in one jit.
    """
    peers = [name for name in against.split(",") if name]
    works, wanted = [*trees, *shapes], targets or ("auto",)
    if compiles:
        _refuse(ctx, _OF_STEPS, "is not for --compile: it is of steps that are timed")
        status = compiling.compare(
            rules, peers, works or compiling.TREES, wanted, seconds, chip or "", json_path
        )
        ctx.exit(status)
    _refuse(ctx, ("chip",), "is for --compile: steps are timed on this machine")
    for dtype in dtypes:
        options.allow_float64(dtype)
    status = bench(
        [_case(rule, settings) for rule in rules],
        against=peers,
        tree=works or "matrix",
        dtype=list(dtypes) or "float32",
        seconds=seconds,
        json_path=json_path,
        plot_path=plot_path,
        targets=wanted,
        markdown_path=markdown_path,
        results=results,
        timing_name=timing,
    )
    ctx.exit(status)


_OF_STEPS = ("dtypes", "settings", "plot_path", "markdown_path", "results", "timing")


def _refuse(ctx: click.Context, names: Sequence[str], reason: str) -> None:
    """Raises `UsageError` where one of these options was given."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[-1]} {reason}")


def _case(rule: str, settings: tuple[str, ...]) -> str | Case:
    """A stock rule by its name; a rule of the user's with its hyperparameters."""
    path, _, name = rule.rpartition(":")
    if not path.endswith(".py"):
        if settings:
            raise UsageError(
                f"--set does not change {rule}: all peers of a stock rule run with the "
                "hyperparameters of the suite"
            )
        return rule
    value: Any = load(path, name)
    if isinstance(value, Case):
        return value
    choice = options.chosen(rule, settings)
    return Case(choice.name, choice.make)

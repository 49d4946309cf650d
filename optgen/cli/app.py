"""The group of commands: optgen's own, and those that other packages register."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

import click

from optgen.cli.messages import Reporting

COMMANDS = ("list", "show", "generate", "verify", "explain", "tune", "doctor", "demo")
"""The commands, in the order in which a person meets them; each is a module of this room."""

REGISTERED = "optgen.commands"
"""The entry points by which a package adds commands: for each a name and a ``click.Command``."""


@functools.cache
def registered() -> Mapping[str, EntryPoint]:
    """The commands of other packages, by name; none of them is imported."""
    points = {point.name: point for point in entry_points(group=REGISTERED)}
    return {name: points[name] for name in sorted(points) if name not in COMMANDS}


class Commands(Reporting, click.Group):
    """A group that imports a command when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands: optgen's in their own order, then the others'."""
        return [*COMMANDS, *registered()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported; None where there is none."""
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"optgen.cli.{cmd_name}")
            command: click.Command = module.command
            return command
        point = registered().get(cmd_name)
        return None if point is None else point.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands; another package's stays unimported, and is listed by its origin."""
        width = formatter.width - max(map(len, self.list_commands(ctx)))
        rows = []
        for name in COMMANDS:
            command = self.get_command(ctx, name)
            assert command is not None  # it is a module of this room
            rows.append((name, command.get_short_help_str(width)))
        for name, point in registered().items():
            package = point.module.partition(".")[0]
            rows.append((name, f"From {package}: see optgen {name} --help."))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="RULE is a stock name, or path/to/file.py:name. Exit status: 0 where all held, 1 where "
    "a check failed, 2 for bad usage.",
)
@click.version_option(package_name="optgen", prog_name="optgen")
def app() -> None:
    """An optimizer compiler for JAX: rules in, fused kernels and optax optimizers out."""

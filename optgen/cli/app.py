"""The group of commands, and what becomes of their errors."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

from optgen.errors import OptgenError, VerificationError

COMMANDS = ("list", "show", "generate", "verify", "explain", "bench", "tune", "doctor", "demo")
"""The commands, in the order in which a person meets them; each is a module of this room."""


class Commands(click.Group):
    """Imports a command when it is called for, and turns errors into messages and statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in their own order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"optgen.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what optgen raises on purpose becomes a message and a status."""
        try:
            return super().invoke(ctx)
        except VerificationError as error:
            _fail(ctx, str(error), 1)
        except OptgenError as error:
            _fail(ctx, str(error), 2)
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:
                raise
            _fail(ctx, f"{error.filename}: {error.strerror}", 2)


def _fail(ctx: click.Context, message: str, status: int) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    ctx.exit(status)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="RULE is a stock name, or path/to/file.py:name. Exit status: 0 where all held, 1 where "
    "a check failed, 2 for bad usage.",
)
@click.version_option(package_name="optgen", prog_name="optgen")
def app() -> None:
    """An optimizer compiler for JAX: rules in, fused kernels and optax optimizers out."""

"""Errors as a person reads them: a message on standard error and an exit status."""

from __future__ import annotations

import errno
from typing import Any

import click

from optgen.errors import OptgenError, VerificationError


class Reporting(click.Command):
    """A command that turns errors into messages and statuses: 1 for a check that failed, else 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error that optgen raises on purpose becomes a message."""
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

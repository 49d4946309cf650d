"""``optgen doctor``: the diagnosis of this machine."""

from __future__ import annotations

from dataclasses import asdict

import click

from optgen.cli import options, output


@click.command("doctor")
@options.as_json
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Say what works on this machine.

    Targets, and why one does not work; devices, versions, and the environment variables.
    """
    from optgen.tools.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        output.print_json({"ok": diagnosis.ok, **asdict(diagnosis)})
    else:
        for title, rows in diagnosis.sections():
            click.secho(title, bold=True)
            width = max((len(name) for name, _ in rows), default=0)
            for name, text in rows:
                click.echo(f"  {name:<{width}}  {text}")
    ctx.exit(0 if diagnosis.ok else 1)

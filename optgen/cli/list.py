"""``optgen list``: the stock rules."""

from __future__ import annotations

from typing import Any

import click

from optgen.cli import options, output
from optgen.dsl.rule import Rule
from optgen.runtime.vocabulary.hyper import REQUIRED
from optgen.zoo import ATOMS, STOCK


@click.command("list")
@click.option("--atoms", is_flag=True, help="Also the atoms that they are chains of.")
@options.as_json
def command(atoms: bool, as_json: bool) -> None:
    """List the stock rules."""
    rules = [*STOCK.values(), *(ATOMS.values() if atoms else ())]
    if as_json:
        output.print_json([_record(rule) for rule in rules])
        return
    from rich.table import Table

    table = Table("rule", "reference", "hyperparameters", box=None, pad_edge=False)
    for rule in rules:
        table.add_row(rule.name, _title(rule), _signature(rule))
    output.console().print(table)


def _record(rule: Rule) -> dict[str, Any]:
    hyperparameters = [
        {"name": h.name, "kind": h.kind, "required": h.default is REQUIRED}
        | ({} if h.default is REQUIRED else {"default": h.default})
        for h in rule.hyperparameters
    ]
    return {"name": rule.name, "doc": rule.__doc__, "hyperparameters": hyperparameters}


def _title(rule: Rule) -> str:
    return (rule.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def _signature(rule: Rule) -> str:
    def argument(name: str, default: Any) -> str:
        return name if default is REQUIRED else f"{name}={default}"

    return ", ".join(argument(h.name, h.default) for h in rule.hyperparameters)

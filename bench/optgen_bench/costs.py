"""Costs before the first step: building and lowering it, and importing optgen.

Every sample is taken in a process of its own, so that nothing is cached: neither JAX's traces nor
optgen's. optgen and optax take turns. What a library imports when its first optimizer is made
(`load`) is shown apart: it is paid once in a process, and optax has paid it when it was imported.
Run it as `python -m optgen_bench.costs`.

The JSON form has times in seconds:

    {"schema": "optgen-costs/1", "machine": {…}, "tree": "gpt2-small", "rule": "adamw",
     "lowering": {"optgen": {"load": …, "build": …, "init": …, "trace": …, "lower": …,
                             "total": {"median": …, …}}, "optax": {…}},
     "import_seconds": {"median": …, …}, "imports_sympy": false}
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from optgen.errors import UsageError
from optgen.tools import workloads
from optgen.tools.timing import Spread, spread
from optgen_bench import cases, fresh, machine, records, report, storage, table

SCHEMA = "optgen-costs/1"
IMPORT_LIMIT = 0.15  # seconds that `import optgen` may add to `import jax, optax`
LIBRARIES = ("optgen", "optax")
_MODULE = "optgen_bench.costs"


@dataclasses.dataclass(frozen=True)
class Lowering:
    """Medians of each phase, and the spread of the sum of all but `load`.

    `init` is abstract (`jax.eval_shape`): the shapes of the state, which lowering needs.
    """

    load: float
    build: float
    init: float
    trace: float
    lower: float
    total: Spread


@dataclasses.dataclass(frozen=True)
class CostReport:
    """Both claims, measured."""

    machine: records.Machine
    rule: str
    tree: str
    lowering: dict[str, Lowering]
    import_seconds: Spread
    imports_sympy: bool
    schema: str = SCHEMA

    @property
    def lowering_ratio(self) -> float:
        """The ratio of optax's median to optgen's: at 1 or above, optgen costs no more."""
        return self.lowering["optax"].total.median / self.lowering["optgen"].total.median

    @property
    def held(self) -> bool:
        """True where both claims held on this machine."""
        quick = self.import_seconds.median < IMPORT_LIMIT
        return self.lowering_ratio >= 1 and quick and not self.imports_sympy


def compare(
    rule: str = "adamw",
    tree: str = "gpt2-small",
    repeats: int = 5,
    json_path: str | None = None,
    console: Any = None,
) -> int:
    """Measures and prints both costs.

    Args:
      rule: a rule with an optax peer.
      tree: a workload's name or a shape.
      repeats: processes for each figure.
      json_path: where to write the result.
      console: a `rich.console.Console`; by default, standard output.

    Returns:
      The exit status: 0, or 1 where optgen took longer to lower than optax, or its import longer
      than `IMPORT_LIMIT`, or imported SymPy.
    """
    workloads.tree(tree)  # a wrong name is reported here, and not by a child process
    if cases.case(rule).make_optax is None:
        raise UsageError(f"optax has no {rule!r} to compare with. Give a stock rule.")
    if repeats < 1:
        raise UsageError(f"repeats must be 1 or more, not {repeats}.")
    result = _measure(rule, tree, repeats)
    if json_path is not None:
        storage.write_atomically(json_path, storage.to_json(result).encode())
    show(result, console)
    return 0 if result.held else 1


def show(result: CostReport, console: Any = None) -> None:
    """Prints the table of lowering, and both claims with their figures."""
    from rich.console import Console

    console = console or Console()
    with table.wide(console):
        title = f"Building and lowering the step: {result.rule}, {result.tree}"
        console.print(title, style="bold", highlight=False)
        console.print(_table(result))
        for line in _claims(result):
            console.print(line, highlight=False)


def _table(result: CostReport) -> Any:
    from rich.table import Table

    rows = Table()
    for column in ("", *fresh.PHASES, "total", "±"):
        rows.add_column(column, justify="right" if column else "left")
    for library, costs in result.lowering.items():
        seconds = [*(getattr(costs, phase) for phase in fresh.PHASES), costs.total.median]
        rows.add_row(library, *map(report.duration, seconds), f"{costs.total.relative:.0%}")
    return rows


def _claims(result: CostReport) -> list[str]:
    verdict = "" if result.lowering_ratio >= 1 else f" {table.PEER_WINS}"
    importing, limit = map(report.duration, (result.import_seconds.median, IMPORT_LIMIT))
    sympy = "SymPy: it should not" if result.imports_sympy else "no SymPy"
    return [
        "total leaves out load: what the first optimizer of a process imports",
        f"optgen lowers {result.lowering_ratio:.2f}× as fast as optax{verdict}",
        f"import optgen adds {importing} to import jax, optax (limit {limit}), and imports {sympy}",
    ]


def _measure(rule: str, tree: str, repeats: int) -> CostReport:
    samples: dict[str, list[dict[str, float]]] = {library: [] for library in LIBRARIES}
    imports, host = [], machine.describe()
    for _ in range(repeats):
        for library in LIBRARIES:
            samples[library].append(fresh.lowering(library, rule, tree))
        imports.append(fresh.importing())
    return CostReport(
        machine=host,
        rule=rule,
        tree=tree,
        lowering={library: _lowering(samples[library]) for library in LIBRARIES},
        import_seconds=spread([sample["seconds"] for sample in imports]),
        imports_sympy=any(sample["sympy"] for sample in imports),
    )


def _lowering(samples: Sequence[dict[str, float]]) -> Lowering:
    phases = {name: statistics.median(s[name] for s in samples) for name in samples[0]}
    return Lowering(**phases, total=spread([sum(s.values()) - s["load"] for s in samples]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line of `python -m optgen_bench.costs`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {_MODULE}", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rule", default="adamw")
    parser.add_argument("--tree", default="gpt2-small")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    return compare(options.rule, options.tree, options.repeats, options.json)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as error:
        sys.exit(f"error: {error}")

"""Time and memory of compiling a step, for `optgen bench RULE --compile`.

Every sample is taken in a process of its own. The first of each side has empty caches: it compiles
kernels, which are kept for a user, and later ones find them. A chip that is not here is compiled
for by its own compiler; see `optgen.tools.chips`.

The JSON form has times in seconds and sizes in bytes:

    {"schema": "optgen-compile/1", "date": "…", "machine": {…}, "chip": "h200",
     "cases": [{"rule": "adamw", "tree": "deep-300", "leaves": 300,
                "sides": [{"name": "optgen", "init": …, "trace": …, "lower": …, "compile": …,
                           "total": {"median": …, …}, "first": …, "peak_bytes": …}, …]}, …]}
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from optgen import config
from optgen.errors import ChipError
from optgen.runtime.execution.targets import TARGETS
from optgen.tools import chips, workloads
from optgen.tools.timing import Spread, spread
from optgen_bench import cases, fresh, machine, records, report, storage, table
from optgen_bench.peers import expand, optgen_name

SCHEMA = "optgen-compile/1"
TREES = ("gpt2-small", "deep-300", "deep-1000", "deep-2000")
PEER = "optax"


@dataclasses.dataclass(frozen=True)
class Side:
    """One way of running the step: medians of the samples that found kernels in the cache.

    `init` is abstract (`jax.eval_shape`); `first` is the total with empty caches; `peak_bytes` is
    XLA's account of arguments, temporaries and results that are not donated.
    """

    name: str
    init: float
    trace: float
    lower: float
    compile: float
    total: Spread
    first: float
    peak_bytes: int | None


@dataclasses.dataclass(frozen=True)
class Case:
    """A rule on a tree; optax's side is the last."""

    rule: str
    tree: str
    leaves: int
    sides: list[Side]


@dataclasses.dataclass(frozen=True)
class CompileReport:
    """A whole run; `chip` is empty where steps were compiled for this machine."""

    date: str  # ISO 8601, UTC
    machine: records.Machine
    chip: str
    cases: list[Case]
    schema: str = SCHEMA


def compare(
    rules: Sequence[str],
    against: Sequence[str] = (PEER,),
    trees: Sequence[str] = TREES,
    targets: Sequence[str] = ("auto",),
    seconds: float = 10.0,
    chip: str = "",
    json_path: str | None = None,
    console: Any = None,
) -> int:
    """Compiles steps of rules beside optax's, and prints a table for each rule and tree.

    Args:
      rules: stock names, or `path/to/file.py:name`.
      against: "optax", and "update" for optgen by the optax protocol; no others are compiled.
      trees: names of workloads, or shapes.
      targets: of optgen; for a chip, "auto" is the one that serves it.
      seconds: the budget for each case; every side is compiled twice at least.
      chip: the name of a chip that is not here, or "".
      json_path: where to write the run as JSON.
      console: a `rich.console.Console`; by default, standard output.

    Returns:
      The exit status, 0.

    Raises:
      UsageError: for an unknown rule, tree, peer or chip, or a path that cannot be written.
      ChipError: where the chip's compiler is not installed.
    """
    for rule in rules:
        cases.case(rule)
    leaves = {tree: workloads.leaves(workloads.tree(tree)) for tree in trees}
    if chip and (reason := chips.unavailable(chip)):
        raise ChipError(reason)
    if json_path is not None:
        storage.check_writable(json_path)
    sides = _sides(against, targets, chip)
    host = machine.describe()
    measured = [
        Case(rule, tree, count, _measure(rule, tree, sides, seconds, chip))
        for tree, count in leaves.items()
        for rule in rules
    ]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result = CompileReport(now, host, chip, measured)
    if json_path is not None:
        storage.write_atomically(json_path, storage.to_json(result).encode())
    show(result, console)
    return 0


def _sides(against: Sequence[str], targets: Sequence[str], chip: str) -> dict[str, str]:
    """For the name of each side what `fresh.compile_once` takes."""
    names = expand(against)
    if chip and "auto" in targets:
        platform = chips.CHIPS[chip].platform
        targets = [target.name for target in TARGETS.values() if target.platform == platform]
    sides = {optgen_name(target, True): target for target in targets}
    if "optgen-update" in names:
        sides |= {optgen_name(target, False): f"{target}-update" for target in targets}
    return sides | ({PEER: PEER} if PEER in names else {})


def _measure(
    rule: str, tree: str, sides: Mapping[str, str], seconds: float, chip: str
) -> list[Side]:
    """Compiles once with empty caches, then in turns until the budget is used."""
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    begin = time.perf_counter()
    with _caches(sides, chip) as environments:
        for taken in itertools.count():
            if taken >= 2 and time.perf_counter() - begin > seconds:
                break
            for name, side in sides.items():
                sample = fresh.compiling(side, rule, tree, chip, environments[name])
                samples[name].append(sample)
    return [_side(name, *of_side) for name, of_side in samples.items()]


@contextlib.contextmanager
def _caches(sides: Iterable[str], chip: str) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """Yields the variables of each side's processes, with caches that are empty at first."""
    with tempfile.TemporaryDirectory(prefix="optgen-bench-") as folder:
        caches = {side: os.path.join(folder, str(i)) for i, side in enumerate(sides)}
        yield {
            side: {
                config.CACHE_DIR.name: os.path.join(cache, "optgen"),
                "TRITON_CACHE_DIR": os.path.join(cache, "triton"),
                "JAX_ENABLE_COMPILATION_CACHE": "false",
                **(_lowering_environment() if chip else {}),
            }
            for side, cache in caches.items()
        }


def _lowering_environment() -> dict[str, str]:
    """Variables of a process that lowers for a chip, beside that chip's compiler."""
    paths = (os.environ.get("PYTHONPATH", ""), config.CHIPS_DIR.get())
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "JAX_PLATFORMS": "cpu"}


def _total(sample: Mapping[str, Any]) -> float:
    return sum(sample[phase] for phase in fresh.COMPILE_PHASES)


def _side(name: str, first: Mapping[str, Any], *samples: Mapping[str, Any]) -> Side:
    phases = {p: statistics.median(s[p] for s in samples) for p in fresh.COMPILE_PHASES}
    return Side(
        name=name,
        **phases,
        total=spread([_total(sample) for sample in samples]),
        first=_total(first),
        peak_bytes=samples[0]["peak_bytes"],
    )


def show(result: CompileReport, console: Any = None) -> None:
    """Prints a table for each case to a `rich.console.Console`."""
    from rich.console import Console

    console = console or Console()
    with table.wide(console):
        where = f" for {result.chip}, on {result.machine.cpu}" if result.chip else ""
        title = f"Tracing, lowering and compiling a step{where}"
        console.print(title, style="bold", highlight=False)
        for case in result.cases:
            console.print()
            heading = f"{case.rule} · {case.tree} · {case.leaves} leaves"
            console.print(heading, style="bold", markup=False, highlight=False)
            console.print(_table(case))
        console.print(
            "first: the total of a process that finds no kernels in the cache", style="dim"
        )


def _table(case: Case) -> Any:
    from rich.table import Table

    rows = Table()
    for column in ("", *fresh.COMPILE_PHASES, "total", "±", "first", "peak", f"{PEER} took"):
        rows.add_column(column, justify="right" if column else "left")
    peer = next((side for side in case.sides if side.name == PEER), None)
    for side in case.sides:
        seconds = [*(getattr(side, phase) for phase in fresh.COMPILE_PHASES), side.total.median]
        rows.add_row(
            side.name,
            *map(report.duration, seconds),
            f"{side.total.relative:.0%}",
            report.duration(side.first),
            report.size(side.peak_bytes),
            _verdict(side, peer),
        )
    return rows


def _verdict(side: Side, peer: Side | None) -> str:
    """The peer's total over this side's."""
    if peer is None or side is peer:
        return ""
    value = peer.total.median / side.total.median
    return f"{value:.2f}×" if value >= 1 else f"{value:.2f}× {table.PEER_WINS}"

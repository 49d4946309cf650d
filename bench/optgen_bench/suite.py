"""The benchmark behind `optgen bench`: rules against their peers, as table, JSON and picture."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from optgen.errors import UsageError
from optgen.tools import workloads
from optgen.tools.rules import Choice
from optgen.tools.timing import Timing, Work, timing
from optgen_bench import cases, machine, records, report, storage, table
from optgen_bench.peers import contestants, expand
from optgen_bench.runner import run

DEFAULT_PEERS = ("optax", "torch")


def bench(
    rules: Sequence[str | cases.Case | Choice],
    against: Sequence[str] = DEFAULT_PEERS,
    tree: str | Sequence[str] = "matrix",
    dtype: str | Sequence[str] = "float32",
    seconds: float = 10.0,
    json_path: str | None = None,
    plot_path: str | None = None,
    console: Any = None,
    *,
    targets: Sequence[str] = ("auto",),
    markdown_path: str | None = None,
    results: str | None = None,
    timing_name: str = "auto",
) -> int:
    """Compares rules with their peers, and prints a table for each.

    Args:
      rules: stock names, `clip+adamw`, `path/to/file.py:name`, `Choice` or `Case` objects; see
        `cases.case`.
      against: peers: "optax", "torch" (fused and foreach), "torch-fused", "torch-foreach",
        "flashoptim" (with full state and compressed), "flashoptim-full", "flashoptim-compressed",
        and "update" (optgen by optax's protocol, and optax). One that cannot take part,
        such as torch where it is not installed, is named below the table.
      tree: a workload's name or a shape such as `4096x4096`, or several of them.
      dtype: of parameters and gradients, or several.
      seconds: the time budget of each case's measurement, without compilation.
      json_path: where to write the run as JSON; see `optgen_bench.records`.
      plot_path: where to write the picture; the ending chooses the format.
      console: a `rich.console.Console` for the results; by default, standard output.
      targets: of optgen, each a contestant of its own.
      markdown_path: where to write the table in Markdown.
      results: a directory, for the run as JSON under a name of the machine and the day.
      timing_name: "auto", or what `optgen.tools.timing` has.

    Returns:
      The exit status: 0, or 1 where a rule's parameters differ from optax's after one step.

    Raises:
      UsageError: for an unknown rule, peer, tree or dtype, a tree that does not fit into memory,
        or a path that cannot be written; before anything is measured wherever possible.
    """
    chosen = [cases.case(rule) for rule in rules]
    works = [_work(t, d) for t in _several(tree) for d in _several(dtype)]
    mode = timing(timing_name)
    _check(chosen, against, seconds)
    _check_paths(json_path, plot_path, markdown_path, results and f"{results}/any.json")
    run_report = _run(chosen, works, against, targets, seconds, mode)
    table.show(run_report, console or _standard_output())
    if results is not None:
        path = storage.result_path(results, run_report)
        storage.write_atomically(path, storage.to_json(run_report).encode())
    _write(run_report, json_path, plot_path, markdown_path)
    return int(any(case.failures for case in run_report.cases))


def _run(
    chosen: Sequence[cases.Case],
    works: Sequence[Work],
    against: Sequence[str],
    targets: Sequence[str],
    seconds: float,
    mode: Timing,
) -> records.Report:
    measured, host = [], machine.describe()
    with _progress() as notify:
        for work in works:
            for case in chosen:
                notify(f"{case.name} on {work.name}: preparing")
                entrants, absent = contestants(case, against, targets, mode.on_device)
                record = run(case.name, work, entrants, absent, seconds, notify=notify, timing=mode)
                measured.append(record)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return records.Report(now, seconds, host, measured, timing=mode.name)


def _work(tree: str, dtype: str) -> Work:
    resolved = workloads.parse_dtype(dtype)
    if resolved.itemsize == 8 and not jax.config.read("jax_enable_x64"):
        raise UsageError(
            f"{dtype} needs JAX's 64-bit mode. Set JAX_ENABLE_X64=1 in the environment."
        )
    return Work(tree, workloads.tree(tree, resolved))


def _check(chosen: Sequence[cases.Case], against: Sequence[str], seconds: float) -> None:
    expand(against)
    if not chosen:
        raise UsageError(f"no rule to benchmark. Give some of {', '.join(cases.names())}.")
    if not seconds > 0:
        raise UsageError(f"seconds must be positive, not {seconds}. Give 10, for example.")


def _check_paths(
    json_path: str | None, plot_path: str | None, markdown_path: str | None, result: str | None
) -> None:
    for path in filter(None, (json_path, plot_path, markdown_path, result)):
        storage.check_writable(path)
    if plot_path is not None:
        from optgen_bench import plot

        plot.check_format(plot_path)


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _write(
    run_report: records.Report,
    json_path: str | None,
    plot_path: str | None,
    markdown_path: str | None,
) -> None:
    if json_path is not None:
        storage.write_atomically(json_path, storage.to_json(run_report).encode())
    if markdown_path is not None:
        storage.write_atomically(markdown_path, report.markdown(run_report).encode())
    if plot_path is not None:
        from optgen_bench import plot

        plot.save(run_report, plot_path)


def _standard_output() -> Any:
    from rich.console import Console

    return Console()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yields a function that shows what is being done, on standard error if it is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda message: None
        return
    with console.status("starting") as status:
        yield lambda message: status.update(message)
